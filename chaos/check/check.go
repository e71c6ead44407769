// Package check owns the verdict on a chaos run: what is promised, and how a
// history tells whether it was kept.
//
// Each promise is a row of [All] with a function over a history. A function
// that finds nothing because the history does not hold what it needs says so:
// then the promise is not judged, which is not the same as held. It never looks
// at a cluster, only at what was written down.
package check

import (
	"fmt"
	"strings"
	"time"

	"godwit/chaos/history"
)

// Check is a promise.
type Check struct {
	// ID is "S1" to "S20" for what must never happen, "L1" to "L10" for what must
	// happen in time.
	ID string
	// Promise says it in a sentence.
	Promise string
	// Bound is the figure that belongs to it, "" for none.
	Bound string
	judge func(*view) Result
}

// Result is what a promise was held against and what broke it.
type Result struct {
	// Judged says what was looked at, "" for nothing.
	Judged string
	// Lacks says what could not be looked at, "" for nothing.
	Lacks      string
	Violations []Violation
}

// Violation is something that breaks a promise.
type Violation struct {
	// At is when it happened.
	At time.Duration
	// Subject is the record, transfer, group or node that it happened to.
	Subject string
	// Text tells it to a person.
	Text string
}

func (v Violation) String() string { return v.Subject + ": " + v.Text }

func (r *Result) violate(at time.Duration, subject, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{At: at, Subject: subject, Text: fmt.Sprintf(format, args...)})
}

// State is what became of a promise.
type State string

// The states. A promise of which nothing was judged is NotJudged.
const (
	Held      State = "held"
	NotJudged State = "not judged"
	Violated  State = "violated"
)

// Verdict is a promise with what became of it.
type Verdict struct {
	Check
	Result
}

// State is Violated, Held when something was judged, or NotJudged.
func (v Verdict) State() State {
	switch {
	case len(v.Violations) > 0:
		return Violated
	case v.Judged == "":
		return NotJudged
	}
	return Held
}

// Judge holds a history against all promises. What must happen in time depends
// on faults, so that it is judged only where the history says what was run.
func Judge(h *history.History) []Verdict {
	v := newView(h)
	all := make([]Verdict, 0, len(All))
	for _, c := range All {
		verdict := Verdict{Check: c, Result: Result{Lacks: "what was run, and the faults of it"}}
		if h.Run.Scenario != "" || !strings.HasPrefix(c.ID, "L") || c.ID == "LIN" {
			verdict.Result = c.judge(v)
		}
		all = append(all, verdict)
	}
	return all
}

// bytesOf is a count of bytes for a person.
func bytesOf(n int64) string {
	if n < mib {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/mib)
}
