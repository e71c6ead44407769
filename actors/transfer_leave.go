package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// partsFinished says that nothing is in flight any more, or that it took too
// long.
type partsFinished struct{ life *life }

// onStopAll ends in good order: what runs is queued again and recorded as
// released, so that whoever comes next need not wait.
func (t *transferActor) onStopAll(ctx actor.Context, msg *stopAll) {
	switch {
	case !t.loaded:
		t.gone(ctx)
	case msg.grace > 0 && t.state.Phase == transfer.PhaseRunning && (t.state.Gen.Resumable || t.uploads()):
		t.finishParts(ctx, msg.grace)
	default:
		t.giveAway(ctx)
	}
}

// finishParts waits a moment for the parts in flight, so that the next owner
// need not move them again. An upload in one request may come to its end.
func (t *transferActor) finishParts(ctx actor.Context, grace time.Duration) {
	if p := t.state.Session.Protocol; p == "" || p.Resumes() {
		t.run.Finish()
	}
	run, life := t.run, t.life
	t.spawn(ctx, func(c context.Context) any {
		finished := make(chan struct{})
		go func() {
			run.Wait()
			close(finished)
		}()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-finished:
		case <-timer.C:
		case <-c.Done():
		}
		return &partsFinished{life: life}
	})
}

func (t *transferActor) onPartsFinished(ctx actor.Context, msg *partsFinished) {
	if msg.life == t.life {
		t.giveAway(ctx)
	}
}

func (t *transferActor) giveAway(ctx actor.Context) {
	_ = t.apply(ctx, transfer.Revoked{Unsent: t.unsent()})
	t.pending = append(t.pending, stopSelf{})
	t.step(ctx)
}

// gone lets the actor be ended. What comes until then is for the next owner.
func (t *transferActor) gone(ctx actor.Context) {
	t.released = true
	t.refuseAll(ctx, elsewhere(t.id))
	ctx.Request(t.shard, &released{id: t.id})
}
