package storage

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// ClockSkewer is a store that knows its server's clock.
type ClockSkewer interface {
	// ClockSkew returns the server's clock minus ours.
	ClockSkew(ctx context.Context) (time.Duration, error)
}

// Outcome is what one check of a probe came to.
type Outcome string

// The outcomes. Only a store without ProbeFail and ProbeUnknown is safe.
const (
	ProbePass Outcome = "pass"
	// ProbeWarn is a weakness that godwit copes with.
	ProbeWarn Outcome = "warn"
	// ProbeFail is a broken promise.
	ProbeFail Outcome = "fail"
	// ProbeUnknown means that the store could not be asked.
	ProbeUnknown Outcome = "unknown"
)

// Check is one named check of a probe.
type Check struct {
	Name    string
	Outcome Outcome
	// Detail says for a person what was seen.
	Detail string
}

// Report is what a probe found.
type Report struct {
	Checks []Check
	// Safe tells that the store kept every promise that was tested. A store
	// that is not safe must not hold records.
	Safe bool
}

// Rounds and sizes of the two probes.
const (
	quickRounds, fullRounds = 1, 20
	quickReads, fullReads   = 10, 200
	racers                  = 32
)

// cleanupTimeout bounds the removal of what a probe left.
const cleanupTimeout = 30 * time.Second

// The clock skews that are worth a word; S3 signatures fail at 15 minutes.
const (
	skewWarn = 5 * time.Minute
	skewFail = 15 * time.Minute
)

// Probe tests whether a store keeps the promises of [RecordStore] that
// ownership rests on: many stores accept a condition and ignore it. It writes
// under "<prefix>/probe-…" and removes what it wrote. It takes a few thousand
// requests; [ProbeQuick] takes about a hundred.
func Probe(ctx context.Context, rs RecordStore, prefix string) Report {
	return probeRecords(ctx, rs, prefix, fullRounds, fullReads)
}

// ProbeQuick is Probe with one round of each check, for start-up.
func ProbeQuick(ctx context.Context, rs RecordStore, prefix string) Report {
	return probeRecords(ctx, rs, prefix, quickRounds, quickReads)
}

func probeRecords(ctx context.Context, rs RecordStore, prefix string, rounds, reads int) Report {
	p := &probe{store: rs, folder: strings.Trim(prefix, "/") + "/probe-" + rand.Text()}
	p.folder = strings.TrimPrefix(p.folder, "/")
	defer p.cleanup(ctx)
	var report Report
	for _, check := range []struct {
		name   string
		rounds int
		run    func(context.Context) finding
	}{
		{"create twice", rounds, p.createTwice},
		{"create race", rounds, p.createRace},
		{"swap race", rounds, p.swapRace},
		{"stale swap", rounds, p.staleSwap},
		{"swap of a missing key", rounds, p.missingSwap},
		{"read after write", reads, p.readAfterWrite},
		{"conditional delete", 1, p.staleDelete},
		{"clock", 1, p.clock},
	} {
		report.add(check.name, repeat(ctx, check.rounds, check.run))
	}
	return report.judge()
}

// finding is an outcome on its way into a report.
type finding struct {
	outcome Outcome
	detail  string
}

func passed(format string, args ...any) finding {
	return finding{ProbePass, fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) finding {
	return finding{ProbeFail, fmt.Sprintf(format, args...)}
}

func warned(format string, args ...any) finding {
	return finding{ProbeWarn, fmt.Sprintf(format, args...)}
}

// unasked is the finding when a request failed that should have told.
func unasked(err error) finding { return finding{ProbeUnknown, err.Error()} }

// repeat runs a check until it does not pass or the rounds are over.
func repeat(ctx context.Context, rounds int, run func(context.Context) finding) finding {
	var f finding
	for range rounds {
		if f = run(ctx); f.outcome != ProbePass {
			return f
		}
	}
	if rounds > 1 {
		f.detail += fmt.Sprintf(", %d times", rounds)
	}
	return f
}

func (r *Report) add(name string, f finding) {
	r.Checks = append(r.Checks, Check{Name: name, Outcome: f.outcome, Detail: f.detail})
}

// judge fills in the verdict.
func (r Report) judge() Report {
	r.Safe = true
	for _, c := range r.Checks {
		if c.Outcome == ProbeFail || c.Outcome == ProbeUnknown {
			r.Safe = false
		}
	}
	return r
}
