package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/transfer"
)

// Completion groups, transfer groups and tasks are entities: each is one record,
// in the shard of its id, and one actor that owns it while it has something to
// do. What they decide is in packages of transfer; what is common to them, the
// record and the order of its writes, is here.

// entityKind says what an entity is, and is a segment of its key.
type entityKind string

// The kinds. They are never changed: keys and messages hold them.
const (
	kindCompletion entityKind = "g"
	kindGroup      entityKind = "q"
	kindTask       entityKind = "k"
)

// address names an entity.
type address struct {
	kind entityKind
	id   string
}

func (a address) key() string { return shardFolder(shardOf(a.id)) + string(a.kind) + "/" + a.id }

func (a address) String() string { return string(a.kind) + "/" + a.id }

// logic is what one kind of entity does with its record. Its methods are called
// from the mailbox of the entity's actor, so that they neither wait nor lock.
type logic interface {
	// load takes in the record's body, nil when there is none.
	load(ctx actor.Context, body []byte) error
	// ask handles a request; it must answer it, at once or later.
	ask(ctx actor.Context, r *entityRequest, reply *actor.PID)
	// happened handles what a goroutine of the entity reports.
	happened(ctx actor.Context, msg any)
	// carryOut carries out an effect that was queued.
	carryOut(ctx actor.Context, effect any)
	// encode is the record's body as it is to be written.
	encode() (proto.Message, error)
	// idle tells that there is nothing to do until somebody asks, or until a time,
	// if that is not zero.
	idle() (yes bool, until time.Time)
	// stopped ends timers, and refuses who still waits for an answer.
	stopped(ctx actor.Context)
}

// entityActor owns one entity's record.
type entityActor struct {
	*deps
	at    address
	shard *actor.PID
	logic logic
	// shelf is that of the resident: it lives on while no actor does.
	shelf *shelf
	life  *life

	rec    *entityRecord
	loaded bool
	stash  []stashed
	// pending are effects and answers still to be carried out; busy says that a
	// write is under way, for which they wait.
	pending []any
	busy    bool
	seen    int
}

// Messages of an entity's own goroutines, and what is queued between effects.
type (
	entityLoaded struct {
		life *life
		rec  *entityRecord
		err  *transfer.Error
	}
	entitySaved struct {
		life *life
		env  *recordpb.Envelope
		ver  storage.Version
		err  error
	}
	entityHappened struct {
		life *life
		msg  any
	}
	// save writes the record; what is queued behind it waits.
	save struct{}
	// forgetRecord deletes it.
	forgetRecord struct{}
	// reply answers a request with what the entity is then, or with nothing.
	reply struct {
		to   *actor.PID
		make func() proto.Message
	}
)

func (e *entityActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		e.onStarted(ctx)
	case *actor.Stopping, *actor.Restarting:
		e.onStopping(ctx)
	case *numbered:
		e.onNumbered(ctx, msg)
	case *claim:
		e.onStarted(ctx)
	case *entityLoaded:
		e.onLoaded(ctx, msg)
	case *entitySaved:
		e.onSaved(ctx, msg)
	case *entityHappened:
		if msg.life == e.life && e.loaded {
			e.logic.happened(ctx, msg.msg)
			e.step(ctx)
		}
	}
}

// onStarted reads the record.
func (e *entityActor) onStarted(ctx actor.Context) {
	if e.life != nil {
		e.life.stop()
	}
	e.life = e.newLife()
	e.loaded, e.busy, e.pending = false, false, nil
	life, self, root := e.life, ctx.Self(), ctx.ActorSystem().Root
	go func() {
		rec, err := e.recorder.readEntity(life.ctx, e.at)
		root.Send(self, &entityLoaded{life: life, rec: rec, err: err})
	}()
}

func (e *entityActor) onStopping(ctx actor.Context) {
	e.life.stop()
	e.logic.stopped(ctx)
	e.refuseAll(ctx, unsettled(e.at.id))
}

// onLoaded takes possession, if the record's owner lets it: the next write is
// the claim.
func (e *entityActor) onLoaded(ctx actor.Context, msg *entityLoaded) {
	if msg.life != e.life {
		return
	}
	if msg.err != nil {
		e.refuseAll(ctx, msg.err)
		ctx.Send(e.shard, &entityFaulty{at: e.at, err: msg.err})
		return
	}
	if owner := msg.rec.foreign(&e.cfg); owner != (ownerRef{}) && !msg.rec.claimed {
		e.rec = msg.rec
		ctx.Request(e.shard, &mayClaim{at: e.at, owner: owner})
		return
	}
	e.possess(ctx, msg.rec)
}

// possess begins to act on a record.
func (e *entityActor) possess(ctx actor.Context, rec *entityRecord) {
	e.rec, e.loaded = rec, true
	if err := e.logic.load(ctx, rec.body); err != nil {
		fault := quarantined(e.at.id, err)
		e.loaded = false
		e.refuseAll(ctx, fault)
		ctx.Send(e.shard, &entityFaulty{at: e.at, err: fault})
		return
	}
	stash := e.stash
	e.stash = nil
	for _, s := range stash {
		e.dispatch(ctx, s.msg, s.sender)
	}
	e.step(ctx)
}

func (e *entityActor) onNumbered(ctx actor.Context, msg *numbered) {
	e.seen = msg.number
	switch m := msg.msg.(type) {
	case nil:
	case *claimNow:
		if !e.loaded && e.rec != nil {
			// The owner has ended; it may have written since the record was read.
			e.claimAgain(ctx)
		}
	default:
		e.dispatch(ctx, m, ctx.Sender())
	}
	e.step(ctx)
}

// claimAgain reads the record once more and takes it, whoever it names.
func (e *entityActor) claimAgain(ctx actor.Context) {
	life, self, root := e.life, ctx.Self(), ctx.ActorSystem().Root
	go func() {
		rec, err := e.recorder.readEntity(life.ctx, e.at)
		if rec != nil {
			rec.claimed = true
		}
		root.Send(self, &entityLoaded{life: life, rec: rec, err: err})
	}()
}

func (e *entityActor) dispatch(ctx actor.Context, msg any, sender *actor.PID) {
	if !e.loaded {
		e.stash = append(e.stash, stashed{msg, sender})
		return
	}
	if r, ok := msg.(*entityRequest); ok {
		e.logic.ask(ctx, r, sender)
	}
}

// queue puts effects and answers behind those that wait.
func (e *entityActor) queue(effects ...any) { e.pending = append(e.pending, effects...) }

// step carries out what is to do until a write must be waited for.
func (e *entityActor) step(ctx actor.Context) {
	for e.loaded && !e.busy && len(e.pending) > 0 {
		next := e.pending[0]
		e.pending = e.pending[1:]
		switch next := next.(type) {
		case save:
			e.save(ctx)
		case forgetRecord:
			e.forget(ctx)
		case reply:
			e.answer(ctx, next)
		default:
			e.logic.carryOut(ctx, next)
		}
	}
	if !e.loaded || e.busy || len(e.pending) > 0 {
		return
	}
	if idle, until := e.logic.idle(); idle {
		ctx.Request(e.shard, &entityPassive{at: e.at, seen: e.seen, absent: e.rec.version == "", until: until})
	}
}

// answer says what the entity is, or nothing but that all is well.
func (e *entityActor) answer(ctx actor.Context, r reply) {
	if r.to == nil {
		return
	}
	res := &result{}
	if r.make != nil {
		body, err := proto.Marshal(r.make())
		if err != nil {
			panic(err)
		}
		res.body = body
	}
	ctx.Send(r.to, res)
}

// refuse answers with an error.
func (e *entityActor) refuse(ctx actor.Context, to *actor.PID, err *transfer.Error) {
	if to != nil {
		ctx.Send(to, &result{err: err})
	}
}

// refuseAll answers all that was not carried out.
func (e *entityActor) refuseAll(ctx actor.Context, err *transfer.Error) {
	for _, s := range e.stash {
		e.refuse(ctx, s.sender, err)
	}
	for _, p := range e.pending {
		if r, ok := p.(reply); ok {
			e.refuse(ctx, r.to, err)
		}
	}
	e.stash, e.pending = nil, nil
}

// save writes the record and holds back what is queued behind it. Writes that
// are queued in a row are one.
func (e *entityActor) save(ctx actor.Context) {
	for len(e.pending) > 0 && e.pending[0] == any(save{}) {
		e.pending = e.pending[1:]
	}
	body, err := e.logic.encode()
	if err != nil {
		panic(err)
	}
	raw, env, err := e.rec.encode(body, &e.cfg)
	if err != nil {
		panic(err)
	}
	e.busy = true
	life, self, root := e.life, ctx.Self(), ctx.ActorSystem().Root
	key, version := e.rec.key, e.rec.version
	go func() {
		ver, err := e.recorder.write(life.ctx, key, version, raw)
		root.Send(self, &entitySaved{life: life, env: env, ver: ver, err: err})
	}()
}

func (e *entityActor) onSaved(ctx actor.Context, msg *entitySaved) {
	if msg.life != e.life {
		return
	}
	e.busy = false
	if msg.err != nil {
		// Another owner has it, or this actor is being stopped. What is queued was
		// decided on a state that is not recorded.
		e.cfg.Logger.Warn("record lost to another owner", slog.String("entity", e.at.String()))
		e.loaded = false
		e.refuseAll(ctx, elsewhere(e.at.id))
		ctx.Send(e.shard, &entityLost{at: e.at})
		return
	}
	if (e.rec.version == "") != (msg.ver == "") {
		ctx.Send(e.manager, &entityListed{shard: shardOf(e.at.id), at: e.at, gone: msg.ver == ""})
	}
	e.rec.wrote(msg.env, msg.ver)
	e.step(ctx)
}

// forget deletes the record. What follows sees an entity that does not exist.
func (e *entityActor) forget(ctx actor.Context) {
	e.busy = true
	life, self, root := e.life, ctx.Self(), ctx.ActorSystem().Root
	key, version := e.rec.key, e.rec.version
	go func() {
		err := e.recorder.remove(life.ctx, key, version)
		root.Send(self, &entitySaved{life: life, env: &recordpb.Envelope{}, err: err})
	}()
}

// async runs I/O outside the mailbox; what it returns comes back to the logic.
func (e *entityActor) async(ctx actor.Context, work func(context.Context) any) {
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, e.life
	go func() {
		if msg := work(life.ctx); msg != nil && life.ctx.Err() == nil {
			root.Send(self, &entityHappened{life: life, msg: msg})
		}
	}()
}

// keptUntil is when an entity that has ended is removed.
func (e *entityActor) keptUntil(finished time.Time) time.Time {
	return e.shelf.until(finished, time.Now(), e.cfg.Retention)
}

// later has the logic told something at a time, in place of what an earlier timer
// was to tell. Nothing is told to a later life.
func (e *entityActor) later(ctx actor.Context, earlier *time.Timer, after time.Duration, msg any) *time.Timer {
	halt(earlier)
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, e.life
	return time.AfterFunc(after, func() { root.Send(self, &entityHappened{life: life, msg: msg}) })
}

// halt ends timers, nil ones too.
func halt(timers ...*time.Timer) {
	for _, t := range timers {
		if t != nil {
			t.Stop()
		}
	}
}

// etag changes with every write.
func (e *entityActor) etag() string { return e.rec.etag() }
