package main

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// scriptSets keeps groups, completion groups and tasks. Nothing fires: a group
// that is waited for has ended, or never ends.
type scriptSets struct {
	godwitv1connect.UnimplementedCompletionServiceHandler
	godwitv1connect.UnimplementedGroupServiceHandler
	godwitv1connect.UnimplementedTaskServiceHandler
	mu          sync.Mutex // guards what follows
	groups      []*pb.Group
	completions []*pb.CompletionGroup
	tasks       []*pb.Task
}

func newScriptSets() *scriptSets {
	long := timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	after := timestamppb.New(long.AsTime().Add(1500 * time.Millisecond))
	exit := int32(3)
	refused := &pb.Error{Code: "webhook.status", Message: "it answered 503"}
	return &scriptSets{
		groups: []*pb.Group{{
			Name: "nightly", Behavior: pb.Group_SERIALIZED, Limit: 1, StrictOrder: true, Etag: "v1", CreateTime: long,
			Labels:  map[string]string{"team": "a"},
			Members: &pb.GroupMembers{Total: 2, Running: 1, Queued: 1, Order: []string{"t2", "t1"}},
		}},
		completions: []*pb.CompletionGroup{
			{Id: "good", Enabled: true, Status: pb.CompletionGroup_DONE, Members: &pb.CompletionMembers{Total: 2, Completed: 2}, CreateTime: long},
			{
				Id: "mixed", Enabled: true, Status: pb.CompletionGroup_DONE, Policy: pb.CompletionGroup_ALL_FINISHED, CreateTime: long,
				Members: &pb.CompletionMembers{Total: 3, Completed: 1, Failed: 1, Canceled: 1}, Webhook: &pb.Webhook{Url: "https://hook.example/"},
				Task: &pb.TaskSummary{Id: "k1", Status: pb.Task_SUCCEEDED, Attempts: 2}, Labels: map[string]string{"evil": "\x1b[31m"},
			},
			{
				Id: "lost", Enabled: true, Status: pb.CompletionGroup_FAILED, Members: &pb.CompletionMembers{Total: 1, Completed: 1},
				Error: refused, Task: &pb.TaskSummary{Id: "k2", Status: pb.Task_DEAD_LETTER, Attempts: 9},
			},
			{Id: "waiting", Status: pb.CompletionGroup_OPEN, Members: &pb.CompletionMembers{Total: 1, WaitingOn: []string{"t1"}}},
		},
		tasks: []*pb.Task{
			{Id: "k1", Status: pb.Task_SUCCEEDED, Kind: pb.Task_EXEC, CompletionGroup: "mixed", Attempts: 2, Target: "index", AttemptHistory: []*pb.TaskAttempt{
				{StartTime: long, EndTime: after, Node: "n1", ExitCode: &exit, Output: "no \x1b[31mspace", Error: &pb.Error{Code: "exec.failed", Message: "it ended with 3"}},
				{StartTime: long, EndTime: after, Node: "n2", ExitCode: new(int32)},
			}},
			{Id: "k2", Status: pb.Task_DEAD_LETTER, Kind: pb.Task_WEBHOOK, CompletionGroup: "lost", Attempts: 9, Target: "https://hook.example/", Error: refused},
		},
	}
}

func scriptFind[T interface{ comparable }](s *scriptSets, all []T, is func(T) bool, none string, change func(T)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range all {
		if is(m) {
			change(m)
			return m, nil
		}
	}
	var zero T
	return zero, shelfError(connect.CodeNotFound, none)
}

func (s *scriptSets) group(name string, change func(*pb.Group)) (*connect.Response[pb.Group], error) {
	g, err := scriptFind(s, s.groups, func(g *pb.Group) bool { return g.GetName() == name }, "group.not_found", change)
	return scriptAnswer(g, err)
}

func (s *scriptSets) completion(id string, change func(*pb.CompletionGroup)) (*connect.Response[pb.CompletionGroup], error) {
	g, err := scriptFind(s, s.completions, func(g *pb.CompletionGroup) bool { return g.GetId() == id }, "completion.not_found", change)
	return scriptAnswer(g, err)
}

func (s *scriptSets) task(id string, change func(*pb.Task)) (*connect.Response[pb.Task], error) {
	t, err := scriptFind(s, s.tasks, func(t *pb.Task) bool { return t.GetId() == id }, "task.not_found", change)
	return scriptAnswer(t, err)
}

func scriptAnswer[T any](m *T, err error) (*connect.Response[T], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(m), nil
}

func (s *scriptSets) CreateGroup(_ context.Context, r *connect.Request[pb.CreateGroupRequest]) (*connect.Response[pb.Group], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Msg.GetGroup().GetBehavior() == 0 {
		r.Msg.Group.Behavior = pb.Group_PARALLEL
	}
	s.groups = append(s.groups, r.Msg.GetGroup())
	return connect.NewResponse(r.Msg.GetGroup()), nil
}

func (s *scriptSets) GetGroup(_ context.Context, r *connect.Request[pb.GetGroupRequest]) (*connect.Response[pb.Group], error) {
	return s.group(r.Msg.GetName(), func(*pb.Group) {})
}

func (s *scriptSets) ListGroups(context.Context, *connect.Request[pb.ListGroupsRequest]) (*connect.Response[pb.ListGroupsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return connect.NewResponse(&pb.ListGroupsResponse{Groups: s.groups}), nil
}

func (s *scriptSets) UpdateGroup(_ context.Context, r *connect.Request[pb.UpdateGroupRequest]) (*connect.Response[pb.Group], error) {
	return s.group(r.Msg.GetName(), func(g *pb.Group) {
		if b := r.Msg.GetBehavior(); b != 0 {
			g.Behavior = b
		}
		if r.Msg.Limit != nil {
			g.Limit = r.Msg.GetLimit()
		}
		if r.Msg.StrictOrder != nil {
			g.StrictOrder = r.Msg.GetStrictOrder()
		}
	})
}

func (s *scriptSets) DeleteGroup(_ context.Context, r *connect.Request[pb.DeleteGroupRequest]) (*connect.Response[pb.DeleteGroupResponse], error) {
	_, err := s.group(r.Msg.GetName(), func(*pb.Group) {})
	return scriptAnswer(&pb.DeleteGroupResponse{}, err)
}

func (s *scriptSets) PauseGroup(_ context.Context, r *connect.Request[pb.PauseGroupRequest]) (*connect.Response[pb.Group], error) {
	return s.group(r.Msg.GetName(), func(g *pb.Group) { g.Paused = true })
}

func (s *scriptSets) ResumeGroup(_ context.Context, r *connect.Request[pb.ResumeGroupRequest]) (*connect.Response[pb.Group], error) {
	return s.group(r.Msg.GetName(), func(g *pb.Group) { g.Paused = false })
}

// MoveTransfer leaves what it was asked for as the order.
func (s *scriptSets) MoveTransfer(_ context.Context, r *connect.Request[pb.MoveTransferRequest]) (*connect.Response[pb.Group], error) {
	return s.group(r.Msg.GetName(), func(g *pb.Group) {
		g.Members.Order = []string{r.Msg.GetId(), r.Msg.GetWhere().String(), r.Msg.GetOther()}
	})
}

// CreateCompletionGroup makes a secret where one is missing, once.
func (s *scriptSets) CreateCompletionGroup(_ context.Context, r *connect.Request[pb.CreateCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	g := r.Msg.GetCompletionGroup()
	if old, err := s.completion(g.GetId(), func(*pb.CompletionGroup) {}); err == nil {
		return old, nil
	}
	g.Status, g.Members = pb.CompletionGroup_OPEN, &pb.CompletionMembers{}
	answer := proto.CloneOf(g)
	if hook := answer.GetWebhook(); hook != nil {
		if g.Webhook.Secret = ""; hook.GetSecret() == "" {
			hook.Secret = "whsec_sesame"
		} else {
			hook.Secret = ""
		}
	}
	s.mu.Lock()
	s.completions = append(s.completions, g)
	s.mu.Unlock()
	return connect.NewResponse(answer), nil
}

func (s *scriptSets) GetCompletionGroup(_ context.Context, r *connect.Request[pb.GetCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.completion(r.Msg.GetId(), func(*pb.CompletionGroup) {})
}

func (s *scriptSets) ListCompletionGroups(_ context.Context, r *connect.Request[pb.ListCompletionGroupsRequest]) (*connect.Response[pb.ListCompletionGroupsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &pb.ListCompletionGroupsResponse{}
	for _, g := range s.completions {
		if st := r.Msg.GetStatuses(); len(st) == 0 || st[0] == g.GetStatus() {
			list.CompletionGroups = append(list.CompletionGroups, g)
		}
	}
	return connect.NewResponse(list), nil
}

func (s *scriptSets) AddTransfers(_ context.Context, r *connect.Request[pb.AddTransfersRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.completion(r.Msg.GetId(), func(g *pb.CompletionGroup) { g.Members.Total += int32(len(r.Msg.GetTransfers())) })
}

func (s *scriptSets) EnableCompletionGroup(_ context.Context, r *connect.Request[pb.EnableCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	return s.completion(r.Msg.GetId(), func(g *pb.CompletionGroup) { g.Enabled, g.Status = true, pb.CompletionGroup_ENABLED })
}

func (s *scriptSets) RetryCompletionGroup(_ context.Context, r *connect.Request[pb.RetryCompletionGroupRequest]) (*connect.Response[pb.CompletionGroup], error) {
	_, err := s.completion(r.Msg.GetId(), func(*pb.CompletionGroup) {})
	return scriptAnswer(&pb.CompletionGroup{Id: "again", Parent: r.Msg.GetId(), Status: pb.CompletionGroup_ENABLED}, err)
}

func (s *scriptSets) DeleteCompletionGroup(_ context.Context, r *connect.Request[pb.DeleteCompletionGroupRequest]) (*connect.Response[pb.DeleteCompletionGroupResponse], error) {
	_, err := s.completion(r.Msg.GetId(), func(*pb.CompletionGroup) {})
	return scriptAnswer(&pb.DeleteCompletionGroupResponse{}, err)
}

func (s *scriptSets) GetTask(_ context.Context, r *connect.Request[pb.GetTaskRequest]) (*connect.Response[pb.Task], error) {
	return s.task(r.Msg.GetId(), func(*pb.Task) {})
}

func (s *scriptSets) ListTasks(_ context.Context, r *connect.Request[pb.ListTasksRequest]) (*connect.Response[pb.ListTasksResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &pb.ListTasksResponse{}
	for _, t := range s.tasks {
		if st := r.Msg.GetStatuses(); len(st) == 0 || st[0] == t.GetStatus() {
			list.Tasks = append(list.Tasks, t)
		}
	}
	return connect.NewResponse(list), nil
}

func (s *scriptSets) RedeliverTask(_ context.Context, r *connect.Request[pb.RedeliverTaskRequest]) (*connect.Response[pb.Task], error) {
	return s.task(r.Msg.GetId(), func(t *pb.Task) { t.Status, t.Error = pb.Task_PENDING, nil })
}
