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

// TestKeepersThatDoNotAnswer has two nodes see each other and not get through, as when
// one is of a version that keeps no limits: transfers from hosts whose keeper is the
// other node are run all the same, also from more hosts than a node has slots.
func TestKeepersThatDoNotAnswer(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 2 }
		c.start("n1")
		c.start("n2")
		settle(time.Second)
		c.mu.Lock()
		c.cut = func(from, to string) bool { return from != to }
		c.mu.Unlock()
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

// TestDelayedHoldNoConnections has a transfer wait before it tries again: the only
// connection to its host is of use to other nodes meanwhile.
func TestDelayedHoldNoConnections(t *testing.T) {
	inTown(t, 1, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.HostConnections = 1 }
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		settle(5 * time.Second)
		c.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
			if req.URL == "https://origin.example/t000" {
				return actorstest.Answer{Err: transfer.Errorf(transfer.CodeReset, "as ever")}
			}
			return actorstest.Answer{}
		}
		c.create(c.any(0), c.spec("t000", oneConnection, func(s *transfer.Spec) { s.Retries = 30 }), true)
		for wait := time.Duration(0); wait < 30*time.Second; wait = time.Until(c.get(c.any(0), "t000").State.NotBefore) {
			settle(time.Second)
		}
		// Its node has the connection once more, for another transfer.
		at, other := c.get(c.any(0), "t000").Node, ""
		for i := 1; other != at; i++ {
			id := fmt.Sprintf("t%03d", i)
			c.create(c.any(i), c.spec(id, oneConnection), true)
			other = c.completed(c.any(i), id).Node
		}
		settle(3 * time.Second)
		for i := range 12 {
			c.create(c.any(i), c.spec(fmt.Sprintf("u%03d", i), oneConnection), true)
		}
		settle(3 * time.Second)
		for i := range 12 {
			id := fmt.Sprintf("u%03d", i)
			if got := c.get(c.any(i), id); got.State.Phase != transfer.PhaseCompleted {
				t.Errorf("%s is %s on %s, and t000 waits on %s", id, got.State.Phase, got.Node, at)
			}
		}
	})
}
