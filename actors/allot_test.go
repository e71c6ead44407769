package actors

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLinkLeases leases connections to some nodes in a row.
func TestLinkLeases(t *testing.T) {
	l := newLink(at(-60))
	for i, step := range []struct {
		node               string
		transfers, running int
		second             int
		want               int
	}{
		{"a", 4, 0, 0, 12},   // nobody else needs any
		{"b", 4, 0, 0, 0},    // a holds all until it renews
		{"a", 4, 4, 1, 6},    // half of them
		{"b", 4, 0, 1, 6},    // and the other half
		{"b", 12, 6, 2, 6},   // b should have more, and a holds the rest
		{"a", 4, 4, 2, 3},    // a gives away, but four run
		{"b", 12, 6, 2, 8},   // which b does not get
		{"a", 4, 3, 3, 3},    // one has ended
		{"b", 12, 8, 3, 9},   // now it does
		{"b", 12, 9, 10, 12}, // a has not renewed
		{"c", 1, 0, 10, 0},
	} {
		if got := l.lease(step.node, step.transfers, step.running, 12, 4, at(step.second)); got != step.want {
			t.Fatalf("step %d: %s may open %d, want %d", i, step.node, got, step.want)
		}
	}
	if l.idle(at(11)) || !l.idle(at(20)) {
		t.Error("a link is idle when nobody renews")
	}
}

// TestLinkOfANewKeeper gives nobody more than its static share for as long as
// leases of an earlier keeper may be in use.
func TestLinkOfANewKeeper(t *testing.T) {
	l := newLink(at(0))
	if got := l.lease("a", 9, 0, 12, 4, at(1)); got != 4 {
		t.Errorf("a may open %d, want its static 4", got)
	}
	if got := l.lease("a", 9, 4, 12, 4, at(5)); got != 12 {
		t.Errorf("a may open %d, want all", got)
	}
}

// TestLinkProperties has nodes ask and open connections at random: together they
// never have more than the host takes, as long as each keeps to its lease.
func TestLinkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		l := newLink(at(-60))
		type node struct{ lease, running int }
		nodes := map[string]*node{}
		now := at(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			name := fmt.Sprint("n", rapid.IntRange(1, 4).Draw(t, "node"))
			n := nodes[name]
			if n == nil {
				n = &node{}
				nodes[name] = n
			}
			transfers := rapid.IntRange(max(1, n.running), 50).Draw(t, "transfers")
			n.lease = l.lease(name, transfers, n.running, limit, limit, now)
			if n.lease < 0 {
				t.Fatalf("%s may open %d", name, n.lease)
			}
			n.running = rapid.IntRange(0, max(n.lease, n.running)).Draw(t, "running")
			total := 0
			for _, other := range nodes {
				total += other.running
			}
			if total > limit {
				t.Fatalf("%d connections to a host that takes %d", total, limit)
			}
			now = now.Add(time.Millisecond)
		}
	})
}
