package actors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/actors/fetch"
	"godwit/bug"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// step carries out what is to do until something must be waited for; with
// nothing left, a settled transfer reports that it may go.
func (t *transferActor) step(ctx actor.Context) {
	for t.loaded && !t.busy && len(t.pending) > 0 {
		next := t.pending[0]
		t.pending = t.pending[1:]
		t.carryOut(ctx, next)
	}
	if t.loaded && !t.busy && t.state.Settled() {
		ctx.Request(t.shard, &passive{id: t.id, seen: t.seen})
	}
}

func (t *transferActor) carryOut(ctx actor.Context, e any) {
	if t.carryOutSending(ctx, e) {
		return
	}
	switch e := e.(type) {
	case transfer.Persist:
		t.persist(ctx, false)
	case transfer.Open:
		t.open(ctx, e)
	case transfer.CheckDestination:
		t.checkDestination(ctx)
	case transfer.Begin:
		t.begin(ctx, e)
	case transfer.ListParts:
		t.listParts(ctx, e)
	case transfer.Fetch:
		t.fetch(ctx)
	case stopping:
		t.awaitStopped(ctx, e.run)
	case transfer.Digest:
		t.digest(ctx, e)
	case transfer.Complete:
		t.complete(ctx, e)
	case transfer.Remove:
		t.remove(ctx, e)
	case transfer.Announce:
		t.announce(ctx)
	case transfer.Resolve:
		t.resolve(ctx)
	case transfer.Delete:
		t.removeRecord(ctx)
	case transfer.Queue:
		t.queue(ctx, e)
	case transfer.Release:
		ctx.Send(t.slots, &release{id: t.id})
	case transfer.After:
		self, root, life := ctx.Self(), ctx.ActorSystem().Root, t.life
		time.AfterFunc(e.Delay, func() { root.Send(self, &effectDue{life: life, effect: e.Effect}) })
	case respond:
		ctx.Send(e.to, &result{snapshot: t.snapshot()})
	case stopSelf:
		t.leave(ctx)
	}
}

// queue asks for a slot, or for the turn that leads to one.
func (t *transferActor) queue(ctx actor.Context, e transfer.Queue) {
	if t.state.Spec.Group != "" {
		ctx.Send(t.shard, &turnWanted{id: t.id, notBefore: e.NotBefore, started: hasRun(&t.state)})
		return
	}
	ctx.Send(t.slots, &want{
		id: t.id, shard: t.shard, priority: t.state.Spec.Priority, created: t.state.Created,
		notBefore: e.NotBefore, host: hostOf(t.state.Spec.Far()), started: hasRun(&t.state),
	})
}

// persist writes the record and holds back everything queued behind it.
func (t *transferActor) persist(ctx actor.Context, releasing bool) {
	for len(t.pending) > 0 && t.pending[0] == any(transfer.Persist{}) {
		t.pending = t.pending[1:]
	}
	owner := t.owner()
	owner.Released = releasing
	body, env, err := t.rec.encode(&t.state, owner, t.epoch, t.cfg.Sealer)
	if err != nil {
		panic(err)
	}
	t.busy = true
	life := t.life
	key, version, phase := t.rec.key, t.rec.version, t.state.Phase
	syncParts, dropSource := t.syncParts(ctx), t.dropSource()
	t.spawn(ctx, func(c context.Context) any {
		syncParts(c)
		v, err := t.recorder.write(c, key, version, body)
		if err == nil {
			dropSource(c)
		}
		if releasing && err == nil {
			err = errReleased
		}
		return &recordSaved{life: life, env: env, ver: v, phase: phase, err: err}
	})
}

// syncParts returns what makes the stored parts durable before a record claims
// them. When the disk could not write some, they are looked for again.
func (t *transferActor) syncParts(ctx actor.Context) func(context.Context) {
	up := t.state.Gen.Upload
	if bug.Seeded == bug.CheckpointBeforeSync {
		return func(context.Context) {} // it is synced when it is published
	}
	if t.state.Phase.Terminal() || t.state.Phase == transfer.PhaseCompleting || up == (transfer.UploadRef{}) || t.state.Gen.Ledger.Count() == 0 {
		return func(context.Context) {}
	}
	store, life, self, root := t.store(), t.life, ctx.Self(), ctx.ActorSystem().Root
	return func(c context.Context) {
		err := store.Sync(c, storage.Upload(up))
		if kind := storage.KindOf(err); kind == storage.ErrPartLost || kind == storage.ErrFull {
			root.Send(self, &happened{life: life, event: storeFailed(err)})
		}
	}
}

// errReleased ends an actor that has recorded its release.
var errReleased = errors.New("released")

func (t *transferActor) onSaved(ctx actor.Context, msg *recordSaved) {
	if msg.life != t.life {
		return
	}
	t.busy = false
	switch {
	case msg.err == nil:
		t.rec.wrote(msg.env, msg.ver)
		if msg.phase.Terminal() && !t.recorded.Terminal() {
			ctx.Send(t.shard, &recordedEnd{id: t.id, phase: msg.phase})
		}
		t.recorded = msg.phase
		t.showRecorded(ctx)
	case errors.Is(msg.err, errReleased):
		t.gone(ctx)
		return
	case errors.Is(msg.err, errFenced):
		t.fenced(ctx)
		return
	default:
		return // the actor is being stopped
	}
	t.step(ctx)
}

// fenced makes the actor inert: nothing queued is carried out any more.
func (t *transferActor) fenced(ctx actor.Context) {
	t.cfg.Logger.Warn("transfer lost to another owner", slog.String("transfer", t.id), slog.Uint64("epoch", t.epoch))
	t.run.Stop()
	if bug.Seeded == bug.AbortWhenFenced {
		store, up := t.store(), storage.Upload(t.state.Gen.Upload)
		go func() { _ = store.Abort(context.Background(), up) }() // seeded: nobody counts on it
	}
	t.loaded = false
	t.refuseAll(ctx, t.theirs(t.id))
	ctx.Send(t.slots, &release{id: t.id})
	ctx.Send(t.shard, &lost{id: t.id, err: notOwner(t.id)})
}

// report runs I/O whose outcome is an event of the current run.
func (t *transferActor) report(ctx actor.Context, work func(context.Context) transfer.Event) {
	run, life := t.run, t.life
	done := run.Begin()
	t.spawn(ctx, func(context.Context) any {
		defer done()
		ev := work(run.Context())
		if run.Context().Err() != nil || ev == nil {
			return nil
		}
		return &happened{life: life, run: run, event: ev}
	})
}

func (t *transferActor) open(ctx actor.Context, e transfer.Open) {
	run := t.run
	req := requestFor(&t.state, e.URL, e.Offset, transfer.UnknownSize)
	body := t.storedBody()
	t.report(ctx, func(c context.Context) transfer.Event {
		body.sendWith(c, &req)
		resp, err := t.cfg.Source.Open(c, req)
		if err != nil {
			return body.failed(err)
		}
		if !run.Keep(resp) {
			return nil
		}
		return transfer.Opened{
			Response: resp.Shown, Validator: resp.Validator, Size: resp.Size, Offset: resp.Offset, Ranges: resp.Ranges,
		}
	})
}

// requestFor asks for length bytes from offset on. The user's headers go to the
// source and to mirrors of the same origin only, which is the endpoint's rule.
func requestFor(s *transfer.State, url string, offset, length int64) endpoint.Request {
	req := endpoint.Request{
		URL: url, Method: s.Spec.Method, Headers: s.Spec.Headers, Body: s.Spec.Body,
		Offset: offset, Length: length, Size: transfer.UnknownSize,
	}
	if offset > 0 {
		req.Size = s.Gen.Plan.Size
		if vouched := s.Spec.SHA256 != "" && s.SourceIndex != s.Gen.Source; !vouched {
			// A mirror has tags of its own: with If-Range it could never go on where
			// another source stopped.
			req.Validator = s.Gen.Validator
		}
		if bug.Seeded == bug.IgnoreChange {
			req.Validator = transfer.Validator{}
		}
	}
	return req
}

func (t *transferActor) checkDestination(ctx actor.Context) {
	store, name := t.store(), nameOf(t.state.Spec.Destination)
	t.report(ctx, func(c context.Context) transfer.Event {
		switch _, err := store.Stat(c, name); {
		case err == nil:
			return transfer.DestinationExists{}
		case storage.KindOf(err) == storage.ErrNotFound:
			return transfer.DestinationFree{}
		default:
			return storeFailed(err)
		}
	})
}

func (t *transferActor) begin(ctx actor.Context, e transfer.Begin) {
	store, name := t.store(), nameOf(t.state.Spec.Destination)
	opts := storage.BeginOptions{Token: e.Token, Size: e.Size, Retry: e.Retry, Since: e.Since, ContentType: t.run.ContentType()}
	t.report(ctx, func(c context.Context) transfer.Event {
		up, err := store.Begin(c, name, opts)
		if err != nil {
			return storeFailed(err)
		}
		return transfer.Begun{Upload: transfer.UploadRef{Name: up.Name, ID: up.ID}}
	})
}

func (t *transferActor) listParts(ctx actor.Context, e transfer.ListParts) {
	store := t.store()
	t.report(ctx, func(c context.Context) transfer.Event {
		found, err := store.ListParts(c, storage.Upload(e.Upload))
		if err != nil {
			return storeFailed(err)
		}
		parts := make([]transfer.Part, len(found))
		for i, p := range found {
			parts[i] = transfer.Part(p)
		}
		return transfer.PartsFound{Parts: parts}
	})
}

func (t *transferActor) digest(ctx actor.Context, e transfer.Digest) {
	store, size := t.store(), t.state.Gen.Plan.Size
	t.report(ctx, func(c context.Context) transfer.Event {
		body, err := store.ReadBack(c, storage.Upload(e.Upload), size)
		if err != nil {
			return storeFailed(err)
		}
		defer func() { _ = body.Close() }()
		h := sha256.New()
		if _, err := io.CopyBuffer(h, readerOnly{body}, make([]byte, storage.StreamBuffer)); err != nil {
			return storeFailed(err)
		}
		return transfer.Digested{SHA256: hex.EncodeToString(h.Sum(nil))}
	})
}

// readerOnly hides other methods, so that io.CopyBuffer uses its buffer.
type readerOnly struct{ io.Reader }

func (t *transferActor) complete(ctx actor.Context, e transfer.Complete) {
	if t.state.Phase != transfer.PhaseCompleting {
		return
	}
	store := t.store()
	opts := storage.CompleteOptions{Token: e.Token, Size: e.Size, Replace: e.Replace, Check: e.Check}
	parts := make([]storage.Part, len(e.Parts))
	for i, p := range e.Parts {
		parts[i] = storage.Part(p)
		opts.CRC64 = storage.CombineCRC64(opts.CRC64, p.CRC64, p.Size)
	}
	t.report(ctx, func(c context.Context) transfer.Event {
		if _, err := store.Complete(c, storage.Upload(e.Upload), parts, opts); err != nil {
			return storeFailed(err)
		}
		return transfer.Published{CRC64: opts.CRC64}
	})
}

// fetch starts the connections.
func (t *transferActor) fetch(ctx actor.Context) {
	run, life := t.run, t.life
	self, root := ctx.Self(), ctx.ActorSystem().Root
	state := t.state
	gen := state.Gen
	gen.Ledger = state.Gen.Ledger.Clone()
	cfg := fetch.Config{
		Gen: gen,
		Request: func(offset, length int64) endpoint.Request {
			return requestFor(&state, state.SourceURL(), offset, length)
		},
		Source: t.cfg.Source, Store: t.store(),
		Connections: state.Spec.Connections,
		Hash:        state.HashesOnTheFly(),
		Report:      func(ev transfer.Event) { root.Send(self, &happened{life: life, run: run, event: ev}) },
		StoreFailed: func(err error) transfer.Event { return storeFailed(err) },
		Received:    t.cfg.Meter.Received,
		Refetched:   func(n int64) { t.cfg.Meter.Refetched("retry", n) },
	}
	done := run.Begin()
	t.spawn(ctx, func(context.Context) any {
		defer done()
		fetch.Fetch(run, cfg)
		return nil
	})
}

// endRun ends what is in flight for the state: nothing of it counts any more.
func (t *transferActor) endRun() *fetch.Run {
	old := t.run
	old.Stop()
	t.state.OnWire += old.TakeOnWire()
	t.run = fetch.NewRun(t.life.ctx)
	t.run.Share(t.connections)
	return old
}

// awaitStopped goes on only when everything of a run has ended, so that nothing
// writes into an upload that is about to be removed or published.
func (t *transferActor) awaitStopped(ctx actor.Context, run *fetch.Run) {
	t.busy = true
	life := t.life
	t.spawn(ctx, func(context.Context) any {
		run.Wait()
		return &runStopped{life: life, run: run}
	})
}

func (t *transferActor) onRunStopped(ctx actor.Context, msg *runStopped) {
	if msg.life != t.life {
		return
	}
	t.state.OnWire += msg.run.TakeOnWire()
	t.busy = false
	t.step(ctx)
}
