//go:build history && !linux

package node

import "time"

// monotonic is the wall clock, in nanoseconds, where processes share no other.
func monotonic() int64 { return time.Now().UnixNano() }
