package check

import "godwit/chaos/history"

func tasksTrials() []trial {
	member := func(at float64, id, phase string, number int) history.Event {
		return written(at, "a", "shards/001/t/"+id, history.Write{Epoch: 1, Sequence: uint64(number), Phase: phase})
	}
	set := func(at float64, number int, phase string, members ...string) history.Event {
		return written(at, "a", groupKey, history.Write{Epoch: 1, Sequence: uint64(number), Phase: phase, Members: members, Policy: "ALL_FINISHED"})
	}
	task := func(at float64) history.Event {
		return written(at, "a", taskKey, history.Write{Epoch: 1, Sequence: 1, Phase: "PENDING", Group: "set"})
	}
	sealed := []history.Event{
		member(1, "x", "RUNNING", 1), member(1, "y", "RUNNING", 1), set(1, 1, "OPEN"), set(2, 2, "ENABLED", "x", "y"),
		member(3, "x", "COMPLETED", 2), member(4, "y", "FAILED", 2),
	}
	// The write that names the members is done and not heard of, until it is read.
	unheard := set(2, 2, "ENABLED", "x", "y")
	unheard.Write.Outcome, unheard.Write.New = history.Unknown, ""
	delivery := func(at float64, webhook, reply string) history.Event {
		return history.Event{At: secs(at), Delivery: &history.Delivery{Group: "set", Webhook: webhook, Reply: reply}}
	}
	wrong := delivery(7, "task", "taken")
	wrong.Delivery.Wrong = "the signature does not match"
	early := delivery(7, "task", "taken")
	early.Delivery.Members = map[string]string{"x": "RUNNING"}
	shows := func(status string) history.Event {
		return history.Event{At: secs(20), Group: &history.Group{ID: "set", Task: "task", TaskStatus: status, Final: true}}
	}
	end := call(600, "list", "", 0)
	strict := run(history.Run{Strict: true})
	return []trial{
		{"S8", "refused, lost and taken", Held, []history.Event{delivery(5, "task", "refused"), delivery(6, "task", "dropped"), delivery(7, "task", "taken")}},
		{"S8", "another id", Violated, []history.Event{delivery(5, "task", "dropped"), delivery(6, "other", "taken")}},
		{"S8", "not what it should be", Violated, []history.Event{wrong}},

		{"S9", "all have ended", Held, with(sealed, task(5), set(6, 3, "TRIGGERED", "x", "y"))},
		{"S9", "nothing is decided", NotJudged, sealed},
		{"S9", "one runs", Violated, with(sealed[:5], task(5), member(8, "y", "COMPLETED", 2))},
		{"S9", "not sealed", Violated, with(sealed, task(1.5), set(6, 3, "TRIGGERED", "x", "y"))},
		{"S9", "sealed by a write that was not heard of", Held, with(sealed[:3], sealed[4], sealed[5], unheard, task(5), set(6, 3, "TRIGGERED", "x", "y"))},
		{"S9", "not sealed by a write that came later", Violated, with(sealed[:3], sealed[4], sealed[5], unheard, task(1.5), set(6, 3, "TRIGGERED", "x", "y"))},
		{"S9", "the receiver is told of one that runs", Violated, with(sealed, task(5), early)},

		{"L2", "at once", Held, with(sealed, task(5), end)},
		{"L2", "not yet all", NotJudged, with(sealed[:5], end)},
		{"L2", "late, where nobody counts", Held, with(sealed, task(40), end)},
		{"L2", "never", Violated, with(sealed, end)},
		{"L2", "late", Violated, with(sealed, strict, task(40), end)},

		{"L10", "taken", Held, []history.Event{delivery(5, "task", "taken"), shows("SUCCEEDED")}},
		{"L10", "given up", Held, []history.Event{delivery(5, "task", "refused"), shows("DEAD_LETTER")}},
		{"L10", "never", Violated, []history.Event{delivery(5, "task", "refused"), shows("PENDING")}},
		{"L10", "only said to be", Violated, []history.Event{delivery(5, "task", "refused"), shows("SUCCEEDED")}},
	}
}
