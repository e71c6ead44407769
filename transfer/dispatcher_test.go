package transfer

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// connections is a model of workers that fetch what a Dispatcher gives them.
type connections struct {
	d       *Dispatcher
	inOrder bool
	// part is what each busy worker is fetching; fetched counts how often each
	// part was finished.
	part    map[int]int
	fetched map[int]int
}

func (c *connections) next(t *rapid.T, worker int) {
	_, busy := c.part[worker]
	first, last, ok := c.d.Next(worker)
	if !ok {
		return
	}
	if busy {
		t.Fatalf("worker %d got a second run", worker)
	}
	if first > last || c.inOrder && first != last {
		t.Fatalf("run %d to %d", first, last)
	}
	c.take(t, worker, first)
}

func (c *connections) take(t *rapid.T, worker, part int) {
	if slices.Contains(slices.Collect(maps.Values(c.part)), part) {
		t.Fatalf("part %d is with two workers", part)
	}
	if c.fetched[part] > 0 {
		t.Fatalf("part %d was done and is given out again", part)
	}
	c.part[worker] = part
}

func (c *connections) advance(t *rapid.T, worker int) {
	part, busy := c.part[worker]
	if !busy {
		if next, ok := c.d.Advance(worker, 1); ok {
			t.Fatalf("idle worker %d was sent on to part %d", worker, next)
		}
		return
	}
	delete(c.part, worker)
	c.fetched[part]++
	if next, ok := c.d.Advance(worker, part); ok {
		if next != part+1 {
			t.Fatalf("part %d follows part %d on one connection", next, part)
		}
		c.take(t, worker, next)
	}
}

func (c *connections) release(worker int) {
	c.d.Release(worker)
	delete(c.part, worker)
}

// Over any interleaving every missing part is fetched exactly once, and while
// parts are missing somebody can go on.
func TestDispatcherGivesEveryPartOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Plan{Size: int64(rapid.IntRange(0, 60).Draw(t, "parts")), PartSize: 1}
		var ledger Ledger
		for _, n := range rapid.SliceOf(rapid.IntRange(1, max(plan.Count(), 1))).Draw(t, "stored") {
			if n <= plan.Count() {
				ledger.Add(planned(plan, n))
			}
		}
		inOrder := rapid.Bool().Draw(t, "in order")
		c := &connections{
			d: NewDispatcher(plan, &ledger, inOrder), inOrder: inOrder, part: map[int]int{}, fetched: map[int]int{},
		}
		missing := plan.Count() - ledger.Count()
		worker := rapid.IntRange(0, 5)
		t.Repeat(map[string]func(*rapid.T){
			"next":    func(t *rapid.T) { c.next(t, worker.Draw(t, "worker")) },
			"advance": func(t *rapid.T) { c.advance(t, worker.Draw(t, "worker")) },
			"release": func(t *rapid.T) { c.release(worker.Draw(t, "worker")) },
			"": func(t *rapid.T) {
				if got := c.d.Outstanding(); got != missing-len(c.fetched) {
					t.Fatalf("%d outstanding, want %d", got, missing-len(c.fetched))
				}
			},
		})
		c.finish(t)
		for n := 1; n <= plan.Count(); n++ {
			want := 1
			if ledger.Has(n) {
				want = 0
			}
			if c.fetched[n] != want {
				t.Fatalf("part %d was fetched %d times, want %d", n, c.fetched[n], want)
			}
		}
	})
}

// finish lets the workers run to the end; it fails when they are stuck.
func (c *connections) finish(t *rapid.T) {
	for c.d.Outstanding() > 0 {
		before := c.d.Outstanding()
		for worker := range 6 {
			if _, busy := c.part[worker]; !busy {
				c.next(t, worker)
			}
			c.advance(t, worker)
		}
		if c.d.Outstanding() == before {
			t.Fatalf("stuck with %d parts", before)
		}
	}
}

// In order, the parts given out ascend unless one comes back.
func TestDispatcherInOrder(t *testing.T) {
	plan := Plan{Size: 10, PartSize: 1}
	var ledger Ledger
	ledger.Add(planned(plan, 3))
	d := NewDispatcher(plan, &ledger, true)
	expectRun(t, d, 1, 1, 1)
	expectRun(t, d, 2, 2, 2)
	expectRun(t, d, 3, 4, 4)
	d.Release(1)
	expectRun(t, d, 4, 1, 1)
	if _, ok := d.Advance(2, 2); ok {
		t.Fatal("a run of one part goes on")
	}
	expectRun(t, d, 2, 5, 5)
}

func expectRun(t *testing.T, d *Dispatcher, worker, first, last int) {
	t.Helper()
	if f, l, ok := d.Next(worker); !ok || f != first || l != last {
		t.Fatalf("worker %d got %d to %d (%v), want %d to %d", worker, f, l, ok, first, last)
	}
}

func TestDispatcherTakesTheLargestGapThenHalves(t *testing.T) {
	plan := Plan{Size: 20, PartSize: 1}
	var ledger Ledger
	for _, n := range []int{4, 5} {
		ledger.Add(planned(plan, n))
	}
	d := NewDispatcher(plan, &ledger, false)
	expectRun(t, d, 1, 6, 20)
	expectRun(t, d, 2, 1, 3)
	// Worker 1 is at part 6 and has 14 more: half of them go.
	expectRun(t, d, 3, 14, 20)
	// Now workers 1 and 3 have 7 and 6 more; the first gives up 4.
	expectRun(t, d, 4, 10, 13)
	if next, ok := d.Advance(1, 6); !ok || next != 7 {
		t.Fatalf("worker 1 goes on with %d (%v)", next, ok)
	}
}

func TestDispatcherStolenRunEnds(t *testing.T) {
	d := NewDispatcher(Plan{Size: 2, PartSize: 1}, &Ledger{}, false)
	expectRun(t, d, 1, 1, 2)
	expectRun(t, d, 2, 2, 2)
	if _, _, ok := d.Next(3); ok {
		t.Fatal("a part in progress was given away")
	}
	if _, ok := d.Advance(1, 1); ok {
		t.Fatal("worker 1 goes on with a part that worker 2 has")
	}
}

func TestDispatcherEndlessContent(t *testing.T) {
	plan := Plan{Size: UnknownSize, PartSize: 1, Growing: true}
	var ledger Ledger
	ledger.Add(planned(plan, 1))
	for _, inOrder := range []bool{false, true} {
		d := NewDispatcher(plan, &ledger, inOrder)
		first, _, ok := d.Next(1)
		if !ok || first != 2 {
			t.Fatalf("the stream begins with part %d (%v)", first, ok)
		}
		if _, _, ok := d.Next(2); ok {
			t.Fatal("a stream was split")
		}
		for part := 2; part < 50; part++ {
			if next, ok := d.Advance(1, part); !ok || next != part+1 {
				t.Fatalf("after part %d comes %d (%v)", part, next, ok)
			}
		}
		d.Release(1)
		expectFirst(t, d, 50)
	}
}

func expectFirst(t *testing.T, d *Dispatcher, want int) {
	t.Helper()
	if first, _, ok := d.Next(2); !ok || first != want || d.Outstanding() != 1 {
		t.Fatalf("the rest begins with %d (%v), want %d", first, ok, want)
	}
}

// What comes back joins its neighbours, so that requests stay long.
func TestDispatcherJoinsWhatComesBack(t *testing.T) {
	d := NewDispatcher(Plan{Size: 8, PartSize: 1}, &Ledger{}, false)
	expectRun(t, d, 1, 1, 8)
	expectRun(t, d, 2, 5, 8)
	expectRun(t, d, 3, 3, 4)
	d.Release(1)
	d.Release(2)
	d.Release(3)
	expectRun(t, d, 4, 1, 8)
}
