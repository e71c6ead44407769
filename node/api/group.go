package api

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
	"godwit/transfer/group"
)

var _ godwitv1connect.GroupServiceHandler = (*service)(nil)

// CreateGroup makes a transfer group, or answers with the one of the same name
// and the same settings.
func (s *service) CreateGroup(ctx context.Context, req *connect.Request[pb.CreateGroupRequest]) (*connect.Response[pb.Group], error) {
	spec, e := toGroupSpec(req.Msg.GetGroup())
	if e != nil {
		return nil, s.fail(ctx, "create group", e)
	}
	found, _, err := s.sets.CreateGroup(ctx, spec)
	if errors.As(err, &e) {
		err = groupField(e)
	}
	return s.answerGroup(ctx, "create group", found, err)
}

// GetGroup answers with one group and the order of its members.
func (s *service) GetGroup(ctx context.Context, req *connect.Request[pb.GetGroupRequest]) (*connect.Response[pb.Group], error) {
	return s.onGroup(ctx, "get group", req.Msg.GetName(), s.sets.Group)
}

// ListGroups answers with one page of all groups.
func (s *service) ListGroups(ctx context.Context, req *connect.Request[pb.ListGroupsRequest]) (*connect.Response[pb.ListGroupsResponse], error) {
	page, next, err := listing[actors.Group]{
		name: func(g actors.Group) string { return g.State.Spec.Name },
		fetch: func(after string, limit int) ([]actors.Group, bool, error) {
			return s.sets.Groups(ctx, after, limit)
		},
		keep: everything[actors.Group],
	}.page(s.pages, req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "list groups", err)
	}
	out := &pb.ListGroupsResponse{Groups: make([]*pb.Group, len(page)), NextPageToken: next}
	for i, g := range page {
		out.Groups[i] = toGroup(g)
	}
	return connect.NewResponse(out), nil
}

// UpdateGroup changes what is present.
func (s *service) UpdateGroup(ctx context.Context, req *connect.Request[pb.UpdateGroupRequest]) (*connect.Response[pb.Group], error) {
	change, e := toGroupChange(req.Msg)
	if e != nil {
		return nil, s.fail(ctx, "update group", e)
	}
	return s.changeGroup(ctx, "update group", req.Msg.GetName(), change, req.Msg.GetEtag())
}

// PauseGroup lets no member run.
func (s *service) PauseGroup(ctx context.Context, req *connect.Request[pb.PauseGroupRequest]) (*connect.Response[pb.Group], error) {
	yes := true
	return s.changeGroup(ctx, "pause group", req.Msg.GetName(), group.Change{Paused: &yes}, "")
}

// ResumeGroup takes back a pause.
func (s *service) ResumeGroup(ctx context.Context, req *connect.Request[pb.ResumeGroupRequest]) (*connect.Response[pb.Group], error) {
	no := false
	return s.changeGroup(ctx, "resume group", req.Msg.GetName(), group.Change{Paused: &no}, "")
}

// MoveTransfer changes the place of a member.
func (s *service) MoveTransfer(ctx context.Context, req *connect.Request[pb.MoveTransferRequest]) (*connect.Response[pb.Group], error) {
	move, e := toMove(req.Msg)
	if e != nil {
		return nil, s.fail(ctx, "move transfer", e)
	}
	return s.changeGroup(ctx, "move transfer", req.Msg.GetName(), group.Change{Move: &move}, "")
}

// DeleteGroup removes a group that has no member left to run.
func (s *service) DeleteGroup(ctx context.Context, req *connect.Request[pb.DeleteGroupRequest]) (*connect.Response[pb.DeleteGroupResponse], error) {
	name := req.Msg.GetName()
	if e := checkGroupName(name); e != nil {
		return nil, s.fail(ctx, "delete group", e)
	}
	if err := s.sets.DeleteGroup(ctx, name); err != nil {
		return nil, s.fail(ctx, "delete group", err)
	}
	return connect.NewResponse(&pb.DeleteGroupResponse{}), nil
}

func (s *service) changeGroup(ctx context.Context, procedure, name string, change group.Change, etag string) (*connect.Response[pb.Group], error) {
	return s.onGroup(ctx, procedure, name, func(ctx context.Context, name string) (actors.Group, error) {
		return s.sets.ChangeGroup(ctx, name, change, etag)
	})
}

// onGroup is the shape of all calls that concern one group.
func (s *service) onGroup(
	ctx context.Context, procedure, name string, do func(context.Context, string) (actors.Group, error),
) (*connect.Response[pb.Group], error) {
	if e := checkGroupName(name); e != nil {
		return nil, s.fail(ctx, procedure, e)
	}
	found, err := do(ctx, name)
	return s.answerGroup(ctx, procedure, found, err)
}

func (s *service) answerGroup(ctx context.Context, procedure string, found actors.Group, err error) (*connect.Response[pb.Group], error) {
	if err != nil {
		return nil, s.fail(ctx, procedure, err)
	}
	return connect.NewResponse(toGroup(found)), nil
}

// checkGroupName is transfer.CheckID under the name of the field.
func checkGroupName(name string) *transfer.Error {
	e := transfer.CheckID(name)
	if e != nil {
		e.Field = "name"
	}
	return e
}
