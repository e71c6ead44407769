package dir

import (
	"context"
	"errors"
	"slices"
	"sync"

	"godwit/storage"
)

// opKind is what an operation asks of the log.
type opKind int

const (
	opCreate opKind = iota
	opSwap
	opDelete
	// opBarrier writes nothing and waits until a sequence is durable.
	opBarrier
	// opRun runs a function while nothing else of this process and, by the
	// lock, no other process writes.
	opRun
)

// op is one operation that waits for its turn, and then its outcome.
type op struct {
	// name and key are what errors speak of.
	name, key string
	kind      opKind
	body      []byte
	old       storage.Version
	// run is what opRun runs; ran tells that it was.
	run func() error
	ran bool

	// seq is the sequence that must be durable before the outcome is told.
	seq uint64
	// wrote tells that an entry was appended.
	wrote bool
	// version and err are the outcome. They are set before done is closed.
	version storage.Version
	err     error
	done    chan struct{}
}

// queue holds the operations of this process that wait for the lock.
type queue struct {
	mu sync.Mutex
	// waiting is guarded by mu, as are the flags.
	waiting []*op
	// running tells that a goroutine takes from waiting until it is empty.
	running bool
	// busy is held while it carries out what it has taken.
	busy   sync.Mutex
	closed bool
}

var errClosed = errors.New("the store is closed")

// submit queues o, which one goroutine for all carries out: it takes all that
// wait at once, appends what they write, and syncs once for all of them. While
// it does so the next ones gather. It returns the outcome of o; when ctx ends
// before its turn nothing has happened (ErrUnavailable).
func (r *Records) submit(ctx context.Context, o *op) error {
	o.done = make(chan struct{})
	start, err := r.queue.add(o)
	if err != nil {
		return &storage.Error{Op: o.name, Name: o.key, Kind: storage.ErrUnavailable, Err: err}
	}
	if start {
		go r.drain()
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	if r.queue.withdraw(o) {
		return &storage.Error{Op: o.name, Name: o.key, Kind: storage.ErrUnavailable, Err: ctx.Err()}
	}
	<-o.done
	return o.err
}

// add queues o and tells whether the caller must start who takes it.
func (q *queue) add(o *op) (start bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, errClosed
	}
	q.waiting = append(q.waiting, o)
	start = !q.running
	q.running = true
	return start, nil
}

// withdraw removes o unless it has been taken.
func (q *queue) withdraw(o *op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, o)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// batchBytes bounds what is appended at once, in bytes of bodies. One body
// more than that is taken.
const batchBytes = 4 << 20

// take gives out what is to be carried out next, none when the store is
// closed.
func (q *queue) take() []*op {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && size < batchBytes {
		size += len(q.waiting[n].body)
		n++
	}
	if n == len(q.waiting) {
		batch := q.waiting
		q.waiting = nil
		return batch
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch
}

// rest tells whether nothing waits; then nobody takes any more, and whoever
// adds something starts that again.
func (q *queue) rest() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return false
	}
	q.running = false
	return true
}

// close refuses what comes and ends what waits, and returns when nothing is
// being carried out. false when the queue is closed already.
func (q *queue) close() bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.closed = true
	waiting := q.waiting
	q.waiting = nil
	q.mu.Unlock()
	for _, o := range waiting {
		o.finish(storage.ErrUnavailable, errClosed)
	}
	q.busy.Lock()
	defer q.busy.Unlock()
	return true
}

// finish ends an operation that failed.
func (o *op) finish(kind storage.Kind, err error) {
	o.err = fail(o.name, o.key, kind, err)
	close(o.done)
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
