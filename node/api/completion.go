package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
	"godwit/transfer/completion"
)

var _ godwitv1connect.CompletionServiceHandler = (*service)(nil)

// maxAdded bounds how many transfers one call adds to a completion group.
const maxAdded = 10000

// CreateCompletionGroup makes a completion group, or answers with the one of the
// same id and the same settings.
func (s *service) CreateCompletionGroup(ctx context.Context, req *connect.Request[pb.CreateCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	spec, made, e := s.toCompletionSpec(req.Msg.GetCompletionGroup())
	if e != nil {
		return nil, s.fail(ctx, "create completion group", e)
	}
	found, isNew, err := s.sets.CreateCompletion(ctx, spec)
	if made != "" && errors.Is(err, &transfer.Error{Code: transfer.CodeIDConflict}) {
		// The group may have been made by the same request before, and then with
		// another secret.
		unsigned := *spec.Task
		unsigned.Secret = ""
		spec.Task = &unsigned
		found, isNew, err = s.sets.CreateCompletion(ctx, spec)
	}
	if errors.As(err, &e) {
		err = completionField(e)
	}
	if err != nil {
		return nil, s.fail(ctx, "create completion group", err)
	}
	out := toCompletion(found)
	if isNew && made != "" {
		out.Webhook.Secret = made
	}
	return connect.NewResponse(out), nil
}

// GetCompletionGroup answers with one completion group.
func (s *service) GetCompletionGroup(ctx context.Context, req *connect.Request[pb.GetCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.onCompletion(ctx, "get completion group", req.Msg.GetId(), s.sets.Completion)
}

// ListCompletionGroups answers with one page of the groups that match.
func (s *service) ListCompletionGroups(ctx context.Context, req *connect.Request[pb.ListCompletionGroupsRequest]) (*connect.Response[pb.ListCompletionGroupsResponse], error) {
	match, e := among(req.Msg.GetStatuses())
	if e != nil {
		return nil, s.fail(ctx, "list completion groups", e)
	}
	page, next, err := listing[actors.Completion]{
		name: func(c actors.Completion) string { return c.State.Spec.ID },
		fetch: func(after string, limit int) ([]actors.Completion, bool, error) {
			return s.sets.Completions(ctx, after, limit)
		},
		keep: func(c actors.Completion) bool { return match(string(c.State.Phase)) },
	}.page(s.pages, req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "list completion groups", err)
	}
	out := &pb.ListCompletionGroupsResponse{CompletionGroups: make([]*pb.CompletionGroup, len(page)), NextPageToken: next}
	for i, c := range page {
		out.CompletionGroups[i] = toCompletion(c)
	}
	return connect.NewResponse(out), nil
}

// AddTransfers makes transfers members of a group.
func (s *service) AddTransfers(ctx context.Context, req *connect.Request[pb.AddTransfersRequest]) (*connect.Response[pb.CompletionGroup], error) {
	members, e := added(req.Msg.GetTransfers())
	if e != nil {
		return nil, s.fail(ctx, "add transfers", e)
	}
	return s.onCompletion(ctx, "add transfers", req.Msg.GetId(), func(ctx context.Context, id string) (actors.Completion, error) {
		return s.sets.AddToCompletion(ctx, id, members)
	})
}

// added checks the ids of members and takes each once.
func added(ids []string) ([]string, *transfer.Error) {
	if len(ids) == 0 || len(ids) > maxAdded {
		return nil, &transfer.Error{Code: transfer.CodeMembers, Field: "transfers", Message: "1 to 10000 transfers are added at a time"}
	}
	for _, id := range ids {
		if e := transfer.CheckID(id); e != nil {
			e.Field = "transfers"
			return nil, e
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(ids))), nil
}

// EnableCompletionGroup ends adding and lets the group fire.
func (s *service) EnableCompletionGroup(ctx context.Context, req *connect.Request[pb.EnableCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.onCompletion(ctx, "enable completion group", req.Msg.GetId(), s.sets.EnableCompletion)
}

// RetryCompletionGroup answers with a new group of the members that failed.
func (s *service) RetryCompletionGroup(ctx context.Context, req *connect.Request[pb.RetryCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.onCompletion(ctx, "retry completion group", req.Msg.GetId(), s.sets.RetryCompletion)
}

// DeleteCompletionGroup removes a group that nothing waits for.
func (s *service) DeleteCompletionGroup(ctx context.Context, req *connect.Request[pb.DeleteCompletionGroupRequest]) (*connect.Response[pb.DeleteCompletionGroupResponse], error) {
	if e := checkCompletionID(req.Msg.GetId()); e != nil {
		return nil, s.fail(ctx, "delete completion group", e)
	}
	if err := s.sets.DeleteCompletion(ctx, req.Msg.GetId()); err != nil {
		return nil, s.fail(ctx, "delete completion group", err)
	}
	return connect.NewResponse(&pb.DeleteCompletionGroupResponse{}), nil
}

// onCompletion is the shape of all calls that concern one completion group.
func (s *service) onCompletion(
	ctx context.Context, procedure, id string, do func(context.Context, string) (actors.Completion, error),
) (*connect.Response[pb.CompletionGroup], error) {
	if e := checkCompletionID(id); e != nil {
		return nil, s.fail(ctx, procedure, e)
	}
	found, err := do(ctx, id)
	if err != nil {
		return nil, s.fail(ctx, procedure, err)
	}
	return connect.NewResponse(toCompletion(found)), nil
}

// checkCompletionID applies the rules of new groups to an id: no group has
// another one.
func checkCompletionID(id string) *transfer.Error {
	_, e := completion.Normalize(completion.Spec{ID: id}, time.Time{})
	return e
}
