package transfer

import (
	"testing"
	"time"
)

func TestRank(t *testing.T) {
	at := func(minutes int) time.Time { return time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute) }
	for name, tc := range map[string]struct {
		first, second Priority
		later         int
		before        bool
	}{
		"high before default":     {PriorityHigh, PriorityDefault, 0, true},
		"default before low":      {PriorityDefault, PriorityLow, 0, true},
		"older before newer":      {PriorityLow, PriorityLow, 1, true},
		"new high before default": {PriorityDefault, PriorityHigh, 9, false},
		"old default before high": {PriorityDefault, PriorityHigh, 11, true},
		"old low before default":  {PriorityLow, PriorityDefault, 21, true},
		"old low before high":     {PriorityLow, PriorityHigh, 31, true},
		"unknown is default":      {"", PriorityLow, 0, true},
	} {
		if before := Rank(tc.first, at(0)).Before(Rank(tc.second, at(tc.later))); before != tc.before {
			t.Errorf("%s: %v", name, before)
		}
	}
}
