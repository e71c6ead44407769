package actors

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
)

// Requests of users for completion groups and tasks. They may be made at any
// node, and repeated.

// CreateCompletion records a completion group. An id that exists with the same
// spec answers with that group; the bool tells which it was.
func (s *System) CreateCompletion(ctx context.Context, spec completion.Spec) (Completion, bool, error) {
	return s.createCompletion(ctx, completion.State{Spec: spec})
}

func (s *System) createCompletion(ctx context.Context, state completion.State) (Completion, bool, error) {
	body := &recordpb.CompletionGroup{}
	if err := encodeCompletion(body, &state, s.deps.cfg.Sealer); err != nil {
		return Completion{}, false, transfer.Errorf(transfer.CodeInternal, "%v", err)
	}
	var res clusterpb.CompletionState
	if err := s.callEntity(ctx, address{kindCompletion, state.Spec.ID}, opCreate, body, &res); err != nil {
		return Completion{}, false, err
	}
	c, err := s.withTask(ctx, completionFrom(&res))
	return c, res.GetCreated(), err
}

// Completion returns a completion group as it is now.
func (s *System) Completion(ctx context.Context, id string) (Completion, error) {
	return s.askCompletion(ctx, id, opGet)
}

// EnableCompletion closes a group and lets it fire; one that is enabled stays as
// it is.
func (s *System) EnableCompletion(ctx context.Context, id string) (Completion, error) {
	return s.askCompletion(ctx, id, opEnable)
}

func (s *System) askCompletion(ctx context.Context, id, op string) (Completion, error) {
	var res clusterpb.CompletionState
	if err := s.callEntity(ctx, address{kindCompletion, id}, op, &clusterpb.Empty{}, &res); err != nil {
		return Completion{}, err
	}
	return s.withTask(ctx, completionFrom(&res))
}

// Completions lists completion groups by id.
func (s *System) Completions(ctx context.Context, after string, limit int) ([]Completion, bool, error) {
	return pageOfEntities(ctx, s, kindCompletion, after, limit, transfer.CodeCompletionNotFound, s.Completion)
}

// DeleteCompletion removes a group that has ended, or has no members.
func (s *System) DeleteCompletion(ctx context.Context, id string) error {
	return s.callEntity(ctx, address{kindCompletion, id}, opDelete, &clusterpb.Empty{}, nil)
}

// AddToCompletion makes transfers members of a group that is open.
func (s *System) AddToCompletion(ctx context.Context, id string, transfers []string) (Completion, error) {
	if c, err := s.Completion(ctx, id); err != nil || c.State.Phase != completion.PhaseOpen {
		if err == nil {
			err = &transfer.Error{
				Code: transfer.CodeCompletionEnabled, Op: "add to completion group", Subject: id, Field: "id",
				Message: "it is enabled and takes no more members",
			}
		}
		return Completion{}, err
	}
	for _, member := range transfers {
		if err := s.addMember(ctx, id, member); err != nil {
			return Completion{}, err
		}
	}
	return s.Completion(ctx, id)
}

// addMember makes the transfer's record name the group, and gets the group's
// word; without it the transfer leaves again.
func (s *System) addMember(ctx context.Context, id, member string) error {
	snap, err := s.Get(ctx, member)
	if err != nil {
		return err
	}
	if err := s.mayJoin(ctx, &snap.State, id); err != nil {
		return err
	}
	if _, err := s.Command(ctx, member, transfer.Update{CompletionGroup: &id}, ""); err != nil {
		return err
	}
	refused := s.deps.joinCompletion(ctx, id, member)
	if refused == nil {
		return nil
	}
	if refused.Code.Class() == transfer.Refused {
		none := ""
		_, _ = s.Command(ctx, member, transfer.Update{CompletionGroup: &none}, "")
	}
	return refused
}

// checkSets refuses a new transfer whose sets would refuse it, before anything is
// written.
func (s *System) checkSets(ctx context.Context, spec *transfer.Spec) error {
	if spec.Group != "" {
		if err := s.ensureGroup(ctx, spec.Group); err != nil {
			return withFieldName(err, "group")
		}
	}
	if spec.CompletionGroup == "" {
		return nil
	}
	var res clusterpb.CompletionState
	err := s.callEntity(ctx, address{kindCompletion, spec.CompletionGroup}, opExists, &clusterpb.Empty{}, &res)
	if err == nil && completion.Phase(res.GetGroup().GetPhase()) != completion.PhaseOpen {
		err = &transfer.Error{
			Code: transfer.CodeCompletionEnabled, Op: "create transfer", Subject: spec.ID,
			Message: "completion group " + spec.CompletionGroup + " is enabled and takes no more members",
		}
	}
	if err == nil {
		return nil
	}
	// It may have been created before that, and this is the same wish again.
	if _, missing := s.Get(ctx, spec.ID); missing == nil {
		return nil
	}
	return withFieldName(err, "completionGroup")
}

func withFieldName(err error, field string) error {
	e := *asTransferError(err)
	e.Field = field
	return &e
}

// mayJoin refuses a transfer that another group counts and has not decided about.
func (s *System) mayJoin(ctx context.Context, t *transfer.State, id string) error {
	if t.Spec.CompletionGroup == id {
		return nil
	}
	err := s.decided(ctx, t, "add to completion group")
	if err == nil {
		return nil
	}
	return withFieldName(err, "completionGroup")
}

// mayPurge refuses to delete a transfer of which its group is still to tell.
func (s *System) mayPurge(ctx context.Context, id string) error {
	snap, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	return s.decided(ctx, &snap.State, "delete")
}

// decided fails while the transfer's completion group has not decided.
func (s *System) decided(ctx context.Context, t *transfer.State, op string) error {
	id := t.Spec.CompletionGroup
	if id == "" {
		return nil
	}
	var res clusterpb.CompletionState
	err := s.callEntity(ctx, address{kindCompletion, id}, opExists, &clusterpb.Empty{}, &res)
	switch phase := completion.Phase(res.GetGroup().GetPhase()); {
	case err != nil && asTransferError(err).Code == transfer.CodeCompletionNotFound:
		return nil
	case err != nil:
		return err
	case phase.Ended() || phase == completion.PhaseTriggered:
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodeState, Op: op, Subject: t.Spec.ID, Message: "completion group " + id + " counts it and has not fired yet",
	}
}

// RetryCompletion makes a group of the failed members of one that has ended, and
// retries them in it. Asked again it answers with the same group.
func (s *System) RetryCompletion(ctx context.Context, id string) (Completion, error) {
	var res clusterpb.CompletionState
	if err := s.callEntity(ctx, address{kindCompletion, id}, opRetrySource, &clusterpb.Empty{}, &res); err != nil {
		return Completion{}, err
	}
	parent, err := decodeCompletion(res.GetGroup(), s.deps.cfg.Sealer)
	if err != nil {
		return Completion{}, transfer.Errorf(transfer.CodeInternal, "%v", err)
	}
	var failed []string
	for _, member := range parent.Unsuccessful {
		snap, err := s.Get(ctx, member)
		switch {
		case err != nil && asTransferError(err).Code == transfer.CodeNotFound:
		case err != nil:
			return Completion{}, err
		case snap.State.Phase == transfer.PhaseFailed:
			failed = append(failed, member)
		}
	}
	child := completion.RetryID(parent.Spec)
	if len(failed) == 0 || len(failed) < int(parent.Failed) {
		// It may have been retried already.
		if c, err := s.Completion(ctx, child); err == nil {
			return c, nil
		}
	}
	spec, refused := completion.RetrySpec(parent, failed, time.Now().UTC())
	if refused != nil {
		return Completion{}, refused
	}
	c, _, err := s.createCompletion(ctx, completion.State{Spec: spec, Adopting: failed})
	if err != nil {
		return c, err
	}
	return s.adopted(ctx, c)
}

// adopted waits for a group to have taken over what it retries: it enables itself
// then. If that takes too long it is as it is.
func (s *System) adopted(ctx context.Context, c Completion) (Completion, error) {
	patience, cancel := context.WithTimeout(ctx, s.deps.cfg.RoutePatience)
	defer cancel()
	for c.State.Phase == completion.PhaseOpen && sleep(patience, firstRetry) == nil {
		next, err := s.Completion(ctx, c.State.Spec.ID)
		if err != nil {
			return c, err
		}
		c = next
	}
	return c, nil
}

// withTask adds what there is of the group's task.
func (s *System) withTask(ctx context.Context, c Completion) (Completion, error) {
	if c.State.TaskID == "" {
		return c, nil
	}
	t, err := s.Task(ctx, c.State.TaskID)
	switch {
	case err == nil:
		c.Task = &t
	case asTransferError(err).Code != transfer.CodeTaskNotFound:
		return c, err
	}
	return c, nil
}

// Task returns a task as it is now.
func (s *System) Task(ctx context.Context, id string) (Task, error) {
	return s.askTask(ctx, id, opGet)
}

// RedeliverTask delivers a task once more, under the same id.
func (s *System) RedeliverTask(ctx context.Context, id string) (Task, error) {
	return s.askTask(ctx, id, opRedeliver)
}

func (s *System) askTask(ctx context.Context, id, op string) (Task, error) {
	var res clusterpb.TaskState
	if err := s.callEntity(ctx, address{kindTask, id}, op, &clusterpb.Empty{}, &res); err != nil {
		return Task{}, err
	}
	return Task{State: decodeOpenTask(res.GetTask()), ETag: res.GetEtag()}, nil
}

// Tasks lists tasks by id.
func (s *System) Tasks(ctx context.Context, after string, limit int) ([]Task, bool, error) {
	return pageOfEntities(ctx, s, kindTask, after, limit, transfer.CodeTaskNotFound, s.Task)
}

// pageOfEntities reads a page of entities; one that is gone meanwhile is left
// out.
func pageOfEntities[T any](ctx context.Context, s *System, kind entityKind, after string, limit int, missing transfer.Code,
	get func(context.Context, string) (T, error),
) ([]T, bool, error) {
	ids, more, err := s.listEntities(ctx, kind, after, limit)
	if err != nil {
		return nil, false, err
	}
	found := make([]*T, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, id := range ids {
		group.Go(func() error {
			one, err := get(ctx, id)
			switch {
			case err == nil:
				found[i] = &one
			case asTransferError(err).Code != missing:
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	var out []T
	for _, one := range found {
		if one != nil {
			out = append(out, *one)
		}
	}
	return out, more, nil
}

// completionFrom is what the owner of a group says of it.
func completionFrom(res *clusterpb.CompletionState) Completion {
	return Completion{
		State: decodeOpenCompletion(res.GetGroup()), ETag: res.GetEtag(), Total: int(res.GetTotal()),
		Completed: int(res.GetCompleted()), Failed: int(res.GetFailed()), Canceled: int(res.GetCanceled()), WaitingOn: res.GetWaitingOn(),
	}
}
