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
