package actors

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/storage"
	"godwit/transfer"
)

// removals are the uploads that are being removed. The actor stays until they
// are gone: a command that reports a failure and ends must leave nothing behind.
type removals struct {
	underway int
	// leaving: the actor has been asked to end.
	leaving bool
}

// remove aborts an object, or has the far side forget an upload. It is not bound
// to a run: what is garbage stays garbage.
func (t *transferActor) remove(ctx actor.Context, e transfer.Remove) {
	t.removals.underway++
	abort, life := t.abort(e), t.life
	t.spawn(ctx, func(c context.Context) any {
		var ev transfer.Event = transfer.Removed(e)
		if err := abort(c); err != nil {
			ev = transfer.RemoveFailed{Upload: e.Upload, Err: err}
		}
		if c.Err() != nil {
			return nil
		}
		return &happened{life: life, event: ev}
	})
}

func (t *transferActor) abort(e transfer.Remove) func(context.Context) *transfer.Error {
	if t.uploads() {
		return t.discard(e)
	}
	store := t.store()
	return func(c context.Context) *transfer.Error {
		if err := store.Abort(c, storage.Upload(e.Upload)); err != nil {
			return storeError(err)
		}
		return nil
	}
}

// removed counts a removal that has ended, and lets the actor go after the last.
func (t *transferActor) removed(ev transfer.Event) {
	switch ev.(type) {
	case transfer.Removed, transfer.RemoveFailed:
	default:
		return
	}
	t.removals.underway--
	if t.removals.leaving && t.removals.underway == 0 {
		t.removals.leaving = false
		t.pending = append(t.pending, stopSelf{})
	}
}

// leave ends the actor with a released record, or waits for removals.
func (t *transferActor) leave(ctx actor.Context) {
	if t.removals.underway > 0 {
		t.removals.leaving = true
		return
	}
	t.persist(ctx, true)
}
