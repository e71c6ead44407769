package client

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPauseStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shortest := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "shortest"))
		longest := shortest + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more"))
		failures := rapid.IntRange(0, 200).Draw(t, "failures")
		got := pause(shortest, longest, failures, rapid.Float64Range(0, 1).Draw(t, "random"))
		if got < 0 || got > longest {
			t.Fatalf("pause %v", got)
		}
		if full := pause(shortest, longest, failures+1, 1); full < pause(shortest, longest, failures, 1) {
			t.Fatalf("the bound falls to %v", full)
		}
	})
	if got := pause(time.Second, time.Minute, 3, 1); got != 8*time.Second {
		t.Errorf("third failure: %v", got)
	}
}
