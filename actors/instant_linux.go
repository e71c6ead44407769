package actors

import (
	"time"

	"golang.org/x/sys/unix"
)

// asleepTries bounds how often the clocks are read until both are read at once.
const asleepTries = 8

// asleep is how long this machine has been suspended since it was booted: the
// kernel has a clock that goes on then, and one that does not. Whole seconds will do.
func asleep(time.Time) time.Duration {
	var before, all, after unix.Timespec
	for range asleepTries {
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &before) != nil ||
			unix.ClockGettime(unix.CLOCK_BOOTTIME, &all) != nil ||
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &after) != nil {
			return 0
		}
		if after.Nano()-before.Nano() < int64(time.Millisecond) {
			break // else something came between the two
		}
	}
	return time.Duration(all.Nano() - before.Nano()).Round(time.Second)
}
