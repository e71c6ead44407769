package client

import (
	"context"
	"iter"

	pb "godwit/protos/godwit/v1"
)

// CreateGroup makes a transfer group. It is idempotent by name: with one that
// exists and the same settings it returns the group as it is, with others it
// fails with "id.conflict".
func (c *Client) CreateGroup(ctx context.Context, g *pb.Group) (*pb.Group, error) {
	return call(ctx, c, operation{name: "create group", id: g.GetName()}, (*server).CreateGroup, &pb.CreateGroupRequest{Group: g})
}

// Group returns a transfer group with the order of its members. A name that none
// has fails with "group.not_found".
func (c *Client) Group(ctx context.Context, name string) (*pb.Group, error) {
	return call(ctx, c, operation{name: "get group", id: name}, (*server).GetGroup, &pb.GetGroupRequest{Name: name})
}

// Groups yields all transfer groups by name, fetching page after page. An error
// ends it.
func (c *Client) Groups(ctx context.Context) iter.Seq2[*pb.Group, error] {
	return pages("", func(token string) ([]*pb.Group, string, error) {
		page, err := call(ctx, c, operation{name: "list groups"}, (*server).ListGroups,
			&pb.ListGroupsRequest{PageSize: pageSize, PageToken: token})
		return page.GetGroups(), page.GetNextPageToken(), err
	})
}

// UpdateGroup changes what is present. It is repeated as [Client.Update] is.
func (c *Client) UpdateGroup(ctx context.Context, req *pb.UpdateGroupRequest) (*pb.Group, error) {
	op := operation{name: "update group", id: req.GetName(), once: req.GetEtag() != ""}
	return call(ctx, c, op, (*server).UpdateGroup, req)
}

// DeleteGroup removes a transfer group; while a member has not ended it fails
// with "state.conflict". It is repeated as reading is: when the first answer was
// lost, the repetition fails with "group.not_found".
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	_, err := call(ctx, c, operation{name: "delete group", id: name}, (*server).DeleteGroup, &pb.DeleteGroupRequest{Name: name})
	return err
}

// PauseGroup lets no member run until ResumeGroup; those that run stop and keep
// their bytes.
func (c *Client) PauseGroup(ctx context.Context, name string) (*pb.Group, error) {
	return call(ctx, c, operation{name: "pause group", id: name}, (*server).PauseGroup, &pb.PauseGroupRequest{Name: name})
}

// ResumeGroup takes back PauseGroup.
func (c *Client) ResumeGroup(ctx context.Context, name string) (*pb.Group, error) {
	return call(ctx, c, operation{name: "resume group", id: name}, (*server).ResumeGroup, &pb.ResumeGroupRequest{Name: name})
}

// MoveTransfer changes the place of a member of a transfer group. It says what is
// to be and is repeated like reading is.
func (c *Client) MoveTransfer(ctx context.Context, req *pb.MoveTransferRequest) (*pb.Group, error) {
	return call(ctx, c, operation{name: "move transfer", id: req.GetId()}, (*server).MoveTransfer, req)
}
