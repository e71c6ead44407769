package check

import (
	"time"

	"godwit/chaos/history"
)

func nodesTrials() []trial {
	sees := func(at float64, node string, states map[string]string) history.Event {
		return history.Event{At: secs(at), Node: node, Members: &history.Members{States: states}}
	}
	both, one := map[string]string{"a": "ALIVE", "b": "ALIVE"}, map[string]string{"a": "ALIVE", "b": "DEAD"}
	gone := with(lives("a", "b"), step(4, "b", history.StepEnd), kill(4, "b"))
	cut := with(lives("a", "b"), fault(2, 4, history.Fault{Kind: "cut", Nodes: []string{"b"}}))
	strict := run(history.Run{Strict: true})

	idle := func(at float64, cpu time.Duration, files, goroutines int) history.Event {
		return history.Event{At: secs(at), Node: "a", Life: 1, Sample: &history.Sample{CPU: cpu, Files: files, Goroutines: goroutines, Idle: true}}
	}
	quiet := with(lives("a"), idle(10, 0, 20, 100), idle(16, time.Second, 20, 100))
	crashed := step(5, "a", history.StepEnd)
	crashed.Process.Wanted, crashed.Process.Code = false, 2

	drained := with(lives("a", "b"), fault(10, 60, history.Fault{Kind: "drain", Nodes: []string{"a"}, Graceful: true}))
	ended := func(at float64, code int) history.Event {
		e := step(at, "a", history.StepEnd)
		e.Process.Code = code
		return e
	}
	command := call(10, "drain", "", 0)
	command.Node, command.End = "a", secs(12)
	return []trial{
		{"L4", "they agree", Held, with(cut, sees(5, "a", one), sees(9, "a", both), sees(9, "b", both))},
		{"L4", "one is gone", Held, with(gone, sees(5, "a", both), sees(9, "a", one))},
		{"L4", "nobody was asked", NotJudged, with(cut, sees(1, "a", both))},
		{"L4", "not yet", Held, with(cut, sees(60, "a", one))},
		{"L4", "late, where nobody counts", Held, with(cut, sees(90, "a", one), sees(91, "a", both))},
		{"L4", "late", Violated, with(cut, strict, sees(90, "a", one), sees(91, "a", both))},
		{"L4", "never", Violated, with(cut, sees(70, "a", one))},
		{"L4", "who is gone is alive", Violated, with(gone, sees(70, "a", both))},

		{"L6", "up and idle", Held, with(quiet, idle(22, 2*time.Second, 24, 110))},
		{"L6", "ended by itself", Violated, with(lives("a"), crashed)},
		{"L6", "busy with nothing", Violated, with(quiet, idle(22, 3*time.Second, 20, 100))},
		{"L6", "more and more files", Violated, with(quiet, idle(22, time.Second, 40, 100))},
		{"L6", "more and more goroutines", Violated, with(quiet, idle(22, time.Second, 20, 130))},

		{"L8", "in time", Held, with(drained, ended(15, 0))},
		{"L8", "by command", Held, with(drained, command)},
		{"L8", "late, where nobody counts", Held, with(drained, ended(45, 0))},
		{"L8", "only kept from new work", NotJudged, drained},
		{"L8", "with another fault in its way", NotJudged, with(drained, ended(50, -1), kill(12, "b"), step(12, "b", history.StepEnd))},
		{"L8", "late", Violated, with(drained, strict, ended(45, 0))},
		{"L8", "with an error", Violated, with(drained, ended(15, 1))},
		{"L8", "never, until it was killed", Violated, with(drained, ended(55, -1))},
	}
}
