package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// outline is that of a state by which the shard treats the transfer.
type outline struct {
	phase                  transfer.Phase
	acknowledged           bool
	wakeAt                 time.Time
	group, completionGroup string
}

func outlineOf(s *transfer.State) outline {
	return outline{s.Phase, !s.Acknowledged.IsZero(), s.WakeAt(), s.Spec.Group, s.Spec.CompletionGroup}
}

// known is the state that others may hear of. That a transfer has ended is not news
// before it is recorded: if this node died, it would not have.
func (t *transferActor) known() *transfer.State {
	if t.before != nil && t.state.Phase.Terminal() && t.recorded != t.state.Phase {
		return t.before
	}
	return &t.state
}

// keepBefore keeps what is known until the end is recorded. Its argument is a copy, so
// that no event but the last one has to make one on the heap.
func (t *transferActor) keepBefore(s transfer.State) {
	t.before = &s
	if t.shown == (outline{}) {
		t.shown = outlineOf(&s) // as the shard has it from the record
	}
}

// show tells shard and watchers what the transfer is now.
func (t *transferActor) show(ctx actor.Context) {
	known := t.known()
	if now := outlineOf(known); now != t.shown {
		t.shown = now
		ctx.Send(t.shard, &changed{entry: entryOf(known)})
	}
	t.feed.Publish(t.id, t.snapshot())
	if !t.ticking && t.moving() {
		t.ticking = true
		self, root, life := ctx.Self(), ctx.ActorSystem().Root, t.life
		time.AfterFunc(publishEvery, func() { root.Send(self, &tick{life: life}) })
	}
}

// showRecorded shows what had to be recorded first: an end, and the version of what
// rests.
func (t *transferActor) showRecorded(ctx actor.Context) {
	ended := t.state.Phase.Terminal() && t.recorded == t.state.Phase
	if ended {
		t.before = nil
	}
	if ended || !t.state.Phase.Terminal() && t.state.Settled() {
		t.show(ctx)
	}
}

func (t *transferActor) onTick(ctx actor.Context, msg *tick) {
	if msg.life != t.life {
		return
	}
	t.ticking = false
	if t.moving() {
		t.show(ctx)
	}
}

// moving tells that there is progress to show. One that has ended may still
// have something to remove, for as long as its store is away.
func (t *transferActor) moving() bool {
	return !t.state.Settled() && !t.state.Phase.Terminal()
}

func (t *transferActor) snapshot() Snapshot {
	s := *t.known()
	s.Gen.Ledger = s.Gen.Ledger.Clone()
	return Snapshot{
		State: s, Node: t.cfg.Node, Epoch: t.epoch, Sequence: t.rec.envelope.GetSequence(), ETag: t.etag(),
		InFlight: t.run.InFlight(), OnWire: s.OnWire + t.run.OnWire(),
	}
}
