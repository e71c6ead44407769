package actors

import (
	"context"
	"errors"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// The end of a transfer's record.

type (
	// recordRemoved is the outcome of deleting the record.
	recordRemoved struct {
		life *life
		err  error
	}
	// purged tells the shard that the record is gone.
	purged struct{ id string }
)

// removeRecord carries out the last effect of a transfer.
func (t *transferActor) removeRecord(ctx actor.Context) {
	t.busy = true
	key, version, life, spec := t.rec.key, t.rec.version, t.life, t.state.Spec
	t.spawn(ctx, func(c context.Context) any {
		if err := t.removeSpooled(c, &spec); err != nil {
			return &recordRemoved{life: life, err: err}
		}
		return &recordRemoved{life: life, err: t.recorder.remove(c, key, version)}
	})
}

// onRemoved answers those who asked for the deletion. What comes until the actor
// ends finds nothing here any more.
func (t *transferActor) onRemoved(ctx actor.Context, msg *recordRemoved) {
	switch {
	case msg.life != t.life:
	case errors.Is(msg.err, errFenced):
		t.busy = false
		t.fenced(ctx)
	case msg.err == nil:
		t.cfg.Logger.Info("transfer deleted", slog.String("transfer", t.id))
		t.released = true
		ctx.Send(t.shard, &purged{id: t.id})
		for _, pid := range t.purgers {
			ctx.Send(pid, &result{snapshot: t.snapshot()})
		}
		t.purgers, t.pending = nil, nil
	}
}

// answerWhenGone keeps who asked for a deletion; false for any other command.
func (t *transferActor) answerWhenGone(ev transfer.Event, sender *actor.PID) bool {
	if _, ok := ev.(transfer.Purge); !ok {
		return false
	}
	if sender != nil {
		t.purgers = append(t.purgers, sender)
	}
	return true
}
