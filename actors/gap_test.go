package actors

import (
	"testing"
	"time"
)

// TestGap: sleep counts, and what happens to wall clocks does not.
func TestGap(t *testing.T) {
	then := instantNow()
	later := func(awake, asleep time.Duration) instant { return instant{then.at.Add(awake), then.asleep + asleep} }
	for name, tc := range map[string]struct {
		now  instant
		want time.Duration
	}{
		"awake":                  {later(3*time.Second, 0), 3 * time.Second},
		"asleep for an hour":     {later(time.Second, time.Hour), time.Hour + time.Second},
		"nothing at all":         {then, 0},
		"less sleep than before": {later(time.Second, -time.Millisecond), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gap(tc.now, then); got != tc.want {
				t.Errorf("gap is %v, want %v", got, tc.want)
			}
		})
	}
	if now := instantNow(); now.asleep != then.asleep {
		t.Errorf("the machine slept for %v in this test", now.asleep-then.asleep)
	}
}
