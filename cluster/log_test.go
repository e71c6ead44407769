package cluster

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// written returns what a logger at a level writes of some lines of memberlist,
// one "LEVEL text" each.
func written(level slog.Level, write func(*log.Logger)) []string {
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}})
	write(log.New(&logWriter{log: slog.New(handler), often: new(limiter)}, "", 0))
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestLogLevels(t *testing.T) {
	lines := func(l *log.Logger) {
		l.Print("[DEBUG] memberlist: Failed UDP ping: n1@a (timeout reached)")
		l.Print("[INFO] memberlist: Suspect n1@a has failed, no acks received")
		l.Print("[WARN] memberlist: Refuting a suspect message (from: n2)")
		l.Print("[ERR] memberlist: Failed to send ping")
		l.Print("[ERROR] memberlist: Failed to compress payload")
		l.Print("Err: Could not set the deadline")
		l.Print("[DEBUG] memberlist: Stream connection from=10.0.0.1:1")
		l.Print("[WARN] memberlist: Got ping for unexpected node 'n1@b' from=10.0.0.1:1")
	}
	for _, tc := range []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelDebug, "DEBUG INFO WARN WARN WARN WARN"},
		{slog.LevelInfo, "INFO WARN WARN WARN WARN"},
		{slog.LevelError, ""},
	} {
		var levels []string
		for _, line := range written(tc.level, lines) {
			level, text, _ := strings.Cut(strings.TrimPrefix(line, "level="), " ")
			if levels = append(levels, level); strings.Contains(text, "[") || strings.Contains(text, "memberlist") {
				t.Errorf("the text is %s", text)
			}
		}
		if got := strings.Join(levels, " "); got != tc.want {
			t.Errorf("at %v: %s, want %s", tc.level, got, tc.want)
		}
	}
}

func TestOneLineAMinutePerOffender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := written(slog.LevelInfo, func(l *log.Logger) {
			for i := range 600 {
				l.Printf("[ERR] memberlist: Decrypt packet failed: no installed keys from=10.0.0.1:%d", 1000+i)
				l.Printf("[ERR] memberlist: failed to receive: no installed keys from=10.0.0.1:%d", 2000+i)
				l.Print("[ERR] memberlist: failed to receive: EOF from=[::1]:80")
				l.Print("[ERR] memberlist: failed to receive: EOF from=<unknown address>")
				time.Sleep(time.Second)
			}
		})
		if len(got) != 3*10 {
			t.Errorf("%d lines in ten minutes: %s", len(got), strings.Join(got, "\n"))
		}
	})
}

func TestLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		passed := 0
		for i := range 10 * maxOffenders {
			if l.allow(fmt.Sprint(i)) {
				passed++
			}
		}
		if passed != maxOffenders || len(l.last) != maxOffenders {
			t.Errorf("%d passed and %d are kept", passed, len(l.last))
		}
		time.Sleep(logEvery)
		if !l.allow("new") || len(l.last) != 1 {
			t.Errorf("a minute later %d are kept", len(l.last))
		}
	})
}
