package actors

import "time"

// instant is a moment by clocks that nobody sets: the monotonic clock, which on
// some systems stands still while the machine is asleep, and for how long it has
// been asleep.
type instant struct {
	at     time.Time
	asleep time.Duration
}

func instantNow() instant {
	now := time.Now()
	return instant{now, asleep(now)}
}

// gap is the time from one instant to another, sleep included.
func gap(now, then instant) time.Duration {
	return now.at.Sub(then.at) + max(now.asleep-then.asleep, 0)
}
