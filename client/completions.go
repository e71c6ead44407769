package client

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	pb "godwit/protos/godwit/v1"
)

// pollEvery is how often a wait asks what became of a completion group.
const pollEvery = time.Second

// CreateCompletionGroup makes a completion group. It is idempotent by id: with
// one that exists and the same settings it returns the group as it is, with
// others it fails with "id.conflict". An empty id gets a new one here, so that a
// lost answer cannot make two groups.
//
// A webhook without a secret is given one by the server, and only the answer to
// the call that made the group has it. Who must not miss it sends one.
func (c *Client) CreateCompletionGroup(ctx context.Context, g *pb.CompletionGroup) (*pb.CompletionGroup, error) {
	if g.GetId() == "" {
		g = proto.CloneOf(g)
		g.Id = ulid.Make().String()
	}
	return call(ctx, c, operation{name: "create completion group", id: g.GetId()}, (*server).CreateCompletionGroup,
		&pb.CreateCompletionGroupRequest{CompletionGroup: g})
}

// CompletionGroup returns a completion group as it is now. An id that none has
// fails with "completion.not_found".
func (c *Client) CompletionGroup(ctx context.Context, id string) (*pb.CompletionGroup, error) {
	return call(ctx, c, operation{name: "get completion group", id: id}, (*server).GetCompletionGroup, &pb.GetCompletionGroupRequest{Id: id})
}

// CompletionGroups yields all completion groups with one of the statuses, or all
// there are, by id, fetching page after page. An error ends it.
func (c *Client) CompletionGroups(ctx context.Context, statuses ...pb.CompletionGroup_Status) iter.Seq2[*pb.CompletionGroup, error] {
	return pages("", func(token string) ([]*pb.CompletionGroup, string, error) {
		page, err := call(ctx, c, operation{name: "list completion groups"}, (*server).ListCompletionGroups,
			&pb.ListCompletionGroupsRequest{PageSize: pageSize, PageToken: token, Statuses: statuses})
		return page.GetCompletionGroups(), page.GetNextPageToken(), err
	})
}

// AddTransfers makes transfers that exist members of a completion group. Those
// that are members already stay. Of a group that is enabled it fails with
// "completion.enabled".
func (c *Client) AddTransfers(ctx context.Context, id string, transfers ...string) (*pb.CompletionGroup, error) {
	return call(ctx, c, operation{name: "add transfers", id: id}, (*server).AddTransfers,
		&pb.AddTransfersRequest{Id: id, Transfers: transfers})
}

// EnableCompletionGroup ends adding and lets the group fire. Repeated, it changes
// nothing.
func (c *Client) EnableCompletionGroup(ctx context.Context, id string) (*pb.CompletionGroup, error) {
	return call(ctx, c, operation{name: "enable completion group", id: id}, (*server).EnableCompletionGroup,
		&pb.EnableCompletionGroupRequest{Id: id})
}

// RetryCompletionGroup makes a group of the failed members of one that has ended
// and returns it. It is sent to another server only if the first one was not
// reached.
func (c *Client) RetryCompletionGroup(ctx context.Context, id string) (*pb.CompletionGroup, error) {
	return call(ctx, c, operation{name: "retry completion group", id: id, once: true}, (*server).RetryCompletionGroup,
		&pb.RetryCompletionGroupRequest{Id: id})
}

// DeleteCompletionGroup removes a completion group; while it has members and has
// not ended it fails with "state.conflict". It is repeated as reading is: when the
// first answer was lost, the repetition fails with "completion.not_found".
func (c *Client) DeleteCompletionGroup(ctx context.Context, id string) error {
	_, err := call(ctx, c, operation{name: "delete completion group", id: id}, (*server).DeleteCompletionGroup,
		&pb.DeleteCompletionGroupRequest{Id: id})
	return err
}

// CompletionEnded tells the statuses that a completion group never leaves.
func CompletionEnded(s pb.CompletionGroup_Status) bool {
	return s == pb.CompletionGroup_DONE || s == pb.CompletionGroup_FAILED
}

// WaitCompletionGroup calls progress with what a completion group is now and then,
// until it has ended; progress may be nil. It returns the last that it saw. How
// the group and its members ended is no error here. A wait survives servers that
// do not answer as a watch does; when ctx ends the group goes on.
func (c *Client) WaitCompletionGroup(ctx context.Context, id string, progress func(*pb.CompletionGroup)) (*pb.CompletionGroup, error) {
	var last *pb.CompletionGroup
	for answered := time.Now(); ; {
		g, err := c.CompletionGroup(ctx, id)
		switch {
		case err == nil:
			last, answered = g, time.Now()
			if progress != nil {
				progress(g)
			}
			if CompletionEnded(g.GetStatus()) {
				return last, nil
			}
		case !c.patient(err, answered):
			return last, err
		}
		timer := time.NewTimer(min(pollEvery, c.cfg.MaxBackoff))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last, translate(ctx, "wait for completion group", id, ctx.Err())
		}
	}
}

// patient tells whether a wait goes on after a failure.
func (c *Client) patient(err error, answered time.Time) bool {
	var e *Error
	if !errors.As(err, &e) || !e.Retryable {
		return false
	}
	return c.cfg.ReconnectFor < 0 || time.Since(answered) < c.cfg.ReconnectFor
}
