//go:build history

package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// monotonic reads the clock that all processes of a machine share and nobody
// can set, in nanoseconds.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(fmt.Errorf("read the clock of the history: %w", err))
	}
	return t.Nano()
}
