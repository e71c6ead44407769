package check

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/chaos/history"
)

// trial is a small history with what is to become of a promise.
type trial struct {
	id, name string
	want     State
	events   []history.Event
}

// trials are those of all promises.
func trials() []trial {
	return slices.Concat(acceptedTrials(), bytesTrials(), writersTrials(), wasteTrials(), fenceTrials(), progressTrials(),
		tasksTrials(), findingsTrials(), takeoverTrials(), nodesTrials(), linearTrials())
}

func TestPromises(t *testing.T) {
	for _, tc := range trials() {
		t.Run(tc.id+"/"+tc.name, func(t *testing.T) {
			h := history.New(tc.events)
			h.Run.Scenario = "trial"
			for _, v := range Judge(h) {
				switch {
				case v.ID == tc.id && v.State() != tc.want:
					t.Errorf("%s is %s, not %s: %q, lacks %q, %v", v.ID, v.State(), tc.want, v.Judged, v.Lacks, v.Violations)
				case v.State() == Violated && tc.want != Violated:
					t.Errorf("%s is violated, too: %v", v.ID, v.Violations)
				}
				for _, violation := range v.Violations {
					if violation.Text == "" || strings.Contains(violation.String(), "%!") {
						t.Errorf("it does not say what happened: %q", violation.String())
					}
				}
			}
		})
	}
}

// TestEveryPromiseCanHoldAndBreak makes sure that no function only ever says one
// thing.
func TestEveryPromiseCanHoldAndBreak(t *testing.T) {
	seen := map[string]map[State]bool{}
	for _, tc := range trials() {
		if seen[tc.id] == nil {
			seen[tc.id] = map[State]bool{}
		}
		seen[tc.id][tc.want] = true
	}
	for _, c := range All {
		for _, s := range []State{Held, Violated} {
			if !seen[c.ID][s] {
				t.Errorf("no history in which %s is %s", c.ID, s)
			}
		}
	}
}

// TestNothingIsNotJudged: whoever recorded nothing has proven nothing.
func TestNothingIsNotJudged(t *testing.T) {
	for _, v := range Judge(history.New([]history.Event{{Run: &history.Run{Scenario: "none"}}})) {
		if v.State() != NotJudged || v.Lacks == "" {
			t.Errorf("%s is %s of nothing: %q, lacks %q", v.ID, v.State(), v.Judged, v.Lacks)
		}
	}
}

// TestTimeNeedsFaults: where nobody wrote down what was run, no one can tell what
// it may have taken.
func TestTimeNeedsFaults(t *testing.T) {
	events := []history.Event{wrote(1, "a", 1, 1, "RUNNING"), wrote(2, "b", 2, 2, "RUNNING")}
	for _, v := range Judge(history.New(events)) {
		if v.ID == "L7" && v.State() != NotJudged || v.ID == "S3" && v.State() != Held {
			t.Errorf("%s is %s: %v", v.ID, v.State(), v.Violations)
		}
	}
}

// TestPromisesAreNumbered: reports and documents speak of all of them.
func TestPromisesAreNumbered(t *testing.T) {
	var ids []string
	for _, c := range All {
		ids = append(ids, c.ID)
		if !strings.HasSuffix(c.Promise, ".") {
			t.Errorf("%s is no sentence: %q", c.ID, c.Promise)
		}
	}
	want := strings.Fields("S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 S11 S12 S13 S14 S15 S16 S17 S18 S19 S20 L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 LIN")
	if !slices.Equal(ids, want) {
		t.Errorf("%v", ids)
	}
}

// The words in which histories are written down here. Times are in seconds.

func secs(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func fault(at, end float64, f history.Fault) history.Event {
	return history.Event{At: secs(at), End: secs(end), Fault: &f}
}

func kill(at float64, nodes ...string) history.Event {
	return fault(at, at, history.Fault{Kind: "kill", Nodes: nodes})
}

// created is a transfer of 100 bytes that was accepted.
func created(at float64, id string) history.Event { return call(at, "create", id, 100) }

func call(at float64, op, id string, size int64) history.Event {
	return history.Event{At: secs(at), End: secs(at + 0.1), Call: &history.Call{Op: op, ID: id, Outcome: history.OK, Size: size}}
}

func shown(at float64, id, status string) history.Event {
	return history.Event{At: secs(at), Transfer: &history.Transfer{ID: id, Status: status, Final: terminal(status)}}
}

func look(at float64, id string, l history.Look) history.Event {
	l.ID = id
	return history.Event{At: secs(at), Look: &l}
}

func step(at float64, node, step string) history.Event {
	return history.Event{At: secs(at), Node: node, Process: &history.Process{Step: step, Wanted: true}}
}

// lives are nodes that live to the end.
func lives(nodes ...string) []history.Event {
	var all []history.Event
	for _, n := range nodes {
		all = append(all, step(0.1, n, history.StepStart), step(0.2, n, history.StepReady))
	}
	return all
}

// wrote is an accepted write of node to the record of a transfer, whose versions
// are the numbers of its writes.
func wrote(at float64, node string, epoch uint64, number int, phase string) history.Event {
	return written(at, node, transferKey, history.Write{Epoch: epoch, Sequence: uint64(number), Phase: phase})
}

const (
	transferKey = "shards/001/t/x"
	groupKey    = "shards/002/g/set"
	taskKey     = "shards/003/k/task"
)

func written(at float64, node, key string, w history.Write) history.Event {
	number := int(w.Sequence)
	w.Key, w.Owner, w.Incarnation = key, node, node+"1"
	w.Attempt = node + "-" + key + version(number) + string(w.Outcome)
	if w.Outcome == "" {
		w.Outcome, w.New = history.OK, version(number)
	}
	if w.Op == "" {
		w.Op, w.Old = "cas", version(number-1)
	}
	if number == 1 {
		w.Op, w.Old = "create", ""
	}
	return history.Event{At: secs(at), End: secs(at + 0.01), Node: node, Write: &w}
}

func run(r history.Run) history.Event { return history.Event{Run: &r} }

// with adds events to others.
func with(some []history.Event, more ...history.Event) []history.Event {
	return append(slices.Clip(some), more...)
}

// TestDocumentSaysTheSame: docs/chaos.md tells the promises in the same words.
func TestDocumentSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../../docs/chaos.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All {
		row := "| " + c.ID + " | " + c.Promise + " |"
		if c.ID == "LIN" {
			row = "**LIN**: " + strings.ToLower(c.Promise[:1]) + strings.Join(strings.Fields(c.Promise), " ")[1:]
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/chaos.md lacks %q", row)
		}
	}
}
