package s3

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"godwit/storage"
)

// Retries of requests that may be repeated without harm: four attempts, full
// jitter. Longer patience is the caller's, who knows what else there is to do.
const (
	attempts     = 4
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 2 * time.Second
)

// retry calls do until it succeeds, fails for good or the attempts are used
// up. It returns the last error.
func retry(ctx context.Context, do func() error) error {
	for n := 0; ; n++ {
		err := do()
		if err == nil || n+1 == attempts || !repeatable(err) || !pause(ctx, n) {
			return err
		}
	}
}

// repeatable tells errors that the same request may not meet again. A digest
// that did not match counts: bytes may have been damaged on their way.
func repeatable(err error) bool {
	for _, kind := range []storage.Kind{
		storage.ErrUnavailable, storage.ErrUnknown, storage.ErrConflict, storage.ErrCorrupt,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// pause waits before attempt n+2; false when ctx ended first.
func pause(ctx context.Context, n int) bool {
	ceiling := min(firstBackoff<<n, maxBackoff)
	timer := time.NewTimer(rand.N(ceiling))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
