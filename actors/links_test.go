package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/actors"
	"godwit/transfer"
)

// TestKeepersThatDoNotAnswer has two nodes see each other and not get through, as when
// one is of a version that keeps no limits: transfers from hosts whose keeper is the
// other node are run all the same, also from more hosts than a node has slots.
func TestKeepersThatDoNotAnswer(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 2 }
		c.start("n1")
		c.start("n2")
		settle(time.Second)
		c.cut = func(from, to string) bool { return from != to }
		var ids []string
		for i := range 16 {
			id := fmt.Sprintf("t%03d", i)
			spec := c.spec(id, func(s *transfer.Spec) { s.Source = fmt.Sprintf("https://h%d.example/x", i) })
			if _, _, err := c.systems["n1"].Create(c.Context(), spec, true); err == nil {
				ids = append(ids, id)
			}
		}
		settle(15 * time.Second)
		if len(ids) == 0 {
			t.Error("n1 has no shard")
		}
		for _, id := range ids {
			c.want(c.systems["n1"], id, transfer.PhaseCompleted)
		}
	})
}
