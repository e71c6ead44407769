package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// Requests of users, and the slot that answers the transfer's own.

func (t *transferActor) onNumbered(ctx actor.Context, msg *numbered) {
	t.seen = msg.number
	if msg.msg != nil {
		t.dispatch(ctx, msg.msg, ctx.Sender())
	}
	t.step(ctx)
}

// dispatch handles what may come before the record is known.
func (t *transferActor) dispatch(ctx actor.Context, msg any, sender *actor.PID) {
	if t.released {
		if sender != nil {
			ctx.Send(sender, &result{err: elsewhere(t.id)})
		}
		return
	}
	if !t.loaded {
		t.stash = append(t.stash, stashed{msg, sender})
		return
	}
	switch msg := msg.(type) {
	case *commandRequest:
		t.command(ctx, msg, sender)
	case *createRequest:
		t.recreate(ctx, msg, sender)
	case *getRequest:
		ctx.Send(sender, &result{snapshot: t.snapshot()})
	case *wakeUp:
		_ = t.apply(ctx, transfer.Woken{})
	case *granted:
		t.connections = msg.connections
		t.run.Share(msg.connections)
		_ = t.apply(ctx, transfer.Granted{})
	case *turnRevoked:
		t.onTurnRevoked(ctx)
	}
}

func (t *transferActor) command(ctx actor.Context, msg *commandRequest, sender *actor.PID) {
	err := staleETag(t.id)
	if msg.etag == "" || msg.etag == t.etag() {
		err = t.apply(ctx, msg.event)
	}
	switch {
	case err == nil && t.answerWhenGone(msg.event, sender):
	case sender == nil: // the shard's own command
	case err != nil:
		ctx.Send(sender, &result{err: err})
	default:
		t.pending = append(t.pending, respond{to: sender})
	}
}

// recreate answers a create for an id that exists: the same wish is the same
// transfer, another one is a conflict.
func (t *transferActor) recreate(ctx actor.Context, msg *createRequest, sender *actor.PID) {
	if !sameSpec(&msg.state.Spec, &t.state.Spec) {
		ctx.Send(sender, &result{err: idConflict(t.id)})
		return
	}
	ctx.Send(sender, &result{snapshot: t.snapshot()})
}

// onTurnRevoked gives back what the turn was good for. What is being published
// is let through, and so is a request that must not be made twice: they cannot be
// taken back.
func (t *transferActor) onTurnRevoked(ctx actor.Context) {
	switch t.state.Phase {
	case transfer.PhaseRunning, transfer.PhaseVerifying:
		if unsent := t.unsent(); unsent || !t.state.Session.Sent {
			_ = t.apply(ctx, transfer.Revoked{Unsent: unsent})
		}
	case transfer.PhaseQueued:
		ctx.Send(t.slots, &release{id: t.id})
		ctx.Send(t.shard, &turnWanted{id: t.id, notBefore: t.state.NotBefore, started: hasRun(&t.state)})
	}
}
