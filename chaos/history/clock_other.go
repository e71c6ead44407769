//go:build !linux

package history

import "time"

// monotonic is the wall clock where no monotonic one is the same for all
// processes: nobody must set it during a run.
func monotonic() time.Duration { return time.Duration(time.Now().UnixNano()) }
