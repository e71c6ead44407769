package actors

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/actors/fetch"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// publishEvery is how often a running transfer shows its progress.
const publishEvery = 200 * time.Millisecond

// transferActor owns one transfer.State. It turns messages into events,
// applies them, and carries out the effects in order; all I/O happens in
// goroutines that report back. It decides nothing.
type transferActor struct {
	*deps
	id    string
	shard *actor.PID
	// given is a record just written by the shard, so that it need not be
	// read; recovered says that an earlier actor of this process crashed.
	given     *record
	recovered bool
	// succeeds is the owner from whom the transfer may be claimed although its
	// record is not released; gained is when this node got the shard.
	succeeds ownerRef
	gained   time.Time

	// life ends with this instance of the actor; messages of an earlier
	// instance carry another one.
	life *life
	// run is everything in flight; it ends with every Halt.
	run *fetch.Run

	rec   *record
	epoch uint64
	state transfer.State
	// loaded is false until the record is known; stash keeps what came before.
	loaded bool
	stash  []stashed
	// pending are effects and answers still to be carried out; busy says that the
	// first one is under way.
	pending []any
	busy    bool
	// seen is the number of the last request, to agree with the shard on being
	// passive.
	seen int
	// connections is the share of the host's connections.
	connections int
	// claimed is why the transfer was taken from another incarnation, until it has
	// run here; "" if it was not.
	claimed takeover
	// shown is what was last told to the shard; ticking says that progress will
	// be shown without being asked.
	shown   outline
	ticking bool
	// released: the record says so, and the actor is about to end.
	released bool
	// recorded is the phase that the record is known to have: the end of a
	// transfer is not news before it is final.
	recorded transfer.Phase
	// before is the state before the transfer ended, until the end is recorded.
	before   *transfer.State
	removals removals
	// held is the run whose last request was not begun, because it is about to end.
	held *fetch.Run
	// purgers wait for the record to be gone.
	purgers []*actor.PID
}

// deps are what all actors of a system share.
type deps struct {
	cfg      Config
	recorder *recorder
	feed     publisher
	slots    *actor.PID
	manager  *actor.PID
	// failed ends the node: it cannot go on, for the reason given.
	failed func(error)
	// became tells the node who it is, whenever that changes.
	became func(Self)
	// owners judges the owners of records; guard stops writes after a pause.
	owners *actor.PID
	guard  *guard
	// leases writes leases, which the guard does not stop.
	leases *recorder
	// started is when this incarnation began.
	started time.Time
	// system reaches what other nodes have.
	system *System
	// relists bounds how many shards are looked through again at a time.
	relists chan struct{}
}

// publisher takes snapshots for whoever watches.
type publisher interface{ Publish(id string, s Snapshot) }

// life is one instance of an actor; its context ends with it.
type life struct {
	ctx  context.Context
	stop context.CancelFunc
}

type stashed struct {
	msg    any
	sender *actor.PID
}

// Messages of a transfer's own goroutines. Each names the life it belongs to.
type (
	recordLoaded struct {
		life *life
		rec  *record
		err  *transfer.Error
	}
	recordSaved struct {
		life  *life
		env   *recordpb.Envelope
		ver   storage.Version
		phase transfer.Phase
		err   error
	}
	happened struct {
		life  *life
		run   *fetch.Run // nil if it is not bound to a run
		event transfer.Event
	}
	effectDue struct {
		life   *life
		effect transfer.Effect
	}
	runStopped struct {
		life *life
		run  *fetch.Run
	}
	crashed struct {
		life  *life
		cause any
	}
	tick struct{ life *life }
	// stopping is queued in place of Halt: the run has ended for the state at
	// once, and what follows waits until it has ended in the world.
	stopping struct{ run *fetch.Run }
	// stopSelf ends the actor with a released record.
	stopSelf struct{}
	// respond is queued behind the effects of a command, so that an answer
	// means that the change is recorded.
	respond struct{ to *actor.PID }
)

func (t *transferActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		t.onStarted(ctx)
	case *actor.Stopping, *actor.Restarting:
		t.onStopping(ctx)
	case *numbered:
		t.onNumbered(ctx, msg)
	case *share:
		t.onShare(msg)
	case *stopAll:
		t.onStopAll(ctx, msg)
	case *recordLoaded:
		t.onLoaded(ctx, msg)
	case *recordSaved:
		t.onSaved(ctx, msg)
	case *happened:
		t.onHappened(ctx, msg)
	case *effectDue:
		t.onEffectDue(ctx, msg)
	case *runStopped:
		t.onRunStopped(ctx, msg)
	case *recordRemoved:
		t.onRemoved(ctx, msg)
	case *crashed:
		t.onCrashed(msg)
	case *tick:
		t.onTick(ctx, msg)
	case *partsFinished:
		t.onPartsFinished(ctx, msg)
	}
}

func (t *transferActor) onStarted(ctx actor.Context) {
	t.life = t.newLife()
	t.run = fetch.NewRun(t.life.ctx)
	if rec := t.given; rec != nil {
		t.given = nil
		t.onLoaded(ctx, &recordLoaded{life: t.life, rec: rec})
		return
	}
	t.loaded, t.pending, t.busy, t.removals = false, nil, false, removals{}
	t.spawn(ctx, func(c context.Context) any {
		rec, err := t.recorder.readPatiently(c, t.id)
		return &recordLoaded{life: t.life, rec: rec, err: err}
	})
}

// onStopping ends everything in flight. Nobody is left waiting for an answer.
func (t *transferActor) onStopping(ctx actor.Context) {
	t.run.Stop()
	t.life.stop()
	t.refuseAll(ctx, unsettled(t.id))
}

// spawn runs I/O outside the mailbox and sends what it returns back. A panic in
// it is this actor's panic.
func (t *transferActor) spawn(ctx actor.Context, work func(context.Context) any) {
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, t.life
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				root.Send(self, &crashed{life: life, cause: cause})
			}
		}()
		if msg := work(life.ctx); msg != nil {
			root.Send(self, msg)
		}
	}()
}

func (t *transferActor) onCrashed(msg *crashed) {
	if msg.life == t.life {
		panic(fmt.Sprintf("in a goroutine of transfer %s: %v", t.id, msg.cause))
	}
}

// onLoaded takes possession: a record of another incarnation is claimed by the
// first write, which the Recovered event asks for.
func (t *transferActor) onLoaded(ctx actor.Context, msg *recordLoaded) {
	if msg.life != t.life || t.released {
		return
	}
	if msg.err != nil {
		t.refuseAll(ctx, msg.err)
		ctx.Send(t.shard, &lost{id: t.id, err: msg.err})
		return
	}
	owner := msg.rec.envelope.GetOwner()
	if !t.mayClaim(owner) {
		t.refuseAll(ctx, t.theirs(t.id))
		ctx.Send(t.shard, &lost{id: t.id, err: notOwner(t.id)})
		return
	}
	t.rec, t.loaded = msg.rec, true
	t.state = decodeState(t.rec.body, t.rec.secret)
	keepTime(&t.state, time.Now())
	t.recorded = t.state.Phase
	if store := t.store(); store != nil {
		t.state.Traits = traitsOf(store)
	}
	t.epoch = t.rec.envelope.Epoch
	mine := owner.GetNode() == t.cfg.Node && owner.GetIncarnation() == t.cfg.Incarnation && !owner.GetReleased()
	if !mine {
		t.epoch++
	}
	// What has ended needs no owner before somebody changes it.
	if ended := t.state.Phase.Terminal() && t.state.Settled(); !ended && (!mine || t.recovered) {
		if !mine {
			t.claimed = takeoverFrom(owner, t.cfg.Node)
			t.cfg.Logger.Info("transfer claimed", slog.String("transfer", t.id),
				slog.Uint64("epoch", t.epoch), slog.String("from", owner.GetNode()))
		}
		_ = t.apply(ctx, transfer.Recovered{})
	}
	t.recovered = false
	stash := t.stash
	t.stash = nil
	for _, s := range stash {
		t.dispatch(ctx, s.msg, s.sender)
	}
	t.step(ctx)
}

// mayClaim tells whether a record may be written by this node: it is its own,
// released, or that of the owner whom the shard knows to be gone.
func (t *transferActor) mayClaim(owner *recordpb.Owner) bool {
	ended := ownerRef{owner.GetNode(), owner.GetIncarnation()} == t.succeeds
	return owner.GetNode() == t.cfg.Node || owner.GetReleased() || ended
}

// refuseAll answers all requests that were not carried out.
func (t *transferActor) refuseAll(ctx actor.Context, err *transfer.Error) {
	for _, s := range t.stash {
		if s.sender != nil {
			ctx.Send(s.sender, &result{err: err})
		}
	}
	for _, e := range t.pending {
		if r, ok := e.(respond); ok {
			ctx.Send(r.to, &result{err: err})
		}
	}
	for _, pid := range t.purgers {
		ctx.Send(pid, &result{err: err})
	}
	t.stash, t.pending, t.purgers = nil, nil, nil
}

func (t *transferActor) onShare(msg *share) {
	t.connections = msg.connections
	t.run.Share(msg.connections)
}

func (t *transferActor) onHappened(ctx actor.Context, msg *happened) {
	if msg.life != t.life || msg.run != nil && msg.run != t.run {
		return
	}
	t.holdHost(ctx, msg.event)
	_ = t.apply(ctx, msg.event)
	t.removed(msg.event)
	t.step(ctx)
}

// endsWithRun tells that a queued effect is of no use once its run was halted.
func endsWithRun(e any) bool {
	switch e.(type) {
	case transfer.Open, transfer.CheckDestination, transfer.Begin, transfer.ListParts, transfer.Fetch, transfer.Digest, transfer.Complete,
		transfer.Probe, transfer.OpenSession, transfer.FindSession, transfer.Send:
		return true
	}
	return false
}

func (t *transferActor) onEffectDue(ctx actor.Context, msg *effectDue) {
	if msg.life == t.life && t.state.Wants(msg.effect) {
		t.pending = append(t.pending, msg.effect)
		t.step(ctx)
	}
}

// apply is the only place where the state changes.
func (t *transferActor) apply(ctx actor.Context, ev transfer.Event) *transfer.Error {
	c := transfer.Context{Now: time.Now(), Random: t.cfg.Random(), Node: t.cfg.Node, OnWire: t.run.TakeOnWire()}
	stored, restarts := t.state.Gen.Ledger.Bytes(), t.state.Restarts
	before := t.state
	state, effects, err := transfer.Apply(t.state, ev, c)
	t.state = state
	if state.Phase.Terminal() && !before.Phase.Terminal() {
		t.keepBefore(before)
	}
	if state.Restarts > restarts {
		t.cfg.Meter.Refetched("restart", stored)
	}
	t.countTakeover(ev)
	for _, e := range effects {
		if _, ok := e.(transfer.Halt); ok {
			t.pending = append(slices.DeleteFunc(t.pending, endsWithRun), stopping{t.endRun()})
			continue
		}
		t.pending = append(t.pending, e)
	}
	t.run.Limit(t.state.Spec.RateLimit)
	if err == nil && outlineOf(t.known()) != t.shown {
		t.show(ctx)
	}
	return err
}

// etag changes with every record; quoted as HTTP wants it.
func (t *transferActor) etag() string { return etagOf(t.rec) }

func etagOf(r *record) string {
	return fmt.Sprintf("%d-%d", r.envelope.GetEpoch(), r.envelope.GetSequence())
}

// store is the destination's; nil for an upload, which has none.
func (t *transferActor) store() storage.ObjectStore {
	return t.cfg.Objects[schemeOf(t.state.Spec.Destination)]
}

func (t *transferActor) owner() *recordpb.Owner {
	return &recordpb.Owner{Node: t.cfg.Node, Incarnation: t.cfg.Incarnation}
}
