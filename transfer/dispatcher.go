package transfer

import (
	"maps"
	"math"
	"slices"
)

// Dispatcher decides which connection fetches which parts. A connection that
// asks for work gets a run of parts without gaps, so that one request brings
// them all: the longest stretch that nobody has, or, when all are taken, half
// of what the busiest other one still has to do. So a slow connection keeps
// nobody waiting, and requests stay few and long.
//
// Every part is with at most one worker at a time, and once Advance has
// finished it, it is never given out again. A Dispatcher has one owner; workers
// are any distinct numbers.
type Dispatcher struct {
	inOrder bool
	// endless: the size is not known, so there is one run and no end.
	endless bool
	// free are the missing parts that no worker has: ascending, disjoint and
	// never adjacent.
	free []run
	// taken holds what each worker still has to do; first is in progress.
	taken map[int]run
}

// run is a stretch of parts, both ends included.
type run struct{ first, last int }

func (r run) len() int { return r.last - r.first + 1 }

// NewDispatcher gives out the parts of the plan that the ledger does not hold
// now; the ledger is not looked at again. In order means one part at a time, in
// ascending order, as the digest needs that is computed while parts arrive.
// Content of unknown size is one endless run.
func NewDispatcher(plan Plan, ledger *Ledger, inOrder bool) *Dispatcher {
	d := &Dispatcher{inOrder: inOrder, endless: plan.Size == UnknownSize, taken: map[int]run{}}
	last := plan.Count()
	if d.endless {
		last = math.MaxInt - 1
	}
	next := 1
	for _, stored := range ledger.Intervals() {
		if stored[0] > last {
			break
		}
		if next < stored[0] {
			d.free = append(d.free, run{next, stored[0] - 1})
		}
		next = stored[1] + 1
	}
	if next <= last {
		d.free = append(d.free, run{next, last})
	}
	return d
}

// Next gives a worker that has none a run of parts, first to last. False when
// nothing is left that could be given; a part that is being fetched may still
// come back by Release.
func (d *Dispatcher) Next(worker int) (first, last int, ok bool) {
	if _, busy := d.taken[worker]; busy {
		return 0, 0, false
	}
	r, ok := d.pick()
	if !ok {
		r, ok = d.steal()
	}
	if !ok {
		return 0, 0, false
	}
	d.taken[worker] = r
	return r.first, r.last, true
}

// Take gives a worker that has none the free run that begins at the given part,
// because an answer that begins there is already open.
func (d *Dispatcher) Take(worker, part int) bool {
	i := slices.IndexFunc(d.free, func(r run) bool { return r.first == part })
	if _, busy := d.taken[worker]; busy || i < 0 {
		return false
	}
	d.taken[worker] = d.free[i]
	d.free = slices.Delete(d.free, i, i+1)
	return true
}

// Last is the last part of a worker's run; it may fall while the run is under
// way. 0 when the worker has none.
func (d *Dispatcher) Last(worker int) int { return d.taken[worker].last }

// Advance finishes the part that the worker was fetching and says which one is
// next in its run. False when the run has ended, here or because its rest went
// to another worker, and when the part is not the one in progress.
func (d *Dispatcher) Advance(worker, part int) (next int, ok bool) {
	r, busy := d.taken[worker]
	if !busy || r.first != part {
		return 0, false
	}
	if r.first == r.last {
		delete(d.taken, worker)
		return 0, false
	}
	r.first++
	d.taken[worker] = r
	return r.first, true
}

// Release takes back what a worker has not finished, the part in progress
// included.
func (d *Dispatcher) Release(worker int) {
	r, busy := d.taken[worker]
	if !busy {
		return
	}
	delete(d.taken, worker)
	i, _ := slices.BinarySearchFunc(d.free, r.first, func(f run, first int) int { return f.first - first })
	d.free = slices.Insert(d.free, i, r)
	d.join(i)
	d.join(i - 1)
}

// Outstanding is the number of parts not finished yet, whether a worker has
// them or not; 0 means that all are done. For content of unknown size it is 1.
func (d *Dispatcher) Outstanding() int {
	if d.endless {
		return 1
	}
	n := 0
	for _, r := range d.free {
		n += r.len()
	}
	for _, r := range d.taken {
		n += r.len()
	}
	return n
}

// join merges a free stretch with the one after it when they touch.
func (d *Dispatcher) join(i int) {
	if i >= 0 && i+1 < len(d.free) && d.free[i].last+1 == d.free[i+1].first {
		d.free[i].last = d.free[i+1].last
		d.free = slices.Delete(d.free, i+1, i+2)
	}
}

// pick takes a free stretch: the longest, or the next part when order matters.
func (d *Dispatcher) pick() (run, bool) {
	if len(d.free) == 0 {
		return run{}, false
	}
	if d.inOrder && !d.endless {
		r := run{d.free[0].first, d.free[0].first}
		if d.free[0].first++; d.free[0].len() == 0 {
			d.free = slices.Delete(d.free, 0, 1)
		}
		return r, true
	}
	longest := 0
	for i, r := range d.free {
		if r.len() > d.free[longest].len() {
			longest = i
		}
	}
	r := d.free[longest]
	d.free = slices.Delete(d.free, longest, longest+1)
	return r, true
}

// steal takes the later half of the longest rest of a worker, rounded up, and
// never the part in progress.
func (d *Dispatcher) steal() (run, bool) {
	if d.endless {
		return run{}, false
	}
	victim, longest := 0, 1
	for _, worker := range slices.Sorted(maps.Keys(d.taken)) {
		if n := d.taken[worker].len(); n > longest {
			victim, longest = worker, n
		}
	}
	if longest == 1 {
		return run{}, false
	}
	r := d.taken[victim]
	half := run{r.last - longest/2 + 1, r.last}
	r.last = half.first - 1
	d.taken[victim] = r
	return half, true
}
