package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/transfer"
	"godwit/transfer/group"
)

// TestGroupPassesConnections has the members of a serialized group run on different
// nodes: connections to their common host go with the turn.
func TestGroupPassesConnections(t *testing.T) {
	inTown(t, 2, 3, func(c *town) {
		c.slow()
		c.group(group.Spec{Name: "q", Behavior: group.Serialized})
		ids := c.queueUp(9, ofGroup("q"))
		nodes := c.owners(ids)
		settle(19 * time.Second)
		for i, id := range ids {
			if got := c.get(c.any(i), id); got.State.Phase != transfer.PhaseCompleted {
				t.Errorf("%s is %s after 19 s, of which 18 are for the bytes; nodes: %v", id, got.State.Phase, nodes)
			}
		}
	})
}

// TestGroupCountsSoon kills a node under a serialized group while another has not
// heard of it, which may be the one that gives turns: once it has, nobody waits
// for the next regular look at the members.
func TestGroupCountsSoon(t *testing.T) {
	for i := range 9 {
		killed, blind := fmt.Sprintf("n%d", i/3+1), fmt.Sprintf("n%d", i%3+1)
		if killed == blind {
			continue
		}
		t.Run(killed+" "+blind, func(t *testing.T) {
			inTown(t, 30, 3, func(c *town) {
				c.slow()
				c.group(group.Spec{Name: "q", Behavior: group.Serialized})
				ids := c.queueUp(4, ofGroup("q"))
				settle(2 * time.Second)
				c.fall(killed, true)
				c.tellBut(blind)
				settle(time.Second)
				c.tell()
				settle(time.Second)
				if got := c.running(ids); len(got) != 1 {
					t.Errorf("%v run", got)
				}
			})
		})
	}
}

// TestGroupTurnLost kills the owner of a transfer that has taken its turn and could
// not say so. Its next owner gets the turn, and not only when the group looks at
// its members the next time.
func TestGroupTurnLost(t *testing.T) {
	for strike := range 7 {
		t.Run(fmt.Sprint(strike), func(t *testing.T) {
			inTown(t, 8, 4, func(c *town) {
				c.slow()
				c.group(group.Spec{Name: "q", Behavior: group.Serialized})
				ids := c.queueUp(12, ofGroup("q"))
				turns, struck := 0, make(chan string, 1)
				c.mu.Lock()
				c.arrives = func(to, kind string) {
					c.mu.Lock()
					defer c.mu.Unlock()
					if kind != "turn" {
						return
					}
					if turns++; turns == strike+1 {
						c.cut = func(from, _ string) bool { return from == to }
						struck <- to
					}
				}
				c.mu.Unlock()
				to := <-struck
				settle(100 * time.Millisecond)
				c.mu.Lock()
				c.cut = nil
				c.mu.Unlock()
				c.kill(to, true)
				if strike%2 == 1 {
					c.start(to)
				}
				settle(3 * time.Second)
				if got := c.running(ids); len(got) != 1 {
					t.Errorf("%v run", got)
				}
			})
		})
	}
}
