package actors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/bug"
	"godwit/endpoint"
	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/task"
)

// Outlets are what tasks act on. Each may be nil: then there is nothing of its
// kind on this node.
type Outlets struct {
	// Deliver sends a webhook. *endpoint.Webhooks has it.
	Deliver func(ctx context.Context, d endpoint.Delivery) (endpoint.Answer, error)
	// Run runs one of the commands that the node's configuration names.
	Run func(ctx context.Context, name string, stdin []byte, taskID string, attempt int) CommandResult
	// Channel finds where notifications of a channel go.
	Channel func(name string) (transfer.Webhook, bool)
	// Finished renders the event that a group has finished, with all members.
	Finished func(id string, at time.Time, c *Completion, members []Snapshot) ([]byte, error)
	// Notice renders the event of a notification.
	Notice func(id string, at time.Time, t *task.State) ([]byte, error)
}

// CommandResult is how a command ended.
type CommandResult struct {
	Exit    int
	HasExit bool
	// Output is the end of what it wrote.
	Output string
	// Err is nil when it exited with 0.
	Err *transfer.Error
}

const (
	// eventType is the media type of the body of deliveries.
	eventType = "application/cloudevents+json"
	// payloadPatience bounds how long members are read for one attempt.
	payloadPatience = 10 * time.Minute
)

// deliver makes an attempt. It ends with the actor: whoever has the task then
// makes it again, under the same id.
func (l *taskLogic) deliver(ctx actor.Context, number int) {
	state := l.state
	if bug.Seeded == bug.WebhookIDPerAttempt {
		state.ID = fmt.Sprintf("%s-%d", state.ID, number)
	}
	l.async(ctx, func(c context.Context) any {
		out := &attempted{number: number, attempt: task.Attempt{Start: time.Now().UTC(), Node: l.cfg.Node}}
		switch state.Spec.Kind {
		case task.Webhook:
			l.system.sendWebhook(c, &state, out)
		case task.Exec:
			l.system.runCommand(c, &state, out)
		case task.Submit:
			l.system.submitAll(c, &state, out)
		case task.Notification:
			l.system.sendNotice(c, &state, out)
		}
		out.attempt.End = time.Now().UTC()
		return out
	})
}

// payload is the event that the task's group has finished.
func (s *System) payload(ctx context.Context, t *task.State) ([]byte, *transfer.Error) {
	c, members, err := s.finishedGroup(ctx, t.CompletionGroup)
	if err != nil {
		return nil, err
	}
	// What every delivery says, whatever the record says by now: the group has
	// fired, and this is its task.
	c.State.Phase, c.State.TaskID, c.State.Finished, c.State.Err, c.ETag = completion.PhaseTriggered, t.ID, time.Time{}, nil, ""
	c.tally(members)
	c.Task = &Task{State: task.State{ID: t.ID, Phase: task.PhaseRunning}}
	body, e := s.deps.cfg.Outlets.Finished(t.ID, t.Created, c, members)
	if e != nil {
		return nil, transfer.Errorf(transfer.CodeInternal, "render the group: %v", e)
	}
	return body, nil
}

// tally counts the members as their records say: a group that was taken over
// before it had recorded its decision is counting itself.
func (c *Completion) tally(members []Snapshot) {
	c.Completed, c.Failed, c.Canceled, c.WaitingOn = 0, 0, 0, nil
	for i := range members {
		switch members[i].State.Phase {
		case transfer.PhaseCompleted:
			c.Completed++
		case transfer.PhaseFailed:
			c.Failed++
		case transfer.PhaseCanceled:
			c.Canceled++
		}
	}
}

// finishedGroup reads a group with all its members.
func (s *System) finishedGroup(ctx context.Context, id string) (*Completion, []Snapshot, *transfer.Error) {
	ctx, cancel := context.WithTimeout(ctx, payloadPatience)
	defer cancel()
	var res clusterpb.CompletionState
	if err := s.callEntity(ctx, address{kindCompletion, id}, opMembers, &clusterpb.Empty{}, &res); err != nil {
		return nil, nil, asTransferError(err)
	}
	c := completionFrom(&res)
	ids := res.GetGroup().GetMembers()
	members := make([]Snapshot, len(ids))
	failed := make(chan *transfer.Error, len(ids))
	index := make(map[string]int, len(ids))
	for i, id := range ids {
		index[id] = i
	}
	each(ids, func(id string) {
		rec, err := s.deps.recorder.read(ctx, id)
		switch {
		case err == nil:
			members[index[id]] = snapshotOf(rec)
		case err.Code == transfer.CodeNotFound || err.Code == transfer.CodeQuarantined:
			members[index[id]] = faulty(&tenant{entry: entry{id: id}, fault: err})
		default:
			failed <- err
		}
	})
	select {
	case err := <-failed:
		return nil, nil, err
	default:
		return &c, members, nil
	}
}

func (s *System) sendWebhook(ctx context.Context, t *task.State, out *attempted) {
	body, err := s.payload(ctx, t)
	if err != nil {
		out.attempt.Err = err
		return
	}
	s.send(ctx, transfer.Webhook{URL: t.Spec.URL, Secret: t.Spec.Secret}, t.ID, body, out)
}

// send delivers a body; the receiver has taken it when it answers with 2xx.
func (s *System) send(ctx context.Context, to transfer.Webhook, id string, body []byte, out *attempted) {
	if s.deps.cfg.Outlets.Deliver == nil {
		out.attempt.Err = transfer.Errorf(transfer.CodeInternal, "this node sends no webhooks")
		return
	}
	answer, err := s.deps.cfg.Outlets.Deliver(ctx, endpoint.Delivery{
		URL: to.URL, Secret: to.Secret, ID: id, ContentType: eventType, Body: body,
	})
	out.attempt.Status, out.attempt.Output = answer.Status, string(answer.Body)
	if err != nil {
		out.attempt.Err = asTransferError(err)
	}
}

func (s *System) runCommand(ctx context.Context, t *task.State, out *attempted) {
	if s.deps.cfg.Outlets.Run == nil {
		out.attempt.Err = &transfer.Error{
			Code: transfer.CodeCommand, Op: "run", Subject: t.Spec.Command, Message: "this node's configuration does not name the command",
		}
		return
	}
	body, err := s.payload(ctx, t)
	if err != nil {
		out.attempt.Err = err
		return
	}
	r := s.deps.cfg.Outlets.Run(ctx, t.Spec.Command, body, t.ID, out.number)
	out.attempt.Exit, out.attempt.HasExit, out.attempt.Output, out.attempt.Err = r.Exit, r.HasExit, r.Output, r.Err
}

// submitAll creates a transfer for each completed member. Their ids follow from
// task and member, so that doing it twice makes none twice.
func (s *System) submitAll(ctx context.Context, t *task.State, out *attempted) {
	_, members, err := s.finishedGroup(ctx, t.CompletionGroup)
	if err != nil {
		out.attempt.Err = err
		return
	}
	created := 0
	for i := range members {
		m := &members[i].State
		if m.Phase != transfer.PhaseCompleted {
			continue
		}
		spec, err := task.Expand(*t.Spec.Template, task.VarsOf(m.Spec.ID, shownDestination(&m.Spec), t.CompletionGroup, t.ID))
		if err == nil {
			if _, _, e := s.Create(ctx, spec, true); e != nil {
				err = asTransferError(e)
			}
		}
		if err != nil {
			out.attempt.Err = err
			break
		}
		created++
		out.submitted = append(out.submitted, spec.ID)
	}
	out.attempt.Output = fmt.Sprintf("%d transfers created", created)
}

// sendNotice says how something ended: in the log, or to a channel's webhook.
func (s *System) sendNotice(ctx context.Context, t *task.State, out *attempted) {
	if t.Spec.Channel == transfer.ChannelLog {
		s.deps.cfg.Logger.InfoContext(ctx, "notification", slog.String("text", t.Spec.Text), slog.String("tag", t.Spec.Tag),
			slog.String("completion_group", t.CompletionGroup), slog.String("transfer", t.Transfer))
		return
	}
	to, ok := transfer.Webhook{}, false
	if find := s.deps.cfg.Outlets.Channel; find != nil {
		to, ok = find(t.Spec.Channel)
	}
	if !ok {
		out.attempt.Err = &transfer.Error{
			Code: transfer.CodeChannel, Op: "send", Subject: t.Spec.Channel, Message: "this node's configuration does not name the channel",
		}
		return
	}
	body, err := s.deps.cfg.Outlets.Notice(t.ID, t.Created, t)
	if err != nil {
		out.attempt.Err = transfer.Errorf(transfer.CodeInternal, "render the notification: %v", err)
		return
	}
	s.send(ctx, to, t.ID, body, out)
}

// tell tells the group how its task ended, also when this actor has gone meanwhile,
// since it has nothing else to do. If the message is lost, the group asks.
func (l *taskLogic) tell() {
	if l.state.CompletionGroup == "" || l.state.Spec.Kind == task.Notification {
		return
	}
	to := address{kindCompletion, l.state.CompletionGroup}
	ended := &recordpb.Task{Id: l.state.ID}
	if l.state.Phase != task.PhaseSucceeded {
		ended.Error = encodeError(l.state.Err)
	}
	l.system.tellLater(context.WithoutCancel(l.life.ctx), to, opTaskEnded, ended)
}
