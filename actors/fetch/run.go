package fetch

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"godwit/endpoint"
)

// Run is everything in flight between two halts of a transfer. Its context
// ends with Stop; Wait returns when all its work has ended.
type Run struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows, up to the next blank line
	stopped bool
	kept    *endpoint.Response
	// working counts pieces of work; idle, if somebody waits, is closed when
	// there is none. Work may be begun while somebody waits, which a
	// sync.WaitGroup does not bear.
	working int
	idle    chan struct{}

	// wire counts bytes received, or sent, and not yet taken; flight those in parts
	// that are not stored yet, or that the far side has not confirmed.
	// ever is all that was received or sent.
	wire, flight, ever atomic.Int64
	// share is how many connections the transfer may open, 0 for no bound.
	share atomic.Int32
	// finishing: what is in flight is brought to an end, nothing more is begun.
	finishing atomic.Bool

	limiter *rate.Limiter
}

// minBurst is the least number of bytes a rate limit lets through at once. It is
// small, because what is waited for already was reckoned at the old rate when
// the limit changes.
const minBurst = 4 << 10

// NewRun starts a run that ends with the parent context at the latest.
func NewRun(parent context.Context) *Run {
	ctx, cancel := context.WithCancel(parent)
	return &Run{ctx: ctx, cancel: cancel, limiter: rate.NewLimiter(rate.Inf, minBurst)}
}

// Context ends when the run does.
func (r *Run) Context() context.Context { return r.ctx }

// Begin counts one piece of work that Wait waits for; the work ends with the
// returned function.
func (r *Run) Begin() (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working++
	return r.end
}

func (r *Run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working--; r.working == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// Keep stores an open answer for the session that follows. It closes the answer
// and returns false when the run was stopped meanwhile.
func (r *Run) Keep(resp *endpoint.Response) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		_ = resp.Body.Close()
		return false
	}
	if r.kept != nil {
		_ = r.kept.Body.Close()
	}
	r.kept = resp
	return true
}

// ContentType is what the kept answer says of the content.
func (r *Run) ContentType() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		return ""
	}
	return r.kept.ContentType
}

// take hands the kept answer over.
func (r *Run) take() *endpoint.Response {
	r.mu.Lock()
	defer r.mu.Unlock()
	resp := r.kept
	r.kept = nil
	return resp
}

// Stop ends the run without waiting.
func (r *Run) Stop() {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.kept != nil {
		_ = r.kept.Body.Close()
		r.kept = nil
	}
}

// Finish lets the parts in flight come to their end and begins no other; Wait
// then returns when they have.
func (r *Run) Finish() { r.finishing.Store(true) }

// Finishing tells that nothing more is to be begun.
func (r *Run) Finishing() bool { return r.finishing.Load() }

// Sent counts n bytes that were handed to the far side, and waits as the rate
// limit wants it. It fails only when the run ends.
func (r *Run) Sent(n int) error {
	r.wire.Add(int64(n))
	r.ever.Add(int64(n))
	r.flight.Add(int64(n))
	return r.wait(n)
}

// Piece is how many of n bytes are to be handed over at once, so that a rate
// limit is kept to evenly.
func (r *Run) Piece(n int) int {
	if burst := r.limiter.Burst(); r.limited() && n > burst {
		return burst
	}
	return n
}

// Landed says that n bytes are not in flight any more.
func (r *Run) Landed(n int64) {
	if left := r.flight.Add(-n); left < 0 {
		r.flight.Add(-left)
	}
}

// Connections is how many connections the transfer may open, 0 for no bound.
func (r *Run) Connections() int { return int(r.share.Load()) }

// Wait returns when all work of a stopped or finishing run has ended.
func (r *Run) Wait() {
	r.mu.Lock()
	if r.working == 0 {
		r.mu.Unlock()
		return
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	<-idle
}

// TakeOnWire returns the bytes received since it was last called.
func (r *Run) TakeOnWire() int64 { return r.wire.Swap(0) }

// total is all that was received in this run.
func (r *Run) total() int64 { return r.ever.Load() }

func (r *Run) limited() bool { return r.limiter.Limit() != rate.Inf }

// OnWire returns them without taking them.
func (r *Run) OnWire() int64 { return r.wire.Load() }

// InFlight is the number of bytes in parts that are not stored yet.
func (r *Run) InFlight() int64 { return r.flight.Load() }

// Share bounds the connections from now on.
func (r *Run) Share(connections int) { r.share.Store(int32(connections)) }

// wait lets n bytes through as fast as the limit allows, which may change
// meanwhile. It fails only when the run ends.
func (r *Run) wait(n int) error {
	for n > 0 && r.limited() {
		some := min(n, r.limiter.Burst())
		if err := r.limiter.WaitN(r.ctx, some); err == nil {
			n -= some
		} else if r.ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// Limit sets the rate in bytes a second from now on; 0 is no limit.
func (r *Run) Limit(bytesPerSecond int64) {
	if bytesPerSecond <= 0 {
		r.limiter.SetLimit(rate.Inf)
		return
	}
	r.limiter.SetLimit(rate.Limit(bytesPerSecond))
	r.limiter.SetBurst(int(max(minBurst, min(bytesPerSecond/10, 1<<20))))
}
