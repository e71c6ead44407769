package main

import (
	"strings"
	"testing"
	"time"

	pb "godwit/protos/godwit/v1"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "24h": day, "7d": 7 * day, "1w": 7 * day, "1w2d12h": 9*day + 12*time.Hour, "0.5h": 30 * time.Minute,
		"": 0, "0s": 0, "-1h": 0, "1d-1h": 0, "d": 0, "10": 0, "1y": 0, "2d1w": 0, "99999999d": 0, "9999999h": 0,
	} {
		got, err := parseDuration(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestParseDeadline(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for text, want := range map[string]string{
		"24h": "2026-05-05T03:02:01Z", "7d": "2026-05-11T03:02:01Z", "2027-01-01T00:00:00+01:00": "2026-12-31T23:00:00Z",
	} {
		if got, err := parseDeadline(text, now); err != nil || stamp(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := parseDeadline("", now); got != nil || err != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}

func TestParseNotifications(t *testing.T) {
	for line, want := range map[string]*pb.Notification{
		"log:done|failed":       {Channel: "log", Success: "done", Failure: "failed"},
		"log: at 10:30 | no":    {Channel: "log", Success: "at 10:30", Failure: "no"},
		"ops:|only this one":    {Channel: "ops", Failure: "only this one"},
		"ops:only on a success": {Channel: "ops", Success: "only on a success"},
		"log":                   nil, "log:": nil, ":text": nil, "log:|": nil,
	} {
		got, err := parseNotifications([]string{line})
		switch {
		case want == nil:
			if err == nil {
				t.Errorf("%q is taken", line)
			}
		case err != nil || got[0].GetChannel() != want.GetChannel() || got[0].GetSuccess() != want.GetSuccess() || got[0].GetFailure() != want.GetFailure():
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
}

func TestParseTransferTemplate(t *testing.T) {
	for text, good := range map[string]bool{
		`{"source":{"url":"http://h/{name}"},"limitRate":"2048","retries":3}`: true,
		"source: {url: 'http://h/'}\nlimit_rate: 2048\nlabels: {a: b}\n":      true,
		"": false, "[]": false, "x": false, "a: 1\na: 2": false, "source: 1": false, "nothing: here": false, "1: 2": false, "priority: CANARY": false,
		strings.Repeat("[", 100000): false,
	} {
		_, err := parseTransfer([]byte(text))
		if (err == nil) != good || err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzParseTransferTemplate(f *testing.F) {
	f.Add([]byte("source: {url: 'http://h/'}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = parseTransfer(text)
	})
}

func TestSetsHaveColours(t *testing.T) {
	for text, want := range map[string]string{
		"done  ": green("done  "), "succeeded": green("succeeded"), "failed": red("failed"), "dead-letter": red("dead-letter"), "open": "open",
	} {
		if got := paintSet(statusColumn, text); got != want {
			t.Errorf("%q is painted %q", text, got)
		}
		if got := paintSet(0, text); got != text {
			t.Errorf("a name is painted %q", got)
		}
	}
}
