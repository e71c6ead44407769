package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// A paused transfer may have something to do by itself: look for the network, ask
// its resolver, fail at its deadline. It is no actor meanwhile: the shard wakes
// it. When is part of the record, so that every node knows.

// wakeAgain is when a transfer is woken once more that did nothing about it:
// clocks may differ by a little.
const wakeAgain = 5 * time.Second

// wakeUp tells a transfer that its time has come.
type wakeUp struct{ id string }

// alarm makes sure that a transfer is woken when it wants to be.
func (s *shard) alarm(ctx actor.Context, t *tenant) {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	at := t.entry.wakeAt
	if at.IsZero() || t.waiting || t.fault != nil {
		return
	}
	s.wakeIn(ctx, t, max(time.Until(at), 0))
}

func (s *shard) wakeIn(ctx actor.Context, t *tenant, wait time.Duration) {
	if t.timer != nil {
		t.timer.Stop()
	}
	self, root, id := ctx.Self(), ctx.ActorSystem().Root, t.entry.id
	t.timer = time.AfterFunc(wait, func() { root.Send(self, &wakeUp{id: id}) })
}

func (s *shard) onWakeUp(ctx actor.Context, msg *wakeUp) {
	t, ok := s.tenants[msg.id]
	if !ok || s.leaving || t.waiting || t.fault != nil || t.entry.wakeAt.IsZero() {
		return
	}
	if wait := time.Until(t.entry.wakeAt); wait > 0 {
		s.alarm(ctx, t) // of an earlier time
		return
	}
	s.deliver(ctx, t, msg, nil)
	s.wakeIn(ctx, t, wakeAgain)
}

// silence ends all alarms.
func (s *shard) silence() {
	for _, t := range s.tenants {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
}
