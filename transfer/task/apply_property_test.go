package task

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"godwit/transfer"
)

// world carries out what Apply asks for, and forgets at times.
type world struct {
	t             *rapid.T
	now           time.Time
	state, record State
	// writes counts records, that of the creation included; outcomes attempts
	// that came to an end; plans how often somebody asked for a new one.
	writes, outcomes, plans int
	// inPlan counts the outcomes of the current plan; interrupted says that
	// nothing happens before the next owner comes.
	inPlan      int
	interrupted bool
	begun       int
}

func (w *world) apply(ev Event) {
	before := copyState(w.state)
	state, effects, err := Apply(w.state, ev, Context{
		Now: w.now, Node: "n", Random: rapid.Float64Range(0, 0.999).Draw(w.t, "random"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.state = state
	_, redelivers := ev.(Redeliver)
	if before.Phase.Ended() && !redelivers && (state.Phase != before.Phase || len(state.History) != len(before.History)) {
		w.t.Fatalf("%s was left by %T", before.Phase, ev)
	}
	var told, waits, delivers bool
	for _, e := range effects {
		switch e := e.(type) {
		case Persist:
			w.record = copyState(state)
			w.writes++
		case Tell:
			told = true
		case Wait:
			waits = true
			if e.Until.Before(w.now) || e.Until.Sub(w.now) > 27*time.Hour {
				w.t.Fatalf("it waits %v", e.Until.Sub(w.now))
			}
		case Deliver:
			delivers = true
			if e.Number != state.Attempts {
				w.t.Fatalf("attempt %d of %d", e.Number, state.Attempts)
			}
			if recorded := w.record.Phase == PhaseRunning && w.record.Attempts == e.Number; recorded != (state.Spec.Kind == Exec) {
				w.t.Fatalf("a %s is attempted while its record says %s", state.Spec.Kind, w.record.Phase)
			}
			if state.Spec.Kind == Exec {
				if e.Number <= w.begun {
					w.t.Fatalf("attempt %d was made before", e.Number)
				}
				w.begun = e.Number
			}
		}
	}
	if told != (state.Phase.Ended() && len(effects) > 0) {
		w.t.Fatalf("%s after %T: told %v", state.Phase, ev, told)
	}
	if state.Phase != before.Phase && state.Phase == PhasePending && !waits && !w.interrupted {
		w.t.Fatalf("after %T nobody will wake it", ev)
	}
	if state.Phase != before.Phase && state.Phase == PhaseRunning && !delivers {
		w.t.Fatalf("after %T nothing runs", ev)
	}
	w.judge()
}

func (w *world) judge() {
	s := &w.state
	if len(s.History) > maxHistory || s.Planned > s.Spec.Kind.budget() || s.Planned < 0 || s.Attempts < s.Planned {
		w.t.Fatalf("history %d, attempts %d, planned %d", len(s.History), s.Attempts, s.Planned)
	}
	for i, a := range s.History {
		if len(a.Output) > maxOutput || !utf8.ValidString(a.Output) {
			w.t.Fatalf("%d bytes of output", len(a.Output))
		}
		if a.End.IsZero() && i < len(s.History)-1 {
			w.t.Fatalf("attempt %d has no outcome", i)
		}
	}
	if s.Phase == PhaseSucceeded != (s.Phase.Ended() && s.Err == nil) || s.Phase.Ended() == s.Finished.IsZero() {
		w.t.Fatalf("%s with error %v, finished %v", s.Phase, s.Err, s.Finished)
	}
	if s.Spec.Kind == Webhook && w.writes > 4+w.outcomes+w.plans {
		w.t.Fatalf("%d records for %d attempts and %d plans", w.writes, w.outcomes, w.plans)
	}
	if w.inPlan > s.Spec.Kind.budget() {
		w.t.Fatalf("%d outcomes in one plan", w.inPlan)
	}
}

func (w *world) attempt() Attempt {
	a := Attempt{Start: w.now, End: w.now, Node: "n", Output: strings.Repeat(rapid.SampledFrom([]string{"x", "é\x00", "\xff"}).Draw(w.t, "output"), 3000)}
	switch rapid.IntRange(0, 5).Draw(w.t, "outcome") {
	case 0:
	case 1:
		a.Err = &transfer.Error{Code: rapid.SampledFrom([]transfer.Code{transfer.CodeWebhookGone, transfer.CodePathDenied}).Draw(w.t, "code")}
	default:
		a.Err = &transfer.Error{Code: transfer.CodeWebhookStatus, RetryAfter: time.Duration(rapid.IntRange(0, 100).Draw(w.t, "hours")) * time.Hour}
	}
	return a
}

func (w *world) step() {
	switch rapid.IntRange(0, 9).Draw(w.t, "what") {
	case 0: // the node dies
		w.state = copyState(w.record)
		w.interrupted = false
		if w.state.Phase == PhaseRunning {
			w.outcomes++
			w.inPlan++
		}
		w.apply(Recovered{})
	case 1: // it stops, and another takes over
		w.interrupted = true
		w.apply(Interrupted{Number: w.state.Attempts})
		w.interrupted = false
		w.state = copyState(w.record)
		w.apply(Recovered{})
	case 2:
		if w.state.Phase.Ended() {
			w.plans++
			w.inPlan = 0
		}
		w.apply(Redeliver{})
	case 3:
		w.apply(Delivered{Number: w.state.Attempts - 1, Attempt: w.attempt()})
	case 4:
		w.apply(Due{})
	case 5:
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(w.t, "seconds")) * time.Second)
	case 6:
		if w.state.NotBefore.After(w.now) {
			w.now = w.state.NotBefore
		}
		w.apply(Due{})
	default:
		w.deliver(w.attempt())
	}
}

func (w *world) deliver(a Attempt) {
	if w.state.Phase == PhaseRunning {
		w.outcomes++
		w.inPlan++
	}
	w.apply(Delivered{Number: w.state.Attempts, Attempt: a})
}

// Whatever fails and whenever the owner dies, a task keeps to its plan, writes
// no more than it may and tells how it ended.
func TestApplyInAnyWorld(t *testing.T) {
	for range 8 {
		rapid.Check(t, func(t *rapid.T) {
			now := time.Unix(1_800_000_000, 0).UTC()
			spec := Spec{Kind: rapid.SampledFrom([]Kind{Webhook, Exec, Submit, Notification}).Draw(t, "kind")}
			if spec.Kind == Notification && rapid.Bool().Draw(t, "expires") {
				spec.Expires = now.Add(3 * time.Hour)
			}
			w := &world{t: t, now: now, writes: 1, state: New("t", spec, now)}
			w.record = copyState(w.state)
			w.apply(Recovered{})
			for range rapid.IntRange(1, 120).Draw(t, "steps") {
				w.step()
			}
			// In quiet it ends by itself.
			for range 100 {
				w.now = w.now.Add(30 * time.Hour)
				w.apply(Due{})
				w.deliver(Attempt{Err: &transfer.Error{Code: transfer.CodeReset}})
			}
			if !w.state.Phase.Ended() {
				t.Fatalf("it rests in %s", w.state.Phase)
			}
		})
	}
}

func TestPlanTakesThreeDays(t *testing.T) {
	for _, tt := range []struct {
		random      float64
		least, most time.Duration
	}{
		{0.5, 75*time.Hour + 30*time.Minute, 76 * time.Hour},
		{0, 67 * time.Hour, 69 * time.Hour},
		{0.999, 83 * time.Hour, 84 * time.Hour},
	} {
		sum := time.Duration(0)
		for failed := range maxAttempts {
			sum += pause(failed, 0, tt.random)
		}
		if sum < tt.least || sum > tt.most {
			t.Errorf("random %v: %v", tt.random, sum)
		}
	}
}

func TestCutOutput(t *testing.T) {
	if got := cutOutput("a\x1b[31m\u202eb\tc\n", false); got != "a\uFFFD[31m\uFFFDb\tc\n" {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("é", maxOutput) + "end"
	for _, end := range []bool{true, false} {
		got := cutOutput("begin"+long, end)
		if len(got) > maxOutput || len(got) < maxOutput-3 || !utf8.ValidString(got) {
			t.Errorf("%d bytes", len(got))
		}
		if strings.HasSuffix(got, "end") != end || strings.HasPrefix(got, "begin") == end {
			t.Errorf("end %v: %q … %q", end, got[:8], got[len(got)-8:])
		}
	}
}
