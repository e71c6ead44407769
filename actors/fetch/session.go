package fetch

import (
	"context"
	"time"

	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

const (
	// inFlight bounds the bytes in parts that are not stored yet, which is what
	// a crash may cost.
	inFlight = 64 << 20
	// leastParts may be in flight however large they are.
	leastParts = 2
	// mostConnections is the automatic bound.
	mostConnections = 16
	// sampleEvery is how often the number of connections is looked at.
	sampleEvery = 50 * time.Millisecond
	// coolOff is how long no connection is added after one has failed.
	coolOff = time.Second
)

// Opener opens sources.
type Opener interface {
	Open(ctx context.Context, req endpoint.Request) (*endpoint.Response, error)
}

// Config is what a session fetches, and whom it tells.
type Config struct {
	// Gen is a copy of the generation to fetch; its ledger says what is there.
	Gen transfer.Generation
	// Request makes the request for length bytes from offset on.
	Request func(offset, length int64) endpoint.Request
	Source  Opener
	Store   storage.ObjectStore
	// Connections bounds the connections, 0 for automatic.
	Connections int
	// Hash computes the SHA-256 while the bytes arrive, in one connection.
	Hash bool
	// Report takes events, in order for each part. It never blocks for long.
	Report func(transfer.Event)
	// StoreFailed makes the event for a store's failure.
	StoreFailed func(error) transfer.Event
	// Received and Refetched count bytes.
	Received  func(n int64)
	Refetched func(n int64)
}

// session fetches all missing parts of one generation. Its loop owns the
// dispatcher, the tuner and the set of workers; workers talk to it only through
// messages.
type session struct {
	Config
	run        *Run
	dispatcher *transfer.Dispatcher
	tuner      *transfer.Tuner
	tokens     chan struct{} // one for each part in flight
	messages   chan message
	workers    map[int]*worker
	lastWorker int
	// most bounds the connections; with one there is nothing to measure.
	most int
	// commits is the number of parts being stored in the background.
	commits int
	// ended: nothing new is begun, because of an error or because all is done.
	ended bool
	// total is the size of a stream of unknown length once it has ended.
	total     int64
	coolUntil time.Time
	hash      *hasher
}

// Messages from workers to the loop.
type (
	message interface{}
	// advance asks for the next part of the worker's run.
	advance struct {
		worker *worker
		part   int
	}
	// committing announces a commit in the background.
	committing struct{}
	// committed is the outcome of a commit.
	committed struct {
		part       storage.Part
		hashed     []byte
		hashedSize int64
		err        error
		background bool
		cause      any // of a panic
	}
	// finished says that a worker has ended, with the error of its source or
	// its store, if any.
	finished struct {
		worker   *worker
		err      *transfer.Error
		storeErr error
		cause    any // of a panic
	}
	// streamEnded gives the size of a stream of unknown length.
	streamEnded struct{ size int64 }
)

// assignment is the loop's answer to advance.
type assignment struct {
	part, last int
	ok         bool
}

// Fetch fetches what the ledger lacks, beginning with the answer that the run
// keeps. It returns when all parts are stored, when it has reported a failure
// that leaves nothing running, or when the run is stopped.
func Fetch(run *Run, cfg Config) {
	s := &session{
		Config: cfg, run: run, messages: make(chan message), workers: map[int]*worker{}, total: transfer.UnknownSize,
	}
	parts := inFlight / max(cfg.Gen.Plan.PartSize, 1)
	parts = max(parts, leastParts, int64(cfg.Connections))
	s.tokens = make(chan struct{}, parts)
	most := mostConnections
	if cfg.Connections > 0 {
		most = cfg.Connections
	}
	if cfg.Hash || !cfg.Gen.Resumable {
		most = 1
	}
	if cfg.Hash {
		s.hash = newHasher(cfg.Gen.Hashed, cfg.Gen.HashedBytes)
	}
	s.most = min(most, int(parts))
	s.tuner = transfer.NewTuner(s.most)
	s.dispatcher = transfer.NewDispatcher(cfg.Gen.Plan, &s.Gen.Ledger, false)
	s.loop()
}

func (s *session) loop() {
	defer func() {
		if cause := recover(); cause != nil {
			s.drain()
			panic(cause)
		}
	}()
	var ticks <-chan time.Time
	if s.most > 1 && s.dispatcher.Outstanding() > 1 {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	s.startFirst()
	last := time.Now()
	seen := s.run.total()
	for len(s.workers) > 0 || s.commits > 0 {
		select {
		case m := <-s.messages:
			s.handle(m)
		case now := <-ticks:
			total := s.run.total()
			s.tuner.Sample(now.Sub(last), total-seen)
			last, seen = now, total
		}
		s.adjust()
	}
	if s.total >= 0 && !s.ended {
		s.Report(transfer.Ended{Size: s.total})
	}
}

// drain ends a session that has panicked: nobody may be left behind who waits
// for its loop.
func (s *session) drain() {
	s.run.Stop()
	for len(s.workers) > 0 || s.commits > 0 {
		switch m := (<-s.messages).(type) {
		case advance:
			m.worker.next <- assignment{}
		case committing:
			s.commits++
		case committed:
			if m.background {
				s.commits--
			}
		case finished:
			delete(s.workers, m.worker.id)
		}
	}
}

// startFirst uses the answer that is open already.
func (s *session) startFirst() {
	resp := s.run.take()
	if resp != nil {
		for n := 1; resp.Offset > 0; n++ {
			if offset, size := s.Gen.Plan.Part(n); offset == resp.Offset || size == 0 {
				if s.dispatcher.Take(1, n) {
					s.start(1, n, s.dispatcher.Last(1), resp)
					return
				}
				break
			}
		}
		if resp.Offset == 0 && s.dispatcher.Take(1, 1) {
			s.start(1, 1, s.dispatcher.Last(1), resp)
			return
		}
		_ = resp.Body.Close()
	}
	s.startNext()
}

func (s *session) start(id, first, last int, resp *endpoint.Response) {
	w := newWorker(s, id, first, last, resp)
	s.workers[id] = w
	s.lastWorker = max(s.lastWorker, id)
	go w.work()
}

func (s *session) startNext() bool {
	id := s.lastWorker + 1
	first, last, ok := s.dispatcher.Next(id)
	if ok {
		s.start(id, first, last, nil)
	}
	return ok
}

// target is how many connections there should be now.
func (s *session) target() int {
	target := s.tuner.Target()
	if share := int(s.run.share.Load()); share > 0 {
		target = min(target, share)
	}
	return target
}

// adjust adds connections; those that are too many retire at their next part.
// After a stream of unknown length has ended there is nothing to add.
func (s *session) adjust() {
	if len(s.tokens) == cap(s.tokens) && len(s.workers) > 0 {
		// Every part in flight waits for the store: another connection would only
		// fill the buffers of its socket.
		return
	}
	if s.ended || s.total >= 0 || s.run.ctx.Err() != nil || s.run.finishing.Load() || time.Now().Before(s.coolUntil) && len(s.workers) > 0 {
		return
	}
	for len(s.workers) < s.target() && s.startNext() {
	}
}

func (s *session) handle(m message) {
	switch m := m.(type) {
	case advance:
		s.onAdvance(m)
	case committing:
		s.commits++
	case committed:
		s.onCommitted(m)
	case finished:
		s.onFinished(m)
	case streamEnded:
		s.total = m.size
	}
}

func (s *session) onAdvance(m advance) {
	next, ok := s.dispatcher.Advance(m.worker.id, m.part)
	if ok && (s.ended || s.run.finishing.Load() || len(s.workers) > s.target()) {
		s.dispatcher.Release(m.worker.id)
		ok = false
	}
	m.worker.next <- assignment{part: next, last: s.dispatcher.Last(m.worker.id), ok: ok}
}

func (s *session) onCommitted(m committed) {
	if m.background {
		s.commits--
	}
	if m.cause != nil {
		panic(m.cause)
	}
	switch {
	case s.run.ctx.Err() != nil:
	case m.err != nil:
		s.fail(s.StoreFailed(m.err))
	default:
		s.Report(transfer.PartStored{Part: transfer.Part(m.part), Hashed: m.hashed, HashedBytes: m.hashedSize})
	}
}

// fail reports what ends the session; there is only one end.
func (s *session) fail(ev transfer.Event) {
	if !s.ended {
		s.ended = true
		s.Report(ev)
	}
}

func (s *session) onFinished(m finished) {
	delete(s.workers, m.worker.id)
	s.dispatcher.Release(m.worker.id)
	if m.cause != nil {
		panic(m.cause)
	}
	switch {
	case s.run.ctx.Err() != nil || s.ended:
	case m.storeErr != nil:
		s.fail(s.StoreFailed(m.storeErr))
	case m.err != nil && m.err.Code.Class() == transfer.Transient && len(s.workers) > 0:
		// An origin that refuses one connection more still serves those it has: to
		// break them off would throw parts away, and begin the same again.
		s.tuner.Complain()
		s.coolUntil = time.Now().Add(max(coolOff, m.err.RetryAfter))
		s.Report(transfer.FetchFailed{Err: m.err, Active: len(s.workers)})
	case m.err != nil:
		s.fail(transfer.FetchFailed{Err: m.err})
	}
}
