package transfer

import "time"

// How a Tuner measures and decides.
const (
	// tunerWindow is the least time over which a rate is measured.
	tunerWindow = 50 * time.Millisecond
	// tunerGain is the part of the ideal growth that a step must bring to be
	// kept: 0.35 when doubling means at least 1.35 times the rate.
	tunerGain = 0.35
	// tunerClear is a growth that convinces at once: connections that are still
	// speeding up have shown enough.
	tunerClear = 0.70
	// tunerRise is how much a rate must rise over the best seen at this step to
	// count as still speeding up.
	tunerRise = 1.05
	// tunerPatience is how long a step may show no rise before it is taken
	// back. It doubles with each failed try, for far origins whose connections
	// start slowly.
	tunerPatience     = 400 * time.Millisecond
	tunerPatienceMost = 4 * time.Second
	// tunerHold is how long to keep still after a failed step; it doubles.
	tunerHold     = time.Second
	tunerHoldMost = 2 * time.Minute
	// tunerSlow is a rate of one connection, in bytes a second, far below what
	// a machine can take. Such an origin most likely caps connections, or is far
	// away, so the first step is of tunerLeap times as many at once: doubling
	// would take a good part of a transfer that is short with all of them.
	tunerSlow = 64e6
	tunerLeap = 16
	// tunerComplaintHold is the same after a complaint, and tunerDeaf the time
	// in which several complaints are one: they come from all connections at
	// once.
	tunerComplaintHold = 30 * time.Second
	tunerDeaf          = time.Second
)

// Tuner decides how many connections a transfer uses, from the rate that they
// reach together: more while that helps, fewer when the origin complains. It
// starts with one. It has no clock; time is what Sample is told.
type Tuner struct {
	max, target int
	// clock is the time sampled so far.
	clock time.Duration
	// elapsed and bytes fill the current window.
	elapsed time.Duration
	bytes   int64
	// age and brought are the same since the last change of target: origins
	// that send in bursts are measured over all of it.
	age     time.Duration
	brought int64
	// settled: the window since the last change of target has passed, in which
	// rates mean little.
	settled bool

	// from and base are the number and the rate before the step on trial; from
	// is 0 when none is.
	from int
	base float64
	// best is the highest rate of the step, and rose when it was last beaten.
	best float64
	rose time.Duration
	// patience and hold are what the next failure costs; until is when the
	// next step may be tried.
	patience, hold, until time.Duration
	// gentle: the origin has complained, so that steps are of one connection.
	gentle bool
	// deaf is until when further complaints are the same one.
	deaf time.Duration
}

// NewTuner returns a Tuner for at most so many connections, at least one.
func NewTuner(most int) *Tuner {
	return &Tuner{max: max(most, 1), target: 1, patience: tunerPatience, hold: tunerHold}
}

// Target is how many connections to use now.
func (t *Tuner) Target() int { return t.target }

// Sample tells how many bytes all connections received together in the time
// since the last sample. It is best called about every 50 ms.
func (t *Tuner) Sample(elapsed time.Duration, bytes int64) {
	t.clock += elapsed
	t.elapsed += elapsed
	t.bytes += bytes
	t.age += elapsed
	t.brought += bytes
	if t.elapsed < tunerWindow {
		return
	}
	rate := float64(t.bytes) / t.elapsed.Seconds()
	t.elapsed, t.bytes = 0, 0
	first := !t.settled
	t.settled = true
	if t.from > 0 {
		t.judge(rate, first)
	} else if !first || t.isSlow() {
		t.step()
	}
}

// Complain tells that the origin answered 429 or 503 or cut a connection: half
// as many are used, and for long none is added.
func (t *Tuner) Complain() {
	if t.clock < t.deaf {
		return
	}
	t.gentle = true
	t.deaf = t.clock + tunerDeaf
	t.from = 0
	t.setTarget(max(t.target/2, 1))
	t.wait(tunerComplaintHold)
}

// step puts more connections on trial when it is time.
func (t *Tuner) step() {
	if t.target >= t.max || t.clock < t.until || t.brought == 0 {
		return
	}
	t.from, t.base = t.target, t.mean()
	t.best, t.rose = t.base, t.clock
	switch {
	case t.gentle:
		t.setTarget(t.target + 1)
	case t.isSlow():
		t.setTarget(min(t.target*tunerLeap, t.max))
	default:
		t.setTarget(min(t.target*2, t.max))
	}
}

// mean is the rate since the last change of target.
func (t *Tuner) mean() float64 { return float64(t.brought) / t.age.Seconds() }

// isSlow tells that connections are slow, and that no step has failed yet:
// after that steps are careful.
func (t *Tuner) isSlow() bool {
	return !t.gentle && t.until == 0 && t.mean() < tunerSlow*float64(t.target)
}

// judge keeps the step on trial, takes it back, or waits for more windows.
func (t *Tuner) judge(rate float64, first bool) {
	ideal := float64(t.target)/float64(t.from) - 1
	growth := rate/t.base - 1
	switch {
	case growth >= tunerClear*ideal, !first && growth >= tunerGain*ideal:
		t.from, t.patience, t.hold = 0, tunerPatience, tunerHold
		t.step()
	case rate >= tunerRise*t.best:
		t.best, t.rose = rate, t.clock
	case t.clock-t.rose >= t.patience:
		t.setTarget(t.worth())
		t.from = 0
		t.patience = min(2*t.patience, tunerPatienceMost)
		t.wait(t.hold)
	}
}

// worth is the number of connections that the failed step has justified: where
// four bring 80 MB/s and sixteen 100, five are enough.
func (t *Tuner) worth() int {
	n := int(float64(t.from)*t.best/t.base + 0.5)
	return min(max(n, t.from), t.target)
}

// wait puts the next step off, and the one after it longer.
func (t *Tuner) wait(d time.Duration) {
	t.until = t.clock + d
	t.hold = min(2*max(t.hold, d), tunerHoldMost)
}

func (t *Tuner) setTarget(n int) {
	t.target = n
	t.settled = false
	t.elapsed, t.bytes = 0, 0
	t.age, t.brought = 0, 0
}
