package actors

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// censusEvery is how often a completion group looks for members whose end it was
// not told.
const censusEvery = 20 * time.Second

// waitingShown bounds how many members a group names that it waits for.
const waitingShown = 100

// completionLogic decides for one completion group: see package completion. It
// turns messages into events and carries out the effects.
type completionLogic struct {
	*entityActor
	body  *recordpb.CompletionGroup
	state completion.State
	// exists: there is a record, or is about to be.
	exists bool
	// timer is for the next Tick, recount for the next census.
	timer, recount *time.Timer
	// counting says that a census is under way.
	counting bool
	// recorded is the last phase that was written, or is about to be.
	recorded completion.Phase
}

// What the group's own goroutines report.
type (
	markersListed struct {
		ids   []string
		final bool
	}
	membersFound struct {
		ended map[string]transfer.Phase
		gone  []string
		// retried had failed, and are live again.
		retried []string
		// incomplete: some shards were on their way between nodes, or some record could
		// not be read.
		incomplete bool
	}
	completionEvent struct{ event completion.Event }
	countAgain      struct{}
	markersRemoved  struct{ err error }
	// phaseRecorded is queued behind the first write of a phase.
	phaseRecorded struct{ phase completion.Phase }
)

func (l *completionLogic) load(ctx actor.Context, body []byte) error {
	halt(l.timer, l.recount)
	l.counting = false // what an earlier life counts is not reported any more
	l.body, l.exists = &recordpb.CompletionGroup{}, body != nil
	if !l.exists {
		l.state = completion.State{}
		return nil
	}
	if err := proto.Unmarshal(body, l.body); err != nil {
		return errors.New("its record is not readable")
	}
	state, err := decodeCompletion(l.body, l.cfg.Sealer)
	if err != nil {
		return err
	}
	l.state, l.recorded = state, state.Phase
	l.report(completion.Recovered{})
	if l.state.Phase.Ended() && time.Now().After(l.keptUntil(l.state.Finished)) {
		l.report(completion.Delete{})
	}
	return nil
}

func (l *completionLogic) encode() (proto.Message, error) {
	return l.body, encodeCompletion(l.body, &l.state, l.cfg.Sealer)
}

// idle: one that has not ended stays, to hear of its members.
func (l *completionLogic) idle() (bool, time.Time) {
	if !l.exists || !l.state.Phase.Ended() {
		return !l.exists, time.Time{}
	}
	return true, l.keptUntil(l.state.Finished)
}

func (l *completionLogic) apply(ev completion.Event) *transfer.Error {
	state, effects, err := completion.Apply(l.state, ev, completion.Context{Now: time.Now()})
	l.state = state
	l.take(effects)
	return err
}

// report applies what is no command, and is never refused.
func (l *completionLogic) report(ev completion.Event) {
	if l.exists {
		_ = l.apply(ev)
	}
}

// take queues effects.
func (l *completionLogic) take(effects []completion.Effect) {
	for _, e := range effects {
		if _, ok := e.(completion.Persist); !ok {
			_, gone := e.(completion.Remove) // from here on nobody gets its word
			l.exists = l.exists && !gone
			l.queue(e)
			continue
		}
		l.queue(save{})
		if l.state.Phase != l.recorded {
			l.recorded = l.state.Phase
			l.queue(phaseRecorded{l.state.Phase})
		}
	}
}

func (l *completionLogic) ask(ctx actor.Context, r *entityRequest, to *actor.PID) {
	if !l.exists && r.op != opCreate {
		l.refuse(ctx, to, completionNotFound(l.at.id))
		return
	}
	switch r.op {
	case opCreate:
		l.create(ctx, r, to)
	case opGet:
		l.queue(reply{to, l.show})
	case opExists:
		// Asked for every member: naming the others would take a while.
		l.queue(reply{to, func() proto.Message {
			return &clusterpb.CompletionState{Group: &recordpb.CompletionGroup{Id: l.at.id, Phase: string(l.state.Phase)}}
		}})
	case opRetrySource:
		l.queue(reply{to, func() proto.Message {
			out := l.shown()
			out.Group = proto.CloneOf(l.body)
			return out
		}})
	case opMembers:
		l.queue(reply{to, func() proto.Message {
			out := l.shown()
			out.Group.Members = slices.Sorted(maps.Keys(l.state.Members))
			return out
		}})
	case opJoin, opMember:
		l.hear(ctx, r, to)
	case opEnable:
		l.answerAfter(ctx, to, completion.Enable{})
	case opDelete:
		l.answerAfter(ctx, to, completion.Delete{})
	case opTaskEnded:
		var c recordpb.Task
		if err := proto.Unmarshal(r.body, &c); err != nil {
			l.refuse(ctx, to, unreadable(r.op))
			return
		}
		l.answerAfter(ctx, to, completion.TaskEnded{Succeeded: c.GetError() == nil, Err: decodeError(c.GetError())})
	default:
		l.refuse(ctx, to, unreadable(r.op))
	}
}

// create makes a group, or compares with the one there is.
func (l *completionLogic) create(ctx actor.Context, r *entityRequest, to *actor.PID) {
	var c recordpb.CompletionGroup
	if err := proto.Unmarshal(r.body, &c); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	asked, err := decodeCompletion(&c, l.cfg.Sealer)
	switch {
	case err != nil:
		l.refuse(ctx, to, quarantined(l.at.id, err))
		return
	case !l.exists && withoutSecret(asked.Spec.Task):
		l.refuse(ctx, to, completionNotFound(l.at.id))
		return
	case l.exists && !sameCompletion(&asked.Spec, &l.state.Spec):
		l.refuse(ctx, to, entityConflict("completion group", l.at.id))
		return
	case l.exists:
		l.queue(reply{to, l.show})
		return
	}
	state, effects := completion.New(asked.Spec, time.Now().UTC(), asked.Adopting...)
	l.state, l.exists, l.body = state, true, &recordpb.CompletionGroup{}
	l.take(effects)
	l.queue(reply{to, func() proto.Message {
		out := l.shown()
		out.Created = true
		return out
	}})
}

// hear takes in what a member's node says.
func (l *completionLogic) hear(ctx actor.Context, r *entityRequest, to *actor.PID) {
	var c clusterpb.MemberCall
	if err := proto.Unmarshal(r.body, &c); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	var ev completion.Event
	switch phase := transfer.Phase(c.GetStatus()); {
	case r.op == opJoin:
		ev = completion.Join{ID: c.GetId()}
	case phase.Terminal():
		ev = completion.Ended{ID: c.GetId(), Phase: phase}
	default:
		ev = completion.Revived{ID: c.GetId()}
	}
	if err := l.apply(ev); err != nil {
		l.refuse(ctx, to, err)
		return
	}
	l.queue(reply{to, nil})
}

// answerAfter applies an event and answers when what follows is recorded.
func (l *completionLogic) answerAfter(ctx actor.Context, to *actor.PID, ev completion.Event) {
	if err := l.apply(ev); err != nil {
		l.refuse(ctx, to, err)
		return
	}
	if to != nil {
		l.queue(reply{to, l.show})
	}
}

func (l *completionLogic) happened(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case *markersListed:
		l.report(completion.MembersListed{IDs: msg.ids, Final: msg.final})
	case *membersFound:
		l.counting = false
		for id, phase := range msg.ended {
			l.report(completion.Ended{ID: id, Phase: phase})
		}
		for _, id := range msg.gone {
			l.report(completion.Left{ID: id})
		}
		for _, id := range msg.retried {
			l.report(completion.Revived{ID: id})
		}
		if msg.incomplete {
			l.countLater(ctx, recountSoon)
			return
		}
		l.countLater(ctx, censusEvery)
	case *markersRemoved:
		l.onMarkersRemoved(msg)
	case *countAgain:
		l.census(ctx)
	case *completionEvent:
		l.report(msg.event)
	}
}

// listMarkers finds all members there are.
func (l *completionLogic) listMarkers(ctx actor.Context, final bool) {
	l.async(ctx, func(c context.Context) any {
		out := &markersListed{final: final}
		folder, after := markerFolder(l.at.id), ""
		for failures := 1; ; {
			keys, err := l.recorder.store.List(c, folder, after, listPage)
			if err != nil {
				if sleep(c, min(transfer.Backoff(failures, l.cfg.Random()), 5*time.Second)) != nil {
					return nil
				}
				failures++
				continue
			}
			for _, key := range keys {
				out.ids = append(out.ids, idOfKey(key))
			}
			if len(keys) < listPage {
				return out
			}
			after = keys[len(keys)-1]
		}
	})
}

// withoutSecret tells the task of a request whose secret is to be left out of the
// comparison: it asks for a group that was made with another one.
func withoutSecret(t *task.Spec) bool { return t != nil && t.Kind == task.Webhook && t.Secret == "" }

func completionNotFound(id string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeCompletionNotFound, Op: "find completion group", Subject: id,
		Message: "there is no completion group with this id",
	}
}

func entityConflict(what, id string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeIDConflict, Op: "create " + what, Subject: id, Field: "id",
		Message: "there is another " + what + " with this id that asks for something else",
	}
}

func unreadable(op string) *transfer.Error {
	return transfer.Errorf(transfer.CodeInternal, "this version does not understand %q", op)
}
