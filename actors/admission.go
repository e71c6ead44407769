package actors

import (
	"container/heap"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// admission decides which waiting transfers run. It is pure: time comes in,
// grants go out; the slots actor is its shell.
type admission struct {
	slots, hostConnections int
	// leases are the connections to hosts that a keeper grants this node; where
	// there is none, hostConnections is the limit.
	leases map[string]hostLease
	// clustered: before the first transfer of a host runs, its keeper is asked.
	// asked says since when, toAsk who is to be asked now.
	clustered bool
	asked     map[string]time.Time
	toAsk     []string
	// left are hosts that may have a lease which nothing needs any more.
	left []string
	// waiting are ordered by rank; later holds those whose time has not come,
	// blocked those whose host has no connection left, so that they are not
	// looked at again and again.
	waiting rankHeap
	later   timeHeap
	blocked map[string]*rankHeap
	byID    map[string]*waiter
	running map[string]want
	// perHost counts running transfers, queued those that wait for a slot or a
	// connection.
	perHost, queued map[string]int
	// busy hosts asked to be left alone until then.
	busy map[string]time.Time
}

// waiter is one transfer that waits, in one of the heaps; index is its place
// there, -1 when it was taken out.
type waiter struct {
	want  want
	index int
	in    heapName
}

// heapName is one of the heaps of an admission.
type heapName int

const (
	inLater heapName = iota
	inWaiting
	inBlocked
)

// hostLease is a limit with an end.
type hostLease struct {
	connections int
	until       time.Time
}

func newAdmission(slots, hostConnections int) *admission {
	return &admission{
		slots: slots, hostConnections: hostConnections,
		byID: map[string]*waiter{}, running: map[string]want{}, perHost: map[string]int{}, queued: map[string]int{}, busy: map[string]time.Time{},
		leases: map[string]hostLease{}, blocked: map[string]*rankHeap{}, asked: map[string]time.Time{},
	}
}

// ask queues a transfer, in place of an earlier ask. One that has a slot already
// asks for nothing, unless it asks from another life of its shard: then the slot
// was that of an actor that exists no more.
func (a *admission) ask(w want) {
	if has, ok := a.running[w.id]; ok && has.shard.Equal(w.shard) {
		return
	}
	a.forget(w.id)
	e := &waiter{want: w}
	a.byID[w.id] = e
	a.postpone(e)
}

// askedBy tells that a shard asked for what a transfer has or waits for.
func (a *admission) askedBy(id string, shard *actor.PID) bool {
	if e, ok := a.byID[id]; ok {
		return e.want.shard.Equal(shard)
	}
	w, ok := a.running[id]
	return ok && w.shard.Equal(shard)
}

// forget takes a transfer out, wherever it is; true if it was running.
func (a *admission) forget(id string) bool {
	if e, ok := a.byID[id]; ok {
		a.drop(e)
		// It may have been let through to a connection that another can use now.
		a.unblock(e.want.host, time.Now())
		a.left = append(a.left, e.want.host)
	}
	w, ok := a.running[id]
	if !ok {
		return false
	}
	delete(a.running, id)
	if a.perHost[w.host]--; a.perHost[w.host] == 0 {
		delete(a.perHost, w.host)
	}
	a.unblock(w.host, time.Now())
	a.left = append(a.left, w.host)
	return true
}

// drop takes a waiter out of its heap.
func (a *admission) drop(e *waiter) {
	delete(a.byID, e.want.id)
	switch e.in {
	case inLater:
		heap.Remove(&a.later, e.index)
	case inWaiting:
		a.unqueue(e)
		heap.Remove(&a.waiting, e.index)
	case inBlocked:
		a.unqueue(e)
		heap.Remove(a.blocked[e.want.host], e.index)
	}
}

// postpone lets a transfer wait for its time.
func (a *admission) postpone(e *waiter) {
	e.in = inLater
	heap.Push(&a.later, e)
}

// enqueue lets it wait for a slot, and count for its host's keeper: what waits for its
// time needs no connection that others could use.
func (a *admission) enqueue(e *waiter) {
	a.queued[e.want.host]++
	a.consider(e)
}

// consider has it looked at again.
func (a *admission) consider(e *waiter) {
	e.in = inWaiting
	heap.Push(&a.waiting, e)
}

// block lets it wait for a connection to its host.
func (a *admission) block(e *waiter) {
	h := a.blocked[e.want.host]
	if h == nil {
		h = &rankHeap{}
		a.blocked[e.want.host] = h
	}
	e.in = inBlocked
	heap.Push(h, e)
}

// unblock considers as many of those blocked as the host has room for, best
// first.
func (a *admission) unblock(host string, now time.Time) {
	h := a.blocked[host]
	if h == nil {
		return
	}
	for room := a.limit(host, now) - a.perHost[host]; room > 0 && h.Len() > 0; room-- {
		a.consider(heap.Pop(h).(*waiter))
	}
	if h.Len() == 0 {
		delete(a.blocked, host)
	}
}

// unblockAll is unblock for every host: leases end by themselves.
func (a *admission) unblockAll(now time.Time) {
	for host := range a.blocked {
		a.unblock(host, now)
	}
}

func (a *admission) unqueue(e *waiter) {
	if a.queued[e.want.host]--; a.queued[e.want.host] == 0 {
		delete(a.queued, e.want.host)
	}
}

// hold leaves a host alone until then.
func (a *admission) hold(host string, until time.Time) {
	if until.After(a.busy[host]) {
		a.busy[host] = until
	}
}

// limit is how many connections this node may open to a host.
func (a *admission) limit(host string, now time.Time) int {
	if l, ok := a.leases[host]; ok && l.until.After(now) {
		return l.connections
	}
	return a.hostConnections
}

// admit takes the transfers that may run now out of the queue, best first.
func (a *admission) admit(now time.Time) []want {
	for len(a.later) > 0 && !a.later[0].want.notBefore.After(now) {
		a.enqueue(heap.Pop(&a.later).(*waiter))
	}
	var out []want
	asked := a.unanswered(now)
	for len(a.waiting) > 0 && len(a.running) < a.slots && asked+len(a.toAsk) < a.slots {
		e := heap.Pop(&a.waiting).(*waiter)
		if until, ok := a.busy[e.want.host]; ok {
			if until.After(now) {
				e.want.notBefore = until
				a.unqueue(e)
				a.left = append(a.left, e.want.host)
				a.postpone(e)
				continue
			}
			delete(a.busy, e.want.host)
		}
		if a.mustAsk(e.want.host, now) || a.perHost[e.want.host] >= a.limit(e.want.host, now) {
			a.block(e)
			continue
		}
		delete(a.byID, e.want.id)
		a.unqueue(e)
		a.running[e.want.id] = e.want
		a.perHost[e.want.host]++
		out = append(out, e.want)
	}
	return out
}

// next is when admit may have something to do again without being told; zero
// when nothing waits for its time.
func (a *admission) next() time.Time {
	if len(a.later) == 0 {
		return time.Time{}
	}
	return a.later[0].want.notBefore
}

// share is how many connections each running transfer may open to a host: what
// the host takes, divided fairly.
func (a *admission) share(host string, now time.Time) int {
	return max(1, a.limit(host, now)/max(1, a.perHost[host]))
}

// why says what keeps a waiting transfer from running, "" if it does not wait.
func (a *admission) why(id string, now time.Time) string {
	e, ok := a.byID[id]
	switch {
	case !ok:
		return ""
	case a.busy[e.want.host].After(now):
		return "the origin " + e.want.host + " asked to be left alone until " + a.busy[e.want.host].UTC().Format(time.RFC3339)
	case e.want.notBefore.After(now):
		return "it waits until " + e.want.notBefore.UTC().Format(time.RFC3339) + " before it tries again"
	case len(a.running) >= a.slots:
		return "all slots of this node are in use"
	case a.perHost[e.want.host] >= a.limit(e.want.host, now):
		if a.limit(e.want.host, now) < a.hostConnections {
			return "all connections to " + e.want.host + " are in use, by other nodes too"
		}
		return "all connections to " + e.want.host + " are in use"
	}
	return "it is about to run"
}

// before orders waiters by priority and age, which is one key, so that those of
// low priority do not wait for ever. What has begun comes before what has not:
// it holds parts.
func (w *waiter) before(o *waiter) bool {
	if a, b := w.rank(), o.rank(); !a.Equal(b) {
		return a.Before(b)
	}
	return w.want.id < o.want.id
}

// begunFirst is more than all that priorities count for.
const begunFirst = time.Hour

func (w *waiter) rank() time.Time {
	rank := transfer.Rank(w.want.priority, w.want.created)
	if w.want.started {
		rank = rank.Add(-begunFirst)
	}
	return rank
}

// rankHeap and timeHeap are container/heap orders over waiters.
type (
	rankHeap []*waiter
	timeHeap []*waiter
)

func (h rankHeap) Len() int           { return len(h) }
func (h rankHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h rankHeap) Swap(i, j int)      { swap(h, i, j) }
func (h *rankHeap) Push(x any)        { *h = push(*h, x) }
func (h *rankHeap) Pop() any          { e := pop((*[]*waiter)(h)); return e }
func (h timeHeap) Len() int           { return len(h) }
func (h timeHeap) Less(i, j int) bool { return h[i].want.notBefore.Before(h[j].want.notBefore) }
func (h timeHeap) Swap(i, j int)      { swap(h, i, j) }
func (h *timeHeap) Push(x any)        { *h = push(*h, x) }
func (h *timeHeap) Pop() any          { e := pop((*[]*waiter)(h)); return e }

func swap(h []*waiter, i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func push(h []*waiter, x any) []*waiter {
	e := x.(*waiter)
	e.index = len(h)
	return append(h, e)
}

func pop(h *[]*waiter) *waiter {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
