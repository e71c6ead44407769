package actors

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/task"
)

// taskLogic runs one background task: see package task. Attempts are made by
// goroutines, which end when the actor does.
type taskLogic struct {
	*entityActor
	body   *recordpb.Task
	state  task.State
	exists bool
	timer  *time.Timer
}

type (
	// attempted is the outcome of an attempt.
	attempted struct {
		number    int
		attempt   task.Attempt
		submitted []string
	}
	taskDue struct{}
)

func (l *taskLogic) load(ctx actor.Context, body []byte) error {
	halt(l.timer)
	l.body, l.exists = &recordpb.Task{}, body != nil
	if !l.exists {
		return nil
	}
	if err := proto.Unmarshal(body, l.body); err != nil {
		return errors.New("its record is not readable")
	}
	state, err := decodeTask(l.body, l.cfg.Sealer)
	if err != nil {
		return err
	}
	l.state = state
	l.state.NotBefore = steadyWait(l.state.NotBefore, time.Now())
	if l.state.Phase.Ended() && time.Now().After(l.keptUntil(l.state.Finished)) {
		l.exists = false
		l.queue(forgetRecord{})
		return nil
	}
	l.apply(task.Recovered{})
	return nil
}

func (l *taskLogic) encode() (proto.Message, error) {
	return l.body, encodeTask(l.body, &l.state, l.cfg.Sealer)
}

func (l *taskLogic) idle() (bool, time.Time) {
	if !l.exists || !l.state.Phase.Ended() {
		return !l.exists, time.Time{}
	}
	return true, l.keptUntil(l.state.Finished)
}

// apply is the only place where the state changes; no event of a task is refused.
func (l *taskLogic) apply(ev task.Event) {
	c := task.Context{Now: time.Now().UTC(), Node: l.cfg.Node, Random: l.cfg.Random()}
	state, effects, _ := task.Apply(l.state, ev, c)
	l.state = state
	for _, e := range effects {
		if _, ok := e.(task.Persist); ok {
			l.queue(save{})
			continue
		}
		l.queue(e)
	}
}

func (l *taskLogic) ask(ctx actor.Context, r *entityRequest, to *actor.PID) {
	if !l.exists && r.op != opCreate {
		l.refuse(ctx, to, taskNotFound(l.at.id))
		return
	}
	switch r.op {
	case opCreate:
		l.create(ctx, r, to)
	case opGet:
		l.queue(reply{to, l.show})
	case opRedeliver:
		l.apply(task.Redeliver{})
		l.queue(reply{to, l.show})
	default:
		l.refuse(ctx, to, unreadable(r.op))
	}
}

// create makes the task, if there is none: of two creators the first decides.
func (l *taskLogic) create(ctx actor.Context, r *entityRequest, to *actor.PID) {
	if l.exists {
		l.queue(reply{to, nil})
		return
	}
	asked := &recordpb.Task{}
	if err := proto.Unmarshal(r.body, asked); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	state, err := decodeTask(asked, l.cfg.Sealer)
	if err != nil {
		l.refuse(ctx, to, quarantined(l.at.id, err))
		return
	}
	l.state = task.New(l.at.id, state.Spec, time.Now().UTC())
	l.state.CompletionGroup, l.state.Transfer = state.CompletionGroup, state.Transfer
	l.exists, l.body = true, &recordpb.Task{}
	l.queue(save{}, reply{to, nil}, taskDue{})
}

func (l *taskLogic) happened(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case *taskDue:
		l.apply(task.Due{})
	case *attempted:
		l.cfg.Reached(PointAttemptMade)
		l.count(&msg.attempt)
		l.apply(task.Delivered{Number: msg.number, Attempt: msg.attempt, Submitted: msg.submitted})
	}
}

func (l *taskLogic) count(a *task.Attempt) {
	outcome := "ok"
	if a.Err != nil {
		outcome = "failed"
	}
	l.cfg.Meter.TaskDelivery(outcome)
}

func (l *taskLogic) carryOut(ctx actor.Context, effect any) {
	switch e := effect.(type) {
	case taskDue:
		l.apply(task.Due{})
	case task.Deliver:
		l.cfg.Reached(PointAttemptBegun)
		l.deliver(ctx, e.Number)
	case task.Wait:
		l.wait(ctx, e.Until)
	case task.Tell:
		l.cfg.Reached(PointAttemptRecorded)
		l.tell()
	}
}

func (l *taskLogic) wait(ctx actor.Context, until time.Time) {
	l.timer = l.later(ctx, l.timer, time.Until(until), &taskDue{})
}

func (l *taskLogic) stopped(actor.Context) { halt(l.timer) }

func (l *taskLogic) show() proto.Message {
	body := &recordpb.Task{}
	encodeOpenTask(body, &l.state)
	return &clusterpb.TaskState{Task: body, Etag: l.etag()}
}

func taskNotFound(id string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeTaskNotFound, Op: "find task", Subject: id, Message: "there is no task with this id",
	}
}
