package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxRounds is how often a call tries all servers, unless some are starting or
// Config.RepeatFor says more.
const maxRounds = 3

// reconnect paces the tries of one call or stream over the servers and says
// when to give up. It is used by one goroutine.
type reconnect struct {
	c *Client
	// tries counts those since the last answer, which was at answered.
	tries    int
	answered time.Time
	// first is the server that was or is to be tried first, at the one in use.
	first, at int
	failed    failures
}

func newReconnect(c *Client) *reconnect {
	return &reconnect{c: c, answered: time.Now(), first: int(c.preferred.Load()), failed: make(failures, len(c.servers))}
}

// next chooses the server to try: the one that last answered, and after each
// failure the one behind.
func (r *reconnect) next() *server {
	r.at = (r.first + r.tries) % len(r.c.servers)
	return r.c.servers[r.at]
}

// ok notes an answer.
func (r *reconnect) ok() {
	r.c.preferred.Store(int64(r.at))
	r.begin()
}

// begin forgets what failed so far: the server in use is there.
func (r *reconnect) begin() {
	r.first, r.tries, r.answered = r.at, 0, time.Now()
	clear(r.failed)
}

// fail notes a failure of the server in use and tells whether all were tried.
func (r *reconnect) fail(failure *Error) (round bool) {
	r.failed[r.at] = failure
	r.tries++
	return r.tries%len(r.c.servers) == 0
}

// again pauses before a call tries all servers once more. It returns the final
// failure when there is to be none.
func (r *reconnect) again(ctx context.Context, failure *Error) *Error {
	limit := r.c.cfg.RepeatFor
	switch {
	case r.failed.starting():
		limit = max(limit, r.c.cfg.CallTimeout) // starting and stopping are short
	case r.tries < maxRounds*len(r.c.servers):
		limit = max(limit, r.c.cfg.CallTimeout) // so that silence is waited for once
	}
	if time.Since(r.answered) >= limit {
		return r.failed.sum(r.c.servers)
	}
	return r.pause(ctx, failure)
}

// wait pauses before a stream goes on elsewhere. It returns the final failure
// when it does not: trying again cannot help, the patience is used up, or the
// context ended.
func (r *reconnect) wait(ctx context.Context, failure *Error) *Error {
	if !failure.Retryable {
		return failure
	}
	r.fail(failure)
	if patience := r.c.cfg.ReconnectFor; patience >= 0 && time.Since(r.answered) >= patience {
		return r.failed.sum(r.c.servers)
	}
	return r.pause(ctx, failure)
}

// pause grows with each round over the servers.
func (r *reconnect) pause(ctx context.Context, failure *Error) *Error {
	rounds := (r.tries - 1) / len(r.c.servers)
	timer := time.NewTimer(pause(r.c.cfg.MinBackoff, r.c.cfg.MaxBackoff, rounds, rand.Float64()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return translate(ctx, failure.Op, failure.ID, ctx.Err())
	}
}

// pause is uniform between 0 and the smaller of longest and shortest doubled
// with each failure ("full jitter").
func pause(shortest, longest time.Duration, failures int, random float64) time.Duration {
	limit := shortest
	for range failures {
		if limit >= longest/2 {
			limit = longest
			break
		}
		limit *= 2
	}
	return time.Duration(random * float64(min(limit, longest)))
}
