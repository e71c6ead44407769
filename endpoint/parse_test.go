package endpoint

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseContentRange(t *testing.T) {
	for s, want := range map[string]*contentRange{
		"bytes 0-4/5": {0, 4, 5},
		"Bytes 2-2/3": {2, 2, 3},
		"bytes 0-4/*": {0, 4, -1},
		"bytes */5":   {-1, -1, 5},
		"bytes 0-9223372036854775805/9223372036854775806": {0, 1<<63 - 3, 1<<63 - 2},
		"bytes */*":                      nil,
		"bytes 0-5/5":                    nil,
		"bytes 4-3/5":                    nil,
		"bytes -1-3/5":                   nil,
		"bytes +1-3/5":                   nil,
		"bytes 1-/5":                     nil,
		"bytes 0-4":                      nil,
		"bytes=0-4/5":                    nil,
		"bytes  0-4/5":                   nil,
		"bytes 0-4/5 ":                   nil,
		"items 0-4/5":                    nil,
		"bytes 0-4/5,6":                  nil,
		"bytes 0x0-4/5":                  nil,
		"bytes 0-4/9223372036854775807":  nil,
		"bytes 0-4/99999999999999999999": nil,
		"":                               nil,
	} {
		got, ok := parseContentRange(s)
		if ok != (want != nil) || ok && got != *want {
			t.Errorf("%q: %+v %v", s, got, ok)
		}
	}
}

func FuzzParseContentRange(f *testing.F) {
	f.Add("bytes 0-4/5")
	f.Add("bytes */5")
	f.Add("bytes 1-2/*")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseContentRange(s)
		if !ok {
			return
		}
		if r.First < 0 {
			if r.First != -1 || r.Last != -1 || r.Total < 0 {
				t.Fatalf("%q: %+v", s, r)
			}
			return
		}
		if r.Last < r.First || r.Total >= 0 && r.Last >= r.Total || r.Last-r.First+1 <= 0 {
			t.Fatalf("%q: %+v", s, r)
		}
	})
}

func TestContentRangeReadsWhatServersWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(1, 1<<62).Draw(t, "total")
		last := rapid.Int64Range(0, total-1).Draw(t, "last")
		firstByte := rapid.Int64Range(0, last).Draw(t, "first")
		r, ok := parseContentRange(fmt.Sprintf("bytes %d-%d/%d", firstByte, last, total))
		if !ok || r != (contentRange{firstByte, last, total}) {
			t.Fatalf("%+v %v", r, ok)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tc := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"3600", "", time.Hour},
		{"3601", "", time.Hour},
		{"315360000", "", time.Hour},
		{"99999999999999999999999", "", time.Hour},
		{"-7", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{date(time.Minute), "", time.Minute},
		{date(-time.Minute), "", 0},
		{date(9000 * time.Hour), "", time.Hour},
		{date(time.Minute), date(30 * time.Second), 30 * time.Second},
		{date(time.Minute), "nonsense", time.Minute},
	} {
		h := http.Header{"Retry-After": {tc.value}, "Date": {tc.date}}
		if got := retryAfter(h, now, maxRetryAfter); got != tc.want {
			t.Errorf("%q at %q: %v, want %v", tc.value, tc.date, got, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "")
	f.Add("Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Now(), maxRetryAfter)
		if got < 0 || got > maxRetryAfter {
			t.Fatalf("%q at %q: %v", value, date, got)
		}
	})
}

func TestShownHeadersHoldNoSecrets(t *testing.T) {
	u, e := parse("https://h.example/a?token=secret")
	if e != nil {
		t.Fatal(e)
	}
	r := shown(u, 200, http.Header{
		"Etag": {`"x"`}, "Set-Cookie": {"secret"}, "Www-Authenticate": {"secret"}, "Location": {"/?secret"},
		"X-Internal": {"secret"}, "X-Amz-Checksum-Crc64nvme": {"AAAA"}, "Server": {"a\x1b[31mb\u202ec\r\n\u009b"},
		"Content-Disposition": {strings.Repeat("é", 4000)},
	})
	text := fmt.Sprintf("%+v", r)
	for _, bad := range []string{"secret", "\x1b", "\u202e", "\r", "\u009b"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is shown in %s", bad, text)
		}
	}
	if len(r.Headers) != 4 || r.ActualURL != "https://h.example/a" {
		t.Errorf("%+v", r)
	}
	for _, h := range r.Headers {
		if len(h.Value) > maxShownValue || !utf8.ValidString(h.Value) {
			t.Errorf("%s: %d bytes", h.Name, len(h.Value))
		}
	}
}
