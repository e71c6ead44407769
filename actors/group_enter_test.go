package actors_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"godwit/actors"
	"godwit/transfer"
	"godwit/transfer/group"
)

// TestGroupEnteredRunning moves a transfer that runs into a serialized group in which
// another one runs: the group stops one of them.
func TestGroupEnteredRunning(t *testing.T) {
	for _, from := range []string{"", "q"} {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			inTown(t, 30, 3, func(c *town) {
				c.slow()
				c.group(group.Spec{Name: "p", Behavior: group.Serialized})
				ids := c.queueUp(2, ofGroup("p"))
				c.create(c.any(0), c.spec("late", ofGroup(from)), true)
				settle(1500 * time.Millisecond)
				name := "p"
				c.mu.Lock()
				calls := 0
				c.refused = func(_, kind string) bool {
					if kind == "turn" || kind == "entity" {
						calls++
					}
					return calls > 1000 // a storm would leave no time to the test
				}
				c.mu.Unlock()
				c.command(c.any(0), "late", transfer.Update{Group: &name})
				settle(7 * time.Second)
				if got := c.running(append(ids, "late")); !slices.Equal(got, ids[:1]) {
					t.Errorf("%v run", got)
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				if calls > 50 {
					t.Errorf("%d messages", calls)
				}
			})
		})
	}
}

// TestGroupEnteredWaiting moves a transfer that waits for a slot into a group that is
// paused: it does not run when the slot is free.
func TestGroupEnteredWaiting(t *testing.T) {
	inTown(t, 3, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 1 }
		c.start("n1")
		c.slow()
		c.group(group.Spec{Name: "p"})
		yes := true
		c.change("p", group.Change{Paused: &yes})
		c.create(c.any(0), c.spec("first", oneConnection), true)
		settle(500 * time.Millisecond)
		c.create(c.any(0), c.spec("second", oneConnection), true)
		settle(500 * time.Millisecond)
		name := "p"
		c.command(c.any(0), "second", transfer.Update{Group: &name})
		settle(4 * time.Second)
		c.want(c.any(0), "first", transfer.PhaseCompleted)
		c.want(c.any(0), "second", transfer.PhaseQueued)
	})
}
