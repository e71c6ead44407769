package actors

import (
	"time"

	"godwit/transfer"
)

// Wall clocks get set: right, wrong, and to another year. What a record says of
// time was written by some wall clock, and is read by another. Here it is made
// into times that keep to the monotonic clock of this process, which nobody sets.

const (
	// shelfLeast is how long something stays that has been kept for long enough
	// already when it is first seen: either nobody looked for so long, or a clock
	// is wrong, and then people have this time to set it right. It is less than a day
	// so that nodes which are restarted every day come to its end.
	shelfLeast = 12 * time.Hour
	// longestWait is more than any plan has a transfer or task wait for its next try.
	longestWait = 25 * time.Hour
)

// keeping is for how long what has ended is kept, and overdue for how long what
// should be gone already when it is first seen.
type keeping struct{ retention, overdue time.Duration }

// keeping of a node that is soon gone deletes what is overdue at once: it would
// never be there when another time is over.
func (c *Config) keeping() keeping {
	if c.Brief {
		return keeping{c.Retention, 0}
	}
	return keeping{c.Retention, shelfLeast}
}

// shelf is until when something that has ended is kept. Its zero value is ready
// to use.
type shelf struct {
	finished, due time.Time
}

// until is when it is to be deleted, by the monotonic clock. It is decided when
// it is first seen to have ended, and what happens to the wall clock after that
// changes nothing.
func (s *shelf) until(finished, now time.Time, k keeping) time.Time {
	if s.due.IsZero() || !s.finished.Equal(finished) {
		s.finished, s.due = finished, shelfEnd(finished, now, k)
	}
	return s.due
}

// shelfEnd is until when something is kept that is first seen now. What ended in
// the future is kept for the whole time.
func shelfEnd(finished, now time.Time, k keeping) time.Time {
	left := finished.Add(k.retention).Sub(now)
	if left <= 0 {
		left = k.overdue
	}
	return now.Add(min(left, k.retention))
}

// steady makes a time to come, from a record, one of this process's monotonic
// clock. Others stay as they are.
func steady(at, now time.Time) time.Time {
	if !at.After(now) {
		return at
	}
	return now.Add(at.Sub(now))
}

// steadyWait is steady for the end of a wait between tries: one that is further
// away than any wait was written by a clock that was wrong, and is over.
func steadyWait(at, now time.Time) time.Time {
	if at.Sub(now) > longestWait {
		return time.Time{}
	}
	return steady(at, now)
}

// keepTime has the times to come of a recorded state keep to the monotonic clock.
func keepTime(s *transfer.State, now time.Time) {
	s.NotBefore = steadyWait(s.NotBefore, now)
	s.AttentionDeadline = steady(s.AttentionDeadline, now)
}
