package check

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"godwit/chaos/history"
)

func linearTrials() []trial {
	begin := []history.Event{wrote(1, "a", 1, 1, "QUEUED"), wrote(2, "a", 1, 2, "RUNNING"), kill(2.5, "a")}
	lost := func(at float64, node string, epoch uint64, number int) history.Event {
		return written(at, node, transferKey, history.Write{Epoch: epoch, Sequence: uint64(number), Outcome: history.Lost})
	}
	unknown := func(at float64, node string, epoch uint64, number int) history.Event {
		return written(at, node, transferKey, history.Write{Epoch: epoch, Sequence: uint64(number), Outcome: history.Unknown})
	}
	read := func(at float64, version string) history.Event {
		return history.Event{At: secs(at), End: secs(at + 0.01), Node: "b", Store: &history.Store{Op: "get", Key: transferKey, Record: true, ETag: version, Status: 200}}
	}
	lie := history.Event{At: secs(3), End: secs(3.01), Node: "b", Store: &history.Store{Op: "put", Key: transferKey, Record: true, Fault: "refuse", Told: 412, IfMatch: version(2)}}
	// A claim that was refused although nobody had written since.
	refused := lost(3, "b", 2, 3)
	return []trial{
		{"LIN", "one after the other", Held, with(begin, wrote(3, "b", 2, 3, "RUNNING"), lost(4, "a", 1, 3), read(5, version(3)))},
		{"LIN", "a lost reply", Held, with(begin, unknown(3, "a", 1, 3), wrote(4, "b", 2, 4, "RUNNING"), lost(5, "a", 1, 3))},
		{"LIN", "a lost reply, and who looked", Held, with(begin, unknown(3, "a", 1, 3), read(4, version(3)), wrote(5, "b", 2, 4, "RUNNING"))},
		{"LIN", "it never happened", Held, with(begin, unknown(3, "c", 2, 3), wrote(4, "b", 2, 3, "RUNNING"))},
		{"LIN", "the harness lied", Held, with(begin, refused, lie)},
		{"LIN", "told to have lost, and nobody won", Violated, with(begin, refused)},
		{"LIN", "two owners at once", Violated, with(begin, wrote(3, "b", 2, 3, "RUNNING"), wrote(3.5, "c", 2, 3, "RUNNING"))},
		{"LIN", "an owner that was succeeded", Violated, with(begin, wrote(3, "b", 2, 3, "RUNNING"), wrote(4, "a", 1, 4, "RUNNING"))},
		{"LIN", "seen before it was written", Violated, with(begin, read(2.5, version(3)), wrote(3, "b", 2, 3, "RUNNING"))},
		{"LIN", "seen after it was replaced", Violated, with(begin, wrote(3, "b", 2, 3, "RUNNING"), read(4, version(2)))},
	}
}

// TestLinearizableGivesUp gives up in time where a history has too many
// unknown outcomes, and says so.
func TestLinearizableGivesUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	events := []history.Event{wrote(1, "a", 1, 1, "QUEUED")}
	for i := range 400 {
		w := history.Write{
			Op: "cas", Key: transferKey, Old: fmt.Sprint("v", random.IntN(40)), Epoch: uint64(1 + random.IntN(20)), Owner: "a", Incarnation: fmt.Sprint(random.IntN(9)),
			Attempt: fmt.Sprint(i), Outcome: history.Unknown,
		}
		events = append(events, history.Event{At: secs(2), Write: &w})
	}
	for i := range 30 {
		w := history.Write{
			Op: "cas", Key: transferKey, Old: fmt.Sprint("v", i), New: fmt.Sprint("w", i), Epoch: uint64(20 + i), Owner: "a", Incarnation: "1",
			Attempt: fmt.Sprint("ok", i), Outcome: history.OK,
		}
		events = append(events, history.Event{At: secs(3 + float64(i)), End: secs(4 + float64(i)), Write: &w})
	}
	v := newView(history.New(events))
	if r := v.linear(time.Second, time.Millisecond); r.Lacks == "" || r.Judged != "" || len(r.Violations) > 0 {
		t.Errorf("%+v", r)
	}
}
