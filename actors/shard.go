package actors

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// listPage is how many keys are listed at a time.
const listPage = 1000

// shard knows all transfers of one shard and runs those that have something to
// do. The others are a few bytes in a map.
type shard struct {
	*deps
	number  int
	self    *actor.PID
	life    *life
	tenants map[string]*tenant
	// residents are the shard's entities.
	residents map[address]*resident
	// seeking are requests for transfers whose records are looked for, by id.
	seeking map[string][]held
	// letGo are incarnations that do not have this shard any more; verdicts
	// are about those that have not said so.
	letGo    map[string]bool
	verdicts map[ownerRef]verdict
	// watched are the owners about whom verdicts will come.
	watched map[ownerRef]bool
	// began is when this node got the shard.
	began time.Time
	// sweeping ends what was kept for long enough.
	sweeping sweeping
	// leaving is set by stopAll: nothing is activated any more.
	leaving bool
	// fresh counts the records that are kept for the first actors of their
	// transfers.
	fresh int
	// told counts what transfer groups were told, so that they know its order.
	told uint64
}

// tenant is one transfer of the shard.
type tenant struct {
	entry entry
	// owner is who had it by the record, the zero value if that is this node or
	// nobody. While it is waiting, that owner still has it.
	owner   ownerRef
	waiting bool
	// pid is the running actor, nil while the transfer is passive; life counts
	// actors, so that names are never used twice.
	pid  *actor.PID
	life int
	// sent is the number of the last request to the actor: when it has seen that
	// one and has nothing to do, it may go.
	sent int
	// held are requests that wait for a record to be written or an actor to end.
	held    []held
	writing bool
	// fresh is the record just created, for the first actor.
	fresh *record
	// creator waits to hear that the completion group counts the transfer; joining
	// says that the group is being asked, refused why it does not.
	creator *creator
	joining bool
	refused *transfer.Error
	// adding: it was accepted before it was to join its group.
	adding bool
	// leaving: the actor was told to stop.
	leaving bool
	// crashes in a row, and when the last one was; resting: the actor has
	// crashed and waits to be started again.
	crashes int
	crashed time.Time
	resting bool
	// timer wakes it while it is paused, if it wants to be.
	timer *time.Timer
	// report ends what its group is being told: there is later news.
	report context.CancelFunc
	// purged: its record is gone, and so is it when the actor has ended.
	purged bool
	// fault, once it is set, is why it runs no more.
	fault *transfer.Error
	// shelf is until when it is kept, once it has ended.
	shelf shelf
}

// creator is who created a transfer, and what there is to be answered.
type creator struct {
	to       *actor.PID
	snapshot Snapshot
	rec      *record
}

type held struct {
	msg    any
	sender *actor.PID
}

// newShard takes over letGo.
func newShard(d *deps, number int, letGo map[string]bool) actor.Producer {
	return func() actor.Actor {
		return &shard{
			deps: d, number: number, tenants: map[string]*tenant{}, residents: map[address]*resident{}, seeking: map[string][]held{},
			letGo: letGo, verdicts: map[ownerRef]verdict{}, watched: map[ownerRef]bool{}, began: time.Now(),
		}
	}
}

func (s *shard) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.onStarted(ctx)
	case *actor.Stopping, *actor.Restarting:
		s.onStopping(ctx)
	case *actor.Stopped:
		s.releaseAll(ctx) // what actors asked for that had not heard of the end
	case *actor.Terminated:
		s.onTerminated(ctx, msg)
	case *createRequest:
		s.onCreate(ctx, msg)
	case *commandRequest:
		s.onRequest(ctx, msg)
	case *getRequest:
		s.onGet(ctx, msg)
	case *recordWritten:
		s.onWritten(ctx, msg)
	case *granted:
		s.onGranted(ctx, msg)
	case *shareOf:
		s.onShare(ctx, msg)
	case *changed:
		s.onChanged(ctx, msg)
	case *passive:
		s.onPassive(ctx, msg)
	case *lost:
		s.onLost(ctx, msg)
	case *released:
		s.onReleased(ctx, msg)
	case *stopAll:
		s.onStopAll(ctx, msg)
	default:
		if !s.receiveEntities(ctx) && !s.receiveMembers(ctx) && !s.receiveUpkeep(ctx) {
			s.receiveRecords(ctx)
		}
	}
}

func (s *shard) onStarted(ctx actor.Context) {
	s.self = ctx.Self()
	s.life = s.newLife()
}

// onStopping leaves nobody waiting for an answer, and asks for nothing any more.
func (s *shard) onStopping(ctx actor.Context) {
	s.life.stop()
	s.sweeping.stop()
	s.silence()
	s.releaseAll(ctx)
	for _, t := range s.tenants {
		for _, h := range t.held {
			s.refuse(ctx, t, h.msg, h.sender)
		}
		t.held = nil
		if t.creator != nil {
			ctx.Send(t.creator.to, &result{err: unsettled(t.entry.id)})
		}
	}
	for _, r := range s.residents {
		r.schedule(ctx, time.Time{})
		for _, h := range r.held {
			s.refuseEntity(ctx, h.sender, elsewhere(r.at.id))
		}
	}
	s.silenceSeekers(ctx)
	ctx.Request(s.owners, &unwatchOwners{})
}

func (s *shard) releaseAll(ctx actor.Context) {
	ctx.Send(s.slots, &releaseAll{shard: ctx.Self(), ids: slices.Collect(maps.Keys(s.tenants))})
}

// wake gets a passive transfer going if it has something to do and is ours.
func (s *shard) wake(ctx actor.Context, t *tenant) {
	switch e := &t.entry; {
	case t.waiting || s.leaving:
	case !e.joined && !e.terminal():
		s.settleMember(ctx, t)
	case e.wantsSlot && e.group != "" && !e.turn:
		s.tellGroup(ctx, t)
	case e.wantsSlot:
		ctx.Send(s.slots, &want{
			id: e.id, shard: ctx.Self(), priority: e.priority, created: e.created, notBefore: e.notBefore, host: e.host, started: e.started,
		})
	case e.needsCleanup:
		s.activate(ctx, t)
	}
}

// activate runs the transfer's actor; a record just created is handed over.
func (s *shard) activate(ctx actor.Context, t *tenant) {
	if t.pid != nil || s.leaving || t.waiting || t.fault != nil {
		return
	}
	t.life++
	t.sent, t.leaving, t.resting = 0, false, false
	d, id, self, succeeds, began := s.deps, t.entry.id, ctx.Self(), t.owner, s.began
	first, given := true, s.takeFresh(t)
	props := actor.PropsFromProducer(func() actor.Actor {
		a := &transferActor{deps: d, id: id, shard: self, succeeds: succeeds, gained: began, recovered: !first}
		if first {
			a.given = given
		}
		first = false
		return a
	}, actor.WithReceiverMiddleware(logPanics(s.cfg.Logger)))
	pid, err := ctx.SpawnNamed(props, fmt.Sprintf("t-%s.%d", id, t.life))
	if err != nil {
		s.cfg.Logger.Error("transfer actor not started", slog.String("transfer", id), slog.Any("error", err))
		return
	}
	t.pid = pid
}

// deliver hands a request to the transfer's actor, which is started if need be.
func (s *shard) deliver(ctx actor.Context, t *tenant, msg any, sender *actor.PID) {
	if t.writing || t.leaving {
		t.held = append(t.held, held{msg, sender})
		return
	}
	s.activate(ctx, t)
	if t.pid == nil {
		s.refuse(ctx, t, msg, sender)
		return
	}
	t.sent++
	ctx.RequestWithCustomSender(t.pid, &numbered{number: t.sent, msg: msg}, sender)
}

// refuse answers what cannot be delivered; a slot is given back.
func (s *shard) refuse(ctx actor.Context, t *tenant, msg any, sender *actor.PID) {
	if _, ok := msg.(*granted); ok {
		ctx.Send(s.slots, &release{id: t.entry.id})
	}
	if sender != nil {
		ctx.Send(sender, &result{err: s.refusal(t)})
	}
}

func (s *shard) refusal(t *tenant) *transfer.Error {
	switch {
	case t.fault != nil:
		return t.fault
	case t.waiting:
		return s.theirs(t.entry.id)
	}
	return elsewhere(t.entry.id)
}

func (s *shard) onRequest(ctx actor.Context, msg addressed) {
	t, ok := s.tenants[msg.transferID()]
	if !ok {
		s.seek(ctx, msg.transferID(), msg, ctx.Sender())
		return
	}
	s.deliver(ctx, t, msg, ctx.Sender())
}

func (s *shard) onGranted(ctx actor.Context, msg *granted) {
	t, ok := s.tenants[msg.id]
	if !ok || s.leaving || t.waiting || t.fault != nil || t.entry.group != "" && !t.entry.turn {
		ctx.Send(s.slots, &release{id: msg.id})
		return
	}
	s.deliver(ctx, t, msg, nil)
}

func (s *shard) onShare(ctx actor.Context, msg *shareOf) {
	if t, ok := s.tenants[msg.id]; ok && t.pid != nil {
		ctx.Send(t.pid, &msg.share)
	}
}

func (s *shard) onChanged(ctx actor.Context, msg *changed) {
	t, ok := s.tenants[msg.entry.id]
	if !ok {
		return
	}
	before := t.entry
	t.entry = msg.entry
	switch {
	case before.completion == msg.entry.completion:
		t.entry.joined = t.entry.joined || before.joined
	case msg.entry.completion != "":
		t.entry.joined, t.adding = false, true
	}
	// What runs goes on in another group, as one that has its turn there, until that
	// group takes it back.
	t.entry.turn = before.turn
	if before.group != msg.entry.group {
		t.entry.turn = t.entry.group != "" && t.entry.runs()
	}
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
	s.followMember(ctx, &before, t)
	s.keepFor(ctx, t)
	s.alarm(ctx, t)
}

// followMember tells the sets of a transfer what has become of it.
func (s *shard) followMember(ctx actor.Context, before *entry, t *tenant) {
	if before.terminal() && !t.entry.terminal() && t.entry.completion != "" && before.completion == t.entry.completion {
		s.tellCompletion(t.entry.completion, t.entry.id, transfer.Phase(t.entry.status))
	}
	if before.group != t.entry.group && before.group != "" {
		s.leaveGroup(ctx, t, *before)
	}
	s.settleMember(ctx, t)
	if t.entry.wantsSlot == t.entry.turn {
		s.tellGroup(ctx, t)
	}
}

// onPassive stops an actor that has nothing to do, unless more was sent to it
// meanwhile.
func (s *shard) onPassive(ctx actor.Context, msg *passive) {
	t, ok := s.tenants[msg.id]
	if ok && t.entry.turn && !t.entry.wantsSlot {
		// Only now everything in flight has ended.
		s.tellGroup(ctx, t)
	}
	if !ok || t.pid == nil || t.leaving || t.sent != msg.seen || !t.pid.Equal(ctx.Sender()) {
		return
	}
	if t.entry.terminal() {
		t.crashes = 0
	}
	t.leaving = true
	ctx.Stop(t.pid)
}

// onLost ends an actor that cannot go on. One whose record cannot be used has
// failed for all to see; one that another owner has is looked at again.
func (s *shard) onLost(ctx actor.Context, msg *lost) {
	t, ok := s.tenants[msg.id]
	if !ok || t.pid == nil {
		return
	}
	t.leaving = true
	ctx.Send(s.slots, &release{id: msg.id})
	ctx.Poison(t.pid)
	if msg.err.Code == transfer.CodeNotOwner {
		// Whoever has it has taken the shard since it let go of it.
		clear(s.letGo)
		t.waiting = true
		s.reconsiderLater(ctx, msg.id)
		return
	}
	t.fault = msg.err
	t.entry.status, t.entry.wantsSlot = string(transfer.PhaseFailed), false
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
	s.feed.Publish(msg.id, faulty(t))
}

func (s *shard) onTerminated(ctx actor.Context, msg *actor.Terminated) {
	if s.entityEnded(ctx, msg.Who) {
		s.maybeLeave(ctx)
		return
	}
	for t := range maps.Values(s.tenants) {
		if t.pid == nil || !t.pid.Equal(msg.Who) {
			continue
		}
		t.pid, t.leaving = nil, false
		waiting := t.held
		t.held = nil
		if t.purged {
			s.forget(ctx, t, waiting)
			break
		}
		for _, h := range waiting {
			s.deliver(ctx, t, h.msg, h.sender)
		}
		break
	}
	s.maybeLeave(ctx)
}
