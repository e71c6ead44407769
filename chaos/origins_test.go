package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"godwit/endpoint/endpointtest"
)

// contentSize is the size of what origins serve here: a part and a bit, since the
// origins compute it and the tests verify it many times over.
const contentSize = 18<<20 + 12345

// originCase is an origin that misbehaves, and what must come of it.
type originCase struct {
	name     string
	behavior endpointtest.Behavior
	// arm prepares the origin further.
	arm  func(o *endpointtest.Origin)
	args []string
	// code is that of the failure, "" when the content must arrive.
	code string
	// keeps: a failure that may pass leaves what was fetched for a retry.
	keeps bool
}

func originCases() []originCase {
	type b = endpointtest.Behavior
	few := []string{"--retries", "1"}
	cut := b{CutAt: contentSize / 2, CutTimes: 1}
	cases := []originCase{
		{name: "correct"},
		{name: "without ranges", behavior: b{Ranges: endpointtest.RangesOff}},
		{name: "without length", behavior: b{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthNone}},
		{name: "ended by close", behavior: b{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthClose}},
		{name: "ranges without length", behavior: b{Length: endpointtest.LengthNone}},
		{name: "weak tag", behavior: b{ETag: endpointtest.ETagWeak}},
		{name: "old date only", behavior: b{ETag: endpointtest.ETagNone}},
		{name: "recent date only", behavior: b{ETag: endpointtest.ETagNone, Modified: endpointtest.ModifiedRecent}},
		{name: "no validator", behavior: b{ETag: endpointtest.ETagNone, Modified: endpointtest.ModifiedNone}},
		{name: "206 unasked", behavior: b{Ranges: endpointtest.RangesAlways}},
		{name: "short ranges", behavior: b{Ranges: endpointtest.RangesShort}},
		{name: "unknown total", behavior: b{Ranges: endpointtest.RangesUnknownTotal}},
		{name: "wrong start", behavior: b{Ranges: endpointtest.RangesWrongStart}, args: few, code: "http.range"},
		{name: "wrong total", behavior: b{Ranges: endpointtest.RangesWrongTotal}, args: few, code: "http.range", keeps: true},
		{name: "206 without Content-Range", behavior: b{Ranges: endpointtest.RangesNoHeader}, args: few, code: "http.range"},
		{name: "206 with star", behavior: b{Ranges: endpointtest.RangesUnsatisfied}, args: few, code: "http.range"},
		{name: "multipart", behavior: b{Ranges: endpointtest.RangesMultipart}, args: few, code: "http.range"},
		{name: "416 to all", behavior: b{Ranges: endpointtest.RangesRefused}},
		{name: "gzip", behavior: b{Encoding: "gzip"}, code: "http.encoding"},
		{name: "br", behavior: b{Encoding: "br"}, code: "http.encoding"},
		{name: "announces more", behavior: b{Ranges: endpointtest.RangesOff, Length: endpointtest.LengthLong}, args: few, code: "net.reset"},
		{name: "429 twice", behavior: b{Status: 429, StatusTimes: 2, RetryAfter: "1"}},
		{name: "503 three times", behavior: b{Status: 503, StatusTimes: 3}},
		{name: "503 for ever", behavior: b{Status: 503, StatusTimes: endpointtest.Always}, args: []string{"--retries", "1"}, code: "http.unavailable"},
		{name: "404", behavior: b{Status: 404, StatusTimes: endpointtest.Always}, code: "http.status"},
		{name: "204", behavior: b{Status: 204, StatusTimes: endpointtest.Always}, code: "http.status"},
		{name: "304", behavior: b{Status: 304, StatusTimes: endpointtest.Always}, code: "http.status"},
		{name: "large header", behavior: b{HeaderBytes: 12 << 20}, code: "http.protocol"},
		{name: "103 ten thousand times", behavior: b{Informational: 10000}, code: "http.protocol"},
		{name: "one at a time", behavior: b{MaxActive: 1, Rate: 12 << 20}, args: []string{"--retries", "5"}},
		{name: "change half-way", behavior: cut, arm: func(o *endpointtest.Origin) { o.When(contentSize/2, o.Change) }},
		{
			name: "change half-way without ranges", behavior: b{Ranges: endpointtest.RangesOff, CutAt: contentSize / 2, CutTimes: 1},
			arm: func(o *endpointtest.Origin) { o.When(contentSize/2, o.Change) },
		},
		{
			name: "change without a tag", behavior: b{ETag: endpointtest.ETagNone, CutAt: contentSize / 2, CutTimes: 1},
			arm: func(o *endpointtest.Origin) { o.When(contentSize/2, o.Change) },
		},
		{name: "longer half-way", behavior: cut, arm: func(o *endpointtest.Origin) {
			o.When(contentSize/2, func() { o.Resize(contentSize + 4096) })
		}},
		{name: "shorter half-way", behavior: cut, arm: func(o *endpointtest.Origin) { o.When(contentSize/2, func() { o.Resize(4096) }) }},
		{name: "changes for ever", behavior: b{CutAt: contentSize / 2, CutTimes: endpointtest.Always}, arm: changeAlways, code: "source.changed"},
		{name: "asked with POST", behavior: b{Rate: 16 << 20}, args: []string{"-X", "POST"}},
		{name: "stops answering ranges", arm: func(o *endpointtest.Origin) {
			o.When(contentSize/2, func() { o.Set(func(b *endpointtest.Behavior) { b.Ranges = endpointtest.RangesOff }) })
		}},
	}
	random := rand.New(rand.NewPCG(4711, 1))
	for i := range 12 {
		at, mode := random.Int64N(contentSize), endpointtest.CutMode(i%2)
		cases = append(cases, originCase{
			name:     fmt.Sprintf("cut %d at %d", mode, at),
			behavior: b{CutAt: at, CutTimes: 1 + i%3, Cut: mode, Ranges: endpointtest.RangeMode(i / 3 % 2)},
		})
	}
	return cases
}

// changeAlways begins a new generation whenever half of the content was served.
func changeAlways(o *endpointtest.Origin) {
	for n := int64(1); n < 100; n++ {
		o.When(n*(contentSize/2), o.Change)
	}
}

// TestOrigins downloads from origins that misbehave, to a file and to S3. The
// content arrives whole, or the command says why not; either way nothing else
// is left.
func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, c := range originCases() {
		for kind, make := range destinations {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 3, Behavior: c.behavior})
				if c.arm != nil {
					c.arm(o)
				}
				dest := make(t)
				got := fetch(t, dest, o.URL("/f"), c.args...)
				judge(t, got, c.code)
				switch {
				case c.keeps:
					dest.unpublished(t)
					return
				case c.code != "":
					dest.empty(t)
					return
				}
				// Answers that began before a change go on with what they began with, so
				// that either version may arrive, but one as a whole.
				first := endpointtest.Content{Seed: 3, Generation: 1, Size: contentSize}
				dest.holds(t, first, o.Content())
			})
		}
	}
}

// fetch runs `godwit get` on a data folder of its own.
func fetch(t *testing.T, dest destination, source string, args ...string) result {
	t.Helper()
	return godwit(t, dest.env, slices.Concat([]string{
		"get", source, dest.url, "--data-dir", t.TempDir(),
		"--no-progress", "-o", "json", "--log-level", "warn",
	}, args)...)
}

// judge compares how a command ended with the code of a failure, or none.
func judge(t *testing.T, got result, want string) {
	t.Helper()
	exit := 0
	switch want {
	case "":
	case "checksum.mismatch":
		exit = 9
	case "dest.exists":
		exit = 5
	case "store.denied", "egress.denied":
		exit = 3
	default:
		exit = 1
	}
	if code, _ := got.failure(); got.code != exit || code != want {
		t.Errorf("exit %d %q, want %d %q\n%s", got.code, code, exit, want, got.stderr)
	}
}
