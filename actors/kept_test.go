package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/transfer"
)

// TestClusterMeets has two nodes accept transfers for all shards before they know of
// each other, as when all are started at once, or after a cut that was longer than
// dead members are remembered: what each has accepted for the shards of the other is
// run when they have met.
func TestClusterMeets(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 2 }
		c.start("n1")
		c.start("n2")
		c.mu.Lock()
		for _, self := range []string{"n1", "n2"} {
			c.version++
			c.systems[self].SetTopology(actors.Topology{Version: c.version, Members: []actors.Member{*c.members[self]}})
		}
		c.mu.Unlock()
		settle(time.Second)
		c.slow()
		var ids []string
		for i := range 12 {
			id := fmt.Sprintf("t%03d", i)
			c.create(c.systems[[]string{"n1", "n2"}[i%2]], c.spec(id, oneConnection), true)
			ids = append(ids, id)
		}
		c.tell()
		settle(20 * time.Second)
		page, err := c.any(0).List(c.Context(), actors.Query{Limit: 100})
		if err != nil || len(page.Transfers) != len(ids) {
			c.Errorf("%d of %d are listed, %v", len(page.Transfers), len(ids), err)
		}
		for i, id := range ids {
			if got := c.get(c.any(i), id); got.State.Phase != transfer.PhaseCompleted {
				c.Errorf("%s is %s on %s", id, got.State.Phase, got.Node)
			}
		}
	})
}

// TestClusterOverlookedRunsOnce has a node run transfers from shards of another that
// it takes for dead, although it had let go of them before: that other one does not
// run them as well when somebody asks it for them.
func TestClusterOverlookedRunsOnce(t *testing.T) {
	inTown(t, 20, 0, func(c *town) {
		c.start("n2")
		c.start("n1")
		settle(2 * time.Second)
		c.slow()
		heal := c.overlook("n2", "n1")
		var ids []string
		for i := range 12 {
			id := fmt.Sprintf("t%03d", i)
			c.create(c.systems["n2"], c.spec(id, oneConnection), true)
			ids = append(ids, id)
		}
		settle(2 * time.Second)
		for _, id := range ids {
			c.get(c.systems["n1"], id)
		}
		settle(3 * time.Second)
		for _, id := range ids {
			if got := c.get(c.systems["n2"], id); got.Epoch > 1 {
				t.Errorf("%s was taken by %s", id, got.Node)
			}
		}
		heal()
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}

// TestClusterOverlookedTakesOnce has a node take what another one runs, which it takes
// for dead, where the store refuses stale owners: the other one does not take it back
// before they see each other.
func TestClusterOverlookedTakesOnce(t *testing.T) {
	inTown(t, 30, 0, func(c *town) {
		c.objects = actorstest.NewObjects(s3Limits())
		c.start("n2")
		c.start("n1")
		settle(2 * time.Second)
		c.slow()
		ids := c.createMany(12, oneConnection)
		settle(2 * time.Second)
		heal := c.overlook("n2", "n1")
		settle(20 * time.Second)
		for _, id := range ids {
			if got := c.get(c.systems["n2"], id); got.Epoch > 2 {
				t.Errorf("%s was taken %d times", id, got.Epoch-1)
			}
		}
		heal()
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}
