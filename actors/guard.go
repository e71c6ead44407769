package actors

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"godwit/bug"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// guard keeps a node from acting on the world after it was away. A process that
// was paused goes on in the middle of whatever it did, and others may have taken
// over meanwhile: each effect asks the clocks first, before health has noticed,
// and whether it was begun by the incarnation that the node is now, after health
// has written the lease anew: what an earlier one began may still be running then.
// It does not close the gap between the question and the effect; there the store
// refuses a stale owner.
type guard struct {
	limit time.Duration
	// looked is what health last found in order; nil when the node is fenced.
	looked atomic.Pointer[look]
}

// look says when a node was in order, and who it was.
type look struct {
	at          instant
	incarnation string
}

func (g *guard) look(now instant, incarnation string) { g.looked.Store(&look{now, incarnation}) }

func (g *guard) close() { g.looked.Store(nil) }

// check refuses while the node cannot know that it still is who it was when ctx
// began. Nothing was carried out then, and the caller may try again. A context of
// no incarnation is that of a caller, who is answered whoever the node is.
func (g *guard) check(ctx context.Context, op, name string) error {
	looked := g.looked.Load()
	if bug.Seeded == bug.TrustAfterPause {
		return nil
	}
	began, bound := ctx.Value(incarnationKey{}).(string)
	if looked != nil && gap(instantNow(), looked.at) < g.limit && (!bound || began == looked.incarnation) {
		return nil
	}
	return &storage.Error{Kind: storage.ErrUnavailable, Op: op, Name: name, Err: errAway}
}

// incarnationKey is under which a context says which incarnation it belongs to.
type incarnationKey struct{}

// newLife begins the life of an actor of this incarnation.
func (d *deps) newLife() *life {
	ctx, stop := context.WithCancel(context.WithValue(context.Background(), incarnationKey{}, d.cfg.Incarnation))
	return &life{ctx: ctx, stop: stop}
}

// guardedRecords is a record store that a node which was away does not write to.
type guardedRecords struct {
	storage.RecordStore
	guard *guard
}

func (s guardedRecords) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if err := s.guard.check(ctx, "create", key); err != nil {
		return "", err
	}
	return s.RecordStore.Create(ctx, key, body)
}

func (s guardedRecords) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	if err := s.guard.check(ctx, "update", key); err != nil {
		return "", err
	}
	return s.RecordStore.CompareAndSwap(ctx, key, body, old)
}

func (s guardedRecords) Delete(ctx context.Context, key string, old storage.Version) error {
	if err := s.guard.check(ctx, "delete", key); err != nil {
		return err
	}
	return s.RecordStore.Delete(ctx, key, old)
}

// guardedObjects is the same for objects: what builds, publishes or removes them.
type guardedObjects struct {
	storage.ObjectStore
	guard *guard
}

func (s guardedObjects) Begin(ctx context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	if err := s.guard.check(ctx, "begin", name); err != nil {
		return storage.Upload{}, err
	}
	return s.ObjectStore.Begin(ctx, name, opts)
}

func (s guardedObjects) Complete(ctx context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	if err := s.guard.check(ctx, "complete", up.Name); err != nil {
		return storage.ObjectInfo{}, err
	}
	return s.ObjectStore.Complete(ctx, up, parts, opts)
}

func (s guardedObjects) Delete(ctx context.Context, name string) error {
	if err := s.guard.check(ctx, "delete object", name); err != nil {
		return err
	}
	return s.ObjectStore.Delete(ctx, name)
}

func (s guardedObjects) Abort(ctx context.Context, up storage.Upload) error {
	if err := s.guard.check(ctx, "abort", up.Name); err != nil {
		return err
	}
	return s.ObjectStore.Abort(ctx, up)
}

// guardedUploads is the same for far sides, which refuse no stale owner: making
// and discarding sessions, and each request with content.
type guardedUploads struct {
	Uploads
	guard *guard
}

// away is the failure of what was not begun.
func (s guardedUploads) away(ctx context.Context, op string) *transfer.Error {
	if err := s.guard.check(ctx, op, ""); err != nil {
		return storeError(err)
	}
	return nil
}

func (s guardedUploads) OpenSession(ctx context.Context, u *endpoint.Upload) (transfer.Session, *endpoint.Failure) {
	if e := s.away(ctx, "open session"); e != nil {
		return transfer.Session{}, &endpoint.Failure{Err: e}
	}
	return s.Uploads.OpenSession(ctx, u)
}

func (s guardedUploads) Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	if e := s.away(ctx, "send"); e != nil {
		return nil, &endpoint.Failure{Err: e}
	}
	guarded := *u
	guarded.Open = func(request context.Context, offset, length int64) (io.ReadCloser, error) {
		if e := s.away(ctx, "send"); e != nil {
			return nil, e
		}
		return u.Open(request, offset, length)
	}
	return s.Uploads.Send(ctx, &guarded, from, p)
}

func (s guardedUploads) Discard(ctx context.Context, u *endpoint.Upload, url string) *transfer.Error {
	if e := s.away(ctx, "discard"); e != nil {
		return e
	}
	return s.Uploads.Discard(ctx, u, url)
}

// guarded is the same for tasks: nobody refuses what a stale owner delivers, or
// undoes what it runs.
func (o Outlets) guarded(g *guard) Outlets {
	deliver, run := o.Deliver, o.Run
	if deliver != nil {
		o.Deliver = func(ctx context.Context, d endpoint.Delivery) (endpoint.Answer, error) {
			if err := g.check(ctx, "deliver", d.ID); err != nil {
				return endpoint.Answer{}, storeError(err)
			}
			return deliver(ctx, d)
		}
	}
	if run != nil {
		o.Run = func(ctx context.Context, name string, stdin []byte, taskID string, attempt int) CommandResult {
			if err := g.check(ctx, "run", taskID); err != nil {
				return CommandResult{Err: storeError(err)}
			}
			return run(ctx, name, stdin, taskID, attempt)
		}
	}
	return o
}
