//go:build !linux

package actors

import "time"

var process = time.Now()

// asleep is by how much the wall clock has run ahead of the monotonic one since
// this process began. Here a wall clock that is set forward looks like sleep.
func asleep(now time.Time) time.Duration {
	return now.Round(0).Sub(process.Round(0)) - now.Sub(process)
}
