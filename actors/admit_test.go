package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

// slowly lets every answer take a while, so that transfers overlap.
func slowly(int, endpoint.Request) actorstest.Answer {
	return actorstest.Answer{Delay: 50 * time.Millisecond}
}

func (b *bubble) createMany(sys *actors.System, n int) []string {
	b.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("t%04d", i)
		b.create(sys, b.spec(ids[i], func(s *transfer.Spec) { s.Connections = 1 }), true)
	}
	return ids
}

// TestThousand submits a thousand transfers at once: all complete, and never do
// more run than there are slots.
func TestThousand(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.source.Script = slowly
		b.config = func(c *actors.Config) { c.Slots = 8 }
		sys := b.node()
		ids := b.createMany(sys, 1000)
		for _, id := range ids {
			b.completed(sys, id)
		}
		if _, most := b.source.Active(); most > 8 {
			b.Errorf("%d ran at a time, want at most 8", most)
		}
	})
}

// TestSlotsAfterRestart kills a node with many transfers: the next one keeps
// the number of slots as well.
func TestSlotsAfterRestart(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		running := 0
		b.source.Script = func(int, endpoint.Request) actorstest.Answer {
			return actorstest.Answer{Delay: 50 * time.Millisecond, Rate: 4 * partSize}
		}
		b.config = func(c *actors.Config) { c.Slots = 3 }
		sys := b.node()
		ids := b.createMany(sys, 40)
		settle(time.Second)
		sys.Abandon()
		settle(time.Second)
		sys = b.node()
		for range 300 {
			settle(30 * time.Millisecond)
			now := 0
			for _, id := range ids {
				if b.get(sys, id).State.Phase.Status() == "RUNNING" {
					now++
				}
			}
			running = max(running, now)
		}
		if running > 3 {
			b.Errorf("%d run at a time, want at most 3", running)
		}
		for _, id := range ids {
			b.completed(sys, id)
		}
	})
}

// TestUpdateOfAWaiting changes a transfer at every moment around its grant.
func TestUpdateOfAWaiting(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.source.Script = slowly
		b.config = func(c *actors.Config) { c.Slots = 1 }
		sys := b.node()
		ids := b.createMany(sys, 20)
		high := transfer.PriorityHigh
		for _, id := range ids {
			if b.get(sys, id).State.Phase == transfer.PhaseQueued {
				b.command(sys, id, transfer.Update{Priority: &high})
			}
		}
		for _, id := range ids {
			b.completed(sys, id)
		}
		if _, most := b.source.Active(); most > 1 {
			b.Errorf("%d ran at a time, want 1", most)
		}
	})
}
