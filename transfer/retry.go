package transfer

import (
	"time"

	"godwit/bug"
)

// The bounds of a wait between two tries.
const (
	backoffFirst = time.Second
	backoffMost  = 5 * time.Minute
	// backoffLeast keeps the jitter from becoming a tight loop.
	backoffLeast = 100 * time.Millisecond
)

// Backoff is how long to wait after so many failures in a row: full jitter
// under a bound that starts at 1 s and doubles up to 5 min. Random is uniform
// in [0,1). Full jitter spreads the returns of many transfers that one outage
// has stopped together.
func Backoff(failures int, random float64) time.Duration {
	bound := backoffFirst
	if bug.Seeded == bug.NoBackoff {
		return time.Millisecond
	}
	for ; failures > 1 && bound < backoffMost; failures-- {
		bound *= 2
	}
	bound = min(bound, backoffMost)
	wait := time.Duration(random * float64(bound))
	return min(max(wait, backoffLeast), bound)
}
