package actors

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestShelf: what has ended is kept for the whole time, whatever the clock says
// that wrote the record, and whatever the one says that reads it.
func TestShelf(t *testing.T) {
	const week, year = 7 * 24 * time.Hour, 365 * 24 * time.Hour
	now := time.Now()
	for name, tc := range map[string]struct{ ago, retention, left time.Duration }{
		"just ended":                          {0, week, week},
		"ended some days ago":                 {5 * 24 * time.Hour, week, 2 * 24 * time.Hour},
		"nearly over":                         {week - time.Second, week, time.Second},
		"over before anybody looked":          {week + time.Second, week, shelfLeast},
		"read by a clock 5 years ahead":       {5 * year, week, shelfLeast},
		"read by a clock 5 years ahead, soon": {5 * year, time.Hour, time.Hour},
		"written by a clock 5 years ahead":    {-5 * year, week, week},
		"written by a clock an hour ahead":    {-time.Hour, week, week},
	} {
		// As a record has it, without a monotonic reading.
		finished := now.Add(-tc.ago).Round(0)
		cfg := Config{Retention: tc.retention}
		if left := shelfEnd(finished, now, cfg.keeping()).Sub(now); left.Round(time.Millisecond) != tc.left {
			t.Errorf("%s: kept for %v more, want %v", name, left, tc.left)
		}
	}
}

// TestBriefNodesDeleteWhatIsOverdue: they are gone before any other time is over.
func TestBriefNodesDeleteWhatIsOverdue(t *testing.T) {
	const week = 7 * 24 * time.Hour
	cfg, now := Config{Retention: week, Brief: true}, time.Now()
	if due := shelfEnd(now.Add(-week-time.Second), now, cfg.keeping()); due.After(now) {
		t.Errorf("kept for %v more", due.Sub(now))
	}
	if due := shelfEnd(now.Add(-week+time.Second), now, cfg.keeping()); due.Sub(now).Round(time.Millisecond) != time.Second {
		t.Errorf("kept for %v, not for the second that is left", due.Sub(now))
	}
}

func TestShelfIsDecidedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		began, hour := time.Now(), keeping{retention: time.Hour}
		due := s.until(began, began, hour)
		time.Sleep(2 * time.Hour)
		if again := s.until(began, time.Now(), hour); !again.Equal(due) || again.After(time.Now()) {
			t.Errorf("due at %v, later at %v", due, again)
		}
		// It was retried and has ended again.
		if again := s.until(time.Now(), time.Now(), hour); time.Until(again) != time.Hour {
			t.Errorf("kept for %v after its second end", time.Until(again))
		}
	})
}

func TestSteady(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct{ in, plain, wait time.Duration }{
		{-time.Hour, -time.Hour, -time.Hour},
		{time.Minute, time.Minute, time.Minute},
		{24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{5 * 365 * 24 * time.Hour, 5 * 365 * 24 * time.Hour, 0},
	} {
		at := now.Add(tc.in).Round(0)
		if got := steady(at, now); !got.Equal(at) || tc.in > 0 && !strings.Contains(got.String(), " m=") {
			t.Errorf("%v: %v, want %v by the monotonic clock", tc.in, got, at)
		}
		if got := steadyWait(at, now); tc.wait == 0 && !got.IsZero() || tc.wait != 0 && !got.Equal(at) {
			t.Errorf("%v: waits until %v", tc.in, got)
		}
	}
}
