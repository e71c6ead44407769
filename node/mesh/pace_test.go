package mesh

import (
	"testing"
	"time"
)

func TestLateness(t *testing.T) {
	var p paces
	for i, tc := range []struct {
		incarnation      string
		sent, come, late time.Duration
	}{
		{"one", 100 * time.Hour, time.Second, 0},                                // nothing to compare with
		{"one", 100*time.Hour + time.Second, 2*time.Second + 100, 100},          // a little slower
		{"one", 100*time.Hour + 2*time.Second, 12 * time.Second, 9e9},           // held up
		{"one", 100*time.Hour + 13*time.Second, 13*time.Second + 500, 0},        // quicker than any before
		{"two", time.Second, 14 * time.Second, 0},                               // another process
		{"two", 2 * time.Second, 15*time.Second + 7, 7},                         // compared with its own
		{"two", 20 * time.Minute, 20*time.Minute + 14*time.Second, time.Second}, // its clock is slower
		{"two", 40 * time.Minute, 40*time.Minute + 15*time.Second, time.Second}, // and slower
		{"two", 60 * time.Minute, 60*time.Minute + 16*time.Second, time.Second}, // which does not add up
		{"two", 61 * time.Minute, 61*time.Minute + 46*time.Second, 30e9},        // its machine was paused
		{"two", 62 * time.Minute, 62*time.Minute + 46*time.Second, 0},           // which is soon forgotten
	} {
		if got := p.late("n", tc.incarnation, tc.sent, tc.come); got != tc.late {
			t.Errorf("request %d is %v late, want %v", i, got, tc.late)
		}
	}
}
