package endpointtest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Served is what one answer delivered: Length bytes from Offset on. They were
// handed to the operating system; a cut connection may have lost the last ones.
type Served struct {
	Path       string
	Generation uint64
	// Connection counts from 1; answers with the same number shared it.
	Connection     int64
	Offset, Length int64
	// First is when the answer began, Last when bytes were handed over last.
	First, Last time.Time
}

// Request is what a client sent.
type Request struct {
	Method, Path, Host string
	// Query is the raw query.
	Query      string
	Header     http.Header
	Body       []byte
	Connection int64
	// Proto is HTTP/1.1 or HTTP/2.0.
	Proto string
	// At is when its header had arrived.
	At time.Time
}

// ledger records requests and served bytes.
type ledger struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced whenever total grows
	arrived  chan struct{} // the same for requests
	served   []*Served
	requests []Request
	total    int64
	triggers []trigger

	connections, open, maxOpen int
	active, maxActive          int
}

type trigger struct {
	at int64
	do func()
}

func newLedger() *ledger { return &ledger{changed: make(chan struct{}), arrived: make(chan struct{})} }

func (l *ledger) request(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
	close(l.arrived)
	l.arrived = make(chan struct{})
}

// begin opens an entry; its fields are guarded by the ledger.
func (l *ledger) begin(s Served) *Served {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.First = time.Now()
	s.Last = s.First
	l.served = append(l.served, &s)
	return &s
}

// add counts n more bytes of an entry and runs the triggers that became due.
func (l *ledger) add(entry *Served, n int64) {
	l.mu.Lock()
	entry.Length += n
	entry.Last = time.Now()
	l.total += n
	close(l.changed)
	l.changed = make(chan struct{})
	var due []trigger
	l.triggers = slices.DeleteFunc(l.triggers, func(t trigger) bool {
		if t.at > l.total {
			return false
		}
		due = append(due, t)
		return true
	})
	l.mu.Unlock()
	for _, t := range due {
		t.do()
	}
}

// enter counts a request that is being answered and returns how many are.
func (l *ledger) enter() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active++
	l.maxActive = max(l.maxActive, l.active)
	return l.active
}

func (l *ledger) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active--
}

func (l *ledger) connected() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connections++
	l.open++
	l.maxOpen = max(l.maxOpen, l.open)
	return int64(l.connections)
}

func (l *ledger) disconnected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// Served lists what was served, in the order in which the answers began.
func (o *Origin) Served() []Served {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	all := make([]Served, len(o.ledger.served))
	for i, s := range o.ledger.served {
		all[i] = *s
	}
	return all
}

// Requests lists the requests received so far.
func (o *Origin) Requests() []Request {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	return slices.Clone(o.ledger.requests)
}

// BytesServed is the number of content bytes served, repeated ones included.
func (o *Origin) BytesServed() int64 {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	return o.ledger.total
}

// PathBytes is BytesServed of one path.
func (o *Origin) PathBytes(path string) int64 {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	var total int64
	for _, s := range o.ledger.served {
		if s.Path == path {
			total += s.Length
		}
	}
	return total
}

// Spans are when each answer with content of one path began, and when its last
// bytes were handed over until now.
func (o *Origin) Spans(path string) [][2]time.Time {
	var all [][2]time.Time
	for _, s := range o.Served() {
		if s.Path == path {
			all = append(all, [2]time.Time{s.First, s.Last})
		}
	}
	return all
}

// Refetched is how many bytes of one path were served more than once in the
// present generation.
func (o *Origin) Refetched(path string) int64 {
	var all []Served
	gen := o.Content().Generation
	for _, s := range o.Served() {
		if s.Path == path && s.Generation == gen {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Served) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	var again, end int64
	for _, s := range all {
		if s.Offset < end {
			again += min(end, s.Offset+s.Length) - s.Offset
		}
		end = max(end, s.Offset+s.Length)
	}
	return again
}

// ResetLedger forgets requests and served bytes, not the connections.
func (o *Origin) ResetLedger() {
	l := o.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served, l.requests, l.total = nil, nil, 0
}

// Connections is how many connections were accepted, and how many were open at
// the same time at most.
func (o *Origin) Connections() (total, most int) {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	return o.ledger.connections, o.ledger.maxOpen
}

// MaxActive is how many requests were answered at the same time at most.
func (o *Origin) MaxActive() int {
	o.ledger.mu.Lock()
	defer o.ledger.mu.Unlock()
	return o.ledger.maxActive
}

// When runs do once, as soon as n bytes were served in all, in the goroutine
// that serves them: they wait for it.
func (o *Origin) When(n int64, do func()) {
	l := o.ledger
	l.mu.Lock()
	due := l.total >= n
	if !due {
		l.triggers = append(l.triggers, trigger{n, do})
	}
	l.mu.Unlock()
	if due {
		do()
	}
}

// WaitServed returns when n bytes were served in all, or with ctx's error.
func (o *Origin) WaitServed(ctx context.Context, n int64) error {
	l := o.ledger
	for {
		l.mu.Lock()
		total, changed := l.total, l.changed
		l.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitRequests returns when n requests were received, or with ctx's error.
func (o *Origin) WaitRequests(ctx context.Context, n int) error {
	for {
		o.ledger.mu.Lock()
		have, arrived := len(o.ledger.requests), o.ledger.arrived
		o.ledger.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AwaitRequest returns when the first request for path arrived that came after
// the given time, or ctx's error. The ledger must not be reset meanwhile.
func (o *Origin) AwaitRequest(ctx context.Context, path string, after time.Time) (time.Time, error) {
	seen := 0
	for {
		o.ledger.mu.Lock()
		fresh, arrived := o.ledger.requests[seen:], o.ledger.arrived
		o.ledger.mu.Unlock()
		for _, r := range fresh {
			if r.Path == path && r.At.After(after) {
				return r.At, nil
			}
		}
		seen += len(fresh)
		select {
		case <-arrived:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}
