package actors_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// overlook has one node take the other for dead, which notices nothing of it, until
// the cut is healed.
func (c *town) overlook(by, missed string) (heal func()) {
	tell := func(state actors.MemberState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.version++
		t := actors.Topology{Version: c.version}
		for _, name := range []string{"n1", "n2"} {
			m := *c.members[name]
			if name == missed {
				m.State = state
			}
			t.Members = append(t.Members, m)
		}
		c.systems[by].SetTopology(t)
	}
	tell(actors.MemberDead)
	settle(5 * time.Second)
	return func() {
		tell(actors.MemberAlive)
		settle(10 * time.Second)
	}
}

// overlooked has n2 accept transfers, started or not, while it takes n1 for dead.
func (c *town) overlooked(start bool) []string {
	c.Helper()
	heal := c.overlook("n2", "n1")
	var ids []string
	for i := range 12 {
		id := fmt.Sprintf("t%03d", i)
		c.create(c.systems["n2"], c.spec(id, oneConnection), start)
		ids = append(ids, id)
	}
	heal()
	return ids
}

// TestClusterOverlookedIsNotDenied asks a node for transfers that another one has
// accepted for its shards without its knowledge.
func TestClusterOverlookedIsNotDenied(t *testing.T) {
	inTown(t, 2, 2, func(c *town) {
		n1 := c.systems["n1"]
		for i, id := range c.overlooked(false) {
			switch i % 4 {
			case 0:
				c.want(n1, id, transfer.PhaseIdle)
			case 1:
				c.command(n1, id, transfer.Start{})
				c.completed(n1, id)
			case 2:
				if snap, created, err := n1.Create(c.Context(), c.spec(id, oneConnection), false); err != nil || created || snap.State.Spec.ID != id {
					c.Errorf("%s again: %v, %v", id, created, err)
				}
			case 3:
				_, _, err := n1.Create(c.Context(), c.spec(id, func(s *transfer.Spec) { s.Retries = 7 }), false)
				c.code(err, transfer.CodeIDConflict)
			}
		}
		_, err := n1.Get(c.Context(), "nobody")
		c.code(err, transfer.CodeNotFound)
		_, err = n1.Command(c.Context(), "nobody", transfer.Start{}, "")
		c.code(err, transfer.CodeNotFound)
	})
}

// TestClusterOverlookedRuns leaves such transfers alone: they are run without
// anybody asking.
func TestClusterOverlookedRuns(t *testing.T) {
	inTown(t, 2, 2, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 1 }
		c.slow()
		ids := c.overlooked(true)
		settle(2 * time.Hour)
		for i, id := range ids {
			c.want(c.any(i), id, transfer.PhaseCompleted)
			c.checkResult(id)
		}
	})
}

// TestClusterUnknownWithoutStore asks for what is not known while the store is
// away, and so may exist.
func TestClusterUnknownWithoutStore(t *testing.T) {
	inTown(t, 2, 0, func(c *town) {
		var away atomic.Bool
		var reads atomic.Int32
		c.hook = func(call storagetest.Call) storagetest.Fault {
			if strings.HasSuffix(call.Name, "/nobody") {
				reads.Add(1)
				if away.Load() {
					return storagetest.Refused()
				}
			}
			return storagetest.Fault{}
		}
		n1 := c.start("n1")
		away.Store(true)
		_, err := n1.Get(c.Context(), "nobody")
		c.code(err, transfer.CodeStoreUnavailable)
		_, err = n1.Command(c.Context(), "nobody", transfer.Start{}, "")
		c.code(err, transfer.CodeStoreUnavailable)
		away.Store(false)
		before := reads.Load()
		_, err = n1.Get(c.Context(), "nobody")
		c.code(err, transfer.CodeNotFound)
		if n := reads.Load() - before; n != 1 {
			c.Errorf("%d reads for one request", n)
		}
	})
}

// TestClusterSplitAndDeath has one half of a split cluster die before it has let go
// of what it had taken.
func TestClusterSplitAndDeath(t *testing.T) {
	inTown(t, 2, 2, func(c *town) {
		c.split("n1", "n2")
		settle(5 * time.Second)
		var ids []string
		for i := range 12 {
			id := fmt.Sprintf("t%03d", i)
			c.create(c.systems["n2"], c.spec(id, oneConnection), false)
			ids = append(ids, id)
		}
		c.tell() // but what one says to the other is still lost
		settle(time.Second)
		c.kill("n2", true)
		settle(10 * time.Second)
		page, err := c.systems["n1"].List(c.Context(), actors.Query{Limit: 100})
		if err != nil || len(page.Transfers) != len(ids) {
			c.Errorf("%d of %d are listed, %v", len(page.Transfers), len(ids), err)
		}
	})
}
