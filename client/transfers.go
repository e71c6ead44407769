package client

import (
	"context"
	"iter"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	pb "godwit/protos/godwit/v1"
)

// Create makes a transfer, and starts it if start is set. It is idempotent by
// id: with an id that exists and the same wishes it returns the transfer as it
// is, with other wishes it fails with "id.conflict". An empty id gets a new
// one here, so that a lost answer cannot make two transfers.
func (c *Client) Create(ctx context.Context, t *pb.Transfer, start bool) (*pb.Transfer, error) {
	if t.GetId() == "" {
		t = proto.CloneOf(t)
		t.Id = ulid.Make().String()
	}
	return call(ctx, c, operation{name: "create transfer", id: t.GetId()}, (*server).CreateTransfer,
		&pb.CreateTransferRequest{Transfer: t, Start: &start})
}

// Get returns the transfer as it is now.
func (c *Client) Get(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "get transfer", id: id}, (*server).GetTransfer, &pb.GetTransferRequest{Id: id})
}

// List yields all transfers that match, fetching page after page. The page
// token of the request is where it begins. An error ends it.
func (c *Client) List(ctx context.Context, filter *pb.ListTransfersRequest) iter.Seq2[*pb.Transfer, error] {
	req := &pb.ListTransfersRequest{}
	if filter != nil {
		req = proto.CloneOf(filter)
	}
	return pages(req.GetPageToken(), func(token string) ([]*pb.Transfer, string, error) {
		req := proto.CloneOf(req)
		req.PageToken = token
		page, err := call(ctx, c, operation{name: "list transfers"}, (*server).ListTransfers, req)
		return page.GetTransfers(), page.GetNextPageToken(), err
	})
}

// Start lets an idle transfer run. It is repeated like reading is: what runs
// already stays as it is. When the first answer was lost and the transfer has
// ended since, the repetition fails with "state.conflict".
func (c *Client) Start(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "start transfer", id: id}, (*server).StartTransfer, &pb.StartTransferRequest{Id: id})
}

// Pause stops it until Resume; its bytes are kept. It is repeated as Start is.
func (c *Client) Pause(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "pause transfer", id: id}, (*server).PauseTransfer, &pb.PauseTransferRequest{Id: id})
}

// Resume takes back Pause, and a pause after a recoverable error. It is
// repeated as Start is.
func (c *Client) Resume(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "resume transfer", id: id}, (*server).ResumeTransfer, &pb.ResumeTransferRequest{Id: id})
}

// Cancel ends it for good and removes its bytes. Repeated, it finds the transfer
// canceled and leaves it so.
func (c *Client) Cancel(ctx context.Context, id, reason string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "cancel transfer", id: id}, (*server).CancelTransfer,
		&pb.CancelTransferRequest{Id: id, Reason: reason})
}

// Retry makes a failed transfer run again with the bytes it has. As a second
// one could revive a transfer that failed again meanwhile, it is sent to
// another server only if the first one was not reached.
func (c *Client) Retry(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "retry transfer", id: id, once: true}, (*server).RetryTransfer, &pb.RetryTransferRequest{Id: id})
}

// Acknowledge says that the end of a transfer was noticed. Repeated, it changes
// nothing.
func (c *Client) Acknowledge(ctx context.Context, id string) (*pb.Transfer, error) {
	return call(ctx, c, operation{name: "acknowledge transfer", id: id}, (*server).AcknowledgeTransfer,
		&pb.AcknowledgeTransferRequest{Id: id})
}

// Delete removes a transfer that has ended, with the bytes that a failed one
// keeps; never its result. When the first answer was lost, the repetition fails
// with "transfer.not_found": it is gone.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := call(ctx, c, operation{name: "delete transfer", id: id}, (*server).DeleteTransfer, &pb.DeleteTransferRequest{Id: id})
	return err
}

// Update changes what may change; absent fields stay. Without an etag it says
// what is to be and is repeated; with one it applies only to that version, which
// it changes, and is sent to another server only if the first one was not
// reached; so is one that appends headers, which would be appended twice.
func (c *Client) Update(ctx context.Context, req *pb.UpdateTransferRequest) (*pb.Transfer, error) {
	op := operation{name: "update transfer", id: req.GetId(), once: req.GetEtag() != "" || len(req.GetAppendHeaders()) > 0}
	return call(ctx, c, op, (*server).UpdateTransfer, req)
}

// Explain returns the transfer and, in words, why it does not run, the binding
// constraint first.
func (c *Client) Explain(ctx context.Context, id string) (*pb.Transfer, []string, error) {
	res, err := call(ctx, c, operation{name: "explain transfer", id: id}, (*server).ExplainTransfer, &pb.ExplainTransferRequest{Id: id})
	if err != nil {
		return nil, nil, err
	}
	return res.GetTransfer(), res.GetReasons(), nil
}
