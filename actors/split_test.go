package actors_test

import (
	"fmt"
	"testing"
	"time"

	"godwit/actors"
)

// split has two nodes miss each other, as when the wire between them is cut.
func (c *town) split(a, b string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = func(from, to string) bool { return from != to }
	for _, self := range []string{a, b} {
		c.version++
		t := actors.Topology{Version: c.version}
		for _, name := range []string{a, b} {
			m := *c.members[name]
			if name != self {
				m.State = actors.MemberDead
			}
			t.Members = append(t.Members, m)
		}
		c.systems[self].SetTopology(t)
	}
}

// TestClusterSplit has both halves of a cluster accept transfers for all shards.
// When they see each other again, each knows what the other has accepted for
// those that it has kept, and it is run.
func TestClusterSplit(t *testing.T) {
	inTown(t, 2, 2, func(c *town) {
		c.split("n1", "n2")
		settle(5 * time.Second)
		var ids []string
		for i := range 20 {
			id := fmt.Sprintf("t%03d", i)
			// Some wait to be started, so that nothing reminds anybody of them.
			c.create(c.systems[[]string{"n1", "n2"}[i%2]], c.spec(id, oneConnection), i%4 < 2)
			ids = append(ids, id)
		}
		settle(time.Second)
		c.mu.Lock()
		c.cut = nil
		c.mu.Unlock()
		c.tell()
		settle(20 * time.Second)
		for i, id := range ids {
			if i%4 >= 2 {
				for _, name := range []string{"n1", "n2"} {
					c.get(c.systems[name], id)
				}
				continue
			}
			c.completed(c.any(i), id)
		}
	})
}
