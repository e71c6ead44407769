//go:build clock && linux && amd64

package node

import (
	"os"
	"strings"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname
)

// clockEvery is how often the file is read.
const clockEvery = 50 * time.Millisecond

// clockGettime is where the runtime finds the function of the kernel that tells
// both clocks.
//
//go:linkname clockGettime runtime.vdsoClockgettimeSym
var clockGettime uintptr

// wrongBy is what the wall clock of this process is wrong by, in seconds. The
// replaced function reads it.
var wrongBy int64

// wrongClock is the address of a function that tells the monotonic clock as it is
// and the wall clock with wrongBy added.
func wrongClock() uintptr

// init makes the wall clock of this process wrong by the duration in the file
// that GODWIT_CLOCK_FILE names, whenever that changes. The monotonic clock stays
// as it is, as when somebody sets the clock of a machine.
func init() {
	path := os.Getenv("GODWIT_CLOCK_FILE")
	if path == "" {
		return
	}
	set := func() {
		text, err := os.ReadFile(path)
		if err != nil {
			return // not there yet, or being replaced
		}
		if by, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
			atomic.StoreInt64(&wrongBy, int64(by/time.Second))
		}
	}
	set()
	clockGettime = wrongClock()
	go func() {
		for range time.Tick(clockEvery) {
			set()
		}
	}()
}
