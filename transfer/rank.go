package transfer

import "time"

// penalties say how much later a transfer would have to be created to wait as
// long as one of the highest priority.
var penalties = map[Priority]time.Duration{
	PriorityHigh:    0,
	PriorityDefault: 10 * time.Minute,
	PriorityLow:     30 * time.Minute,
}

// Penalty is what a priority adds to the time of creation in Rank. One that is
// unknown counts as the default.
func Penalty(p Priority) time.Duration {
	if penalty, known := penalties[p]; known {
		return penalty
	}
	return penalties[PriorityDefault]
}

// Rank is the key by which transfers wait: the earliest one runs first. Since it
// does not change while one waits, and all that are created later come to rank
// behind it, none waits for ever, whatever its priority.
func Rank(p Priority, created time.Time) time.Time { return created.Add(Penalty(p)) }
