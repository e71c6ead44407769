package api

import (
	"context"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
	"godwit/transfer/task"
)

var _ godwitv1connect.TaskServiceHandler = (*service)(nil)

// GetTask answers with one background task.
func (s *service) GetTask(ctx context.Context, req *connect.Request[pb.GetTaskRequest]) (*connect.Response[pb.Task], error) {
	return s.onTask(ctx, "get task", req.Msg.GetId(), s.sets.Task)
}

// RedeliverTask delivers a task that has ended once more.
func (s *service) RedeliverTask(ctx context.Context, req *connect.Request[pb.RedeliverTaskRequest]) (*connect.Response[pb.Task], error) {
	return s.onTask(ctx, "redeliver task", req.Msg.GetId(), s.sets.RedeliverTask)
}

// ListTasks answers with one page of the tasks that match.
func (s *service) ListTasks(ctx context.Context, req *connect.Request[pb.ListTasksRequest]) (*connect.Response[pb.ListTasksResponse], error) {
	match, e := among(req.Msg.GetStatuses())
	if e != nil {
		return nil, s.fail(ctx, "list tasks", e)
	}
	page, next, err := listing[actors.Task]{
		name: func(t actors.Task) string { return t.State.ID },
		fetch: func(after string, limit int) ([]actors.Task, bool, error) {
			return s.sets.Tasks(ctx, after, limit)
		},
		keep: func(t actors.Task) bool { return match(string(t.State.Phase)) },
	}.page(s.pages, req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "list tasks", err)
	}
	out := &pb.ListTasksResponse{Tasks: make([]*pb.Task, len(page)), NextPageToken: next}
	for i, t := range page {
		out.Tasks[i] = toTask(t)
	}
	return connect.NewResponse(out), nil
}

// onTask is the shape of all calls that concern one task.
func (s *service) onTask(
	ctx context.Context, procedure, id string, do func(context.Context, string) (actors.Task, error),
) (*connect.Response[pb.Task], error) {
	if e := transfer.CheckID(id); e != nil {
		return nil, s.fail(ctx, procedure, e)
	}
	found, err := do(ctx, id)
	if err != nil {
		return nil, s.fail(ctx, procedure, err)
	}
	return connect.NewResponse(toTask(found)), nil
}

// toTask shows a task to users: where it goes, but no secret and no query.
func toTask(t actors.Task) *pb.Task {
	st := t.State
	m := &pb.Task{
		Id:              st.ID,
		Status:          taskStatus(st.Phase),
		Kind:            enumValue[pb.Task_Kind](pb.Task_Kind_value, string(st.Spec.Kind)),
		CompletionGroup: st.CompletionGroup,
		Transfer:        st.Transfer,
		Attempts:        int32(st.Attempts),
		CreateTime:      moment(st.Created),
		FinishTime:      moment(st.Finished),
		Target:          taskTarget(st.Spec),
		Submitted:       st.Submitted,
		Etag:            t.ETag,
	}
	if st.Phase == task.PhasePending {
		m.NextAttemptTime = moment(st.NotBefore)
	}
	if st.Err != nil {
		m.Error = errorMessage(st.Err)
	}
	for _, attempt := range st.History {
		m.AttemptHistory = append(m.AttemptHistory, toAttempt(attempt))
	}
	return m
}

func toAttempt(a task.Attempt) *pb.TaskAttempt {
	m := &pb.TaskAttempt{
		StartTime: moment(a.Start), EndTime: moment(a.End), Node: a.Node,
		StatusCode: int32(a.Status), Output: a.Output,
	}
	if a.HasExit {
		code := int32(a.Exit)
		m.ExitCode = &code
	}
	if a.Err != nil {
		m.Error = errorMessage(a.Err)
	}
	return m
}

func taskStatus(p task.Phase) pb.Task_Status {
	return enumValue[pb.Task_Status](pb.Task_Status_value, string(p))
}

// taskTarget is where a task goes; a submit has no such place.
func taskTarget(spec task.Spec) string {
	switch spec.Kind {
	case task.Webhook:
		return transfer.RedactURL(spec.URL)
	case task.Exec:
		return spec.Command
	case task.Notification:
		return spec.Channel
	}
	return ""
}
