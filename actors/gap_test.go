package actors

import (
	"testing"
	"time"
)

// TestGap compares clocks: the longer of the two counts, and a wall clock that
// was set back counts for nothing.
func TestGap(t *testing.T) {
	then := time.Now()
	tests := map[string]struct {
		now  time.Time
		want time.Duration
	}{
		"both":            {then.Add(3 * time.Second), 3 * time.Second},
		"wall only":       {then.Add(3 * time.Second).Round(0), 3 * time.Second},
		"set back":        {then.Add(-time.Hour).Round(0), -time.Hour},
		"nothing at all":  {then, 0},
		"back and onward": {then.Add(2 * time.Second), 2 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := gap(test.now, then); got != test.want {
				t.Errorf("gap is %v, want %v", got, test.want)
			}
		})
	}
}
