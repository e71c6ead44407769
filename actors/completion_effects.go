package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// carryOut does what the group has decided. Everything that concerns others is
// repeated until it is done, and asked for again after a takeover.
func (l *completionLogic) carryOut(ctx actor.Context, effect any) {
	switch e := effect.(type) {
	case completion.ListMembers:
		l.listMarkers(ctx, e.Final)
	case completion.Census:
		l.census(ctx)
	case completion.StartMembers:
		l.startMembers(ctx, e.IDs)
	case completion.CancelMembers:
		l.cancelMembers(ctx, e.IDs)
	case completion.CreateTask:
		l.cfg.Reached(PointGroupDecided)
		l.submitTask(ctx, e.ID, e.Spec, completion.TaskCreated{})
	case completion.AskTask:
		l.askTask(ctx, e.ID)
	case completion.Notify:
		l.submitTask(ctx, e.ID, e.Spec, completion.Notified{Index: e.Index})
	case completion.Adopt:
		l.adopt(ctx, e.IDs)
	case phaseRecorded:
		l.onPhaseRecorded(e.phase)
	case completion.WakeAt:
		l.wakeAt(ctx, e.Time)
	case completion.Remove:
		l.remove(ctx)
	}
}

// remove deletes the markers and then the record; what is queued waits for both.
func (l *completionLogic) remove(ctx actor.Context) {
	l.busy = true
	folder := markerFolder(l.at.id)
	l.async(ctx, func(c context.Context) any { return &markersRemoved{l.recorder.removeFolder(c, folder)} })
}

func (l *completionLogic) onMarkersRemoved(msg *markersRemoved) {
	if msg.err != nil {
		l.cfg.Logger.Warn("markers not removed", slog.String("completion_group", l.at.id), slog.Any("error", msg.err))
	}
	l.busy = false
	l.pending = append([]any{forgetRecord{}}, l.pending...)
}

// onPhaseRecorded counts decisions.
func (l *completionLogic) onPhaseRecorded(phase completion.Phase) {
	switch {
	case phase == completion.PhaseTriggered:
		l.cfg.Reached(PointGroupTriggered)
		l.cfg.Meter.GroupTrigger("fired")
	case phase == completion.PhaseDone && l.state.TaskID == "":
		l.cfg.Meter.GroupTrigger("fired")
	case phase == completion.PhaseFailed && l.state.TaskID == "":
		l.cfg.Meter.GroupTrigger("failed")
	}
	if phase.Ended() {
		l.cfg.Reached(PointGroupEnded)
	}
}

func (l *completionLogic) wakeAt(ctx actor.Context, at time.Time) {
	halt(l.timer)
	if !at.IsZero() {
		l.timer = l.later(ctx, l.timer, time.Until(at), &completionEvent{completion.Tick{}})
	}
}

// startMembers starts members that are idle. Others do not mind.
func (l *completionLogic) startMembers(ctx actor.Context, ids []string) {
	l.async(ctx, func(c context.Context) any {
		found, err := l.system.census(c, censusRequest{completion: l.at.id})
		known := map[string]transfer.Phase{}
		for _, m := range found {
			known[m.id] = m.phase
		}
		each(ids, func(id string) {
			if phase, ok := known[id]; err == nil && ok && phase != transfer.PhaseIdle {
				return
			}
			_ = l.system.commandUntilSettled(c, id, transfer.Start{}) // the next census tells
		})
		return nil
	})
}

func (l *completionLogic) cancelMembers(ctx actor.Context, ids []string) {
	l.async(ctx, func(c context.Context) any {
		each(ids, func(id string) {
			_ = l.system.commandUntilSettled(c, id, transfer.Cancel{By: "completion group " + l.at.id, Reason: "its deadline has passed"})
		})
		return nil
	})
}

// each does something for every id, a few at a time.
func each(ids []string, do func(id string)) {
	slots := make(chan struct{}, parallelReads)
	for _, id := range ids {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			do(id)
		}()
	}
	for range parallelReads {
		slots <- struct{}{}
	}
}

// commandUntilSettled repeats a command until it is carried out or refused.
func (s *System) commandUntilSettled(ctx context.Context, id string, ev transfer.Event) *transfer.Error {
	for {
		_, err := s.Command(ctx, id, ev, "")
		if err == nil {
			return nil
		}
		if e := asTransferError(err); e.Code.Class() != transfer.Transient || sleep(ctx, joinEvery) != nil {
			return e
		}
	}
}

// submitTask has a task's record created, for as long as it takes: that is the
// decision, and there is one, since there is one such record.
func (l *completionLogic) submitTask(ctx actor.Context, id string, spec task.Spec, then completion.Event) {
	state := task.State{ID: id, Spec: spec, CompletionGroup: l.at.id}
	l.async(ctx, func(c context.Context) any {
		if err := l.system.createTask(c, &state); err != nil {
			l.cfg.Logger.WarnContext(c, "task not created", slog.String("task", id), slog.Any("error", err))
			return nil
		}
		l.cfg.Reached(PointTaskCreated)
		return &completionEvent{then}
	})
}

// askTask finds out whether the task has ended: it says so by itself, but what
// it says may get lost.
func (l *completionLogic) askTask(ctx actor.Context, id string) {
	l.async(ctx, func(c context.Context) any {
		t, err := l.system.Task(c, id)
		switch {
		case err != nil && asTransferError(err).Code == transfer.CodeTaskNotFound:
			return &completionEvent{completion.TaskEnded{Err: asTransferError(err)}}
		case err != nil || !t.State.Phase.Ended():
			return nil
		}
		return &completionEvent{completion.TaskEnded{Succeeded: t.State.Phase == task.PhaseSucceeded, Err: t.State.Err}}
	})
}

// createTask creates a task, if there is none of its id. It fails only when ctx
// ends, and when the task is refused for good.
func (s *System) createTask(ctx context.Context, state *task.State) error {
	body := &recordpb.Task{}
	if err := encodeTask(body, state, s.deps.cfg.Sealer); err != nil {
		return err
	}
	for {
		err := s.callEntity(ctx, address{kindTask, state.ID}, opCreate, body, nil)
		if err == nil || asTransferError(err).Code.Class() != transfer.Transient {
			return err
		}
		if err := sleep(ctx, joinEvery); err != nil {
			return err
		}
	}
}

// adopt moves failed members of the parent over and has them tried again.
func (l *completionLogic) adopt(ctx actor.Context, ids []string) {
	self, root, life, id := ctx.Self(), ctx.ActorSystem().Root, l.life, l.at.id
	l.async(ctx, func(c context.Context) any {
		each(ids, func(member string) {
			var ev completion.Event = completion.Adopted{ID: member}
			if err := l.system.adopt(c, id, member); err != nil {
				if c.Err() != nil {
					return
				}
				l.cfg.Logger.WarnContext(c, "member not adopted", slog.String("completion_group", id), slog.String("transfer", member), slog.Any("error", err))
				ev = completion.AdoptFailed{ID: member}
			}
			root.Send(self, &entityHappened{life: life, msg: &completionEvent{ev}})
		})
		return nil
	})
}

// adopt makes a failed transfer a member of another group and retries it.
func (s *System) adopt(ctx context.Context, completionID, id string) *transfer.Error {
	if err := s.commandUntilSettled(ctx, id, transfer.Update{CompletionGroup: &completionID}); err != nil {
		return err
	}
	for {
		err := s.deps.mark(ctx, completionID, id)
		if err == nil {
			break
		}
		if sleep(ctx, joinEvery) != nil {
			return err
		}
	}
	return s.commandUntilSettled(ctx, id, transfer.Retry{})
}

// show is the group as users see it.
func (l *completionLogic) show() proto.Message { return l.shown() }

func (l *completionLogic) shown() *clusterpb.CompletionState {
	body := &recordpb.CompletionGroup{}
	// What is sealed is left out.
	encodeOpenCompletion(body, &l.state)
	out := &clusterpb.CompletionState{
		Group: body, Etag: l.etag(), Total: int32(len(l.state.Members)),
		Completed: int32(l.state.Completed), Failed: int32(l.state.Failed), Canceled: int32(l.state.Canceled),
		WaitingOn: l.state.WaitingOn(waitingShown),
	}
	body.Members = nil
	return out
}
