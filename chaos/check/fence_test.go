package check

import "godwit/chaos/history"

// result is a request for a result of the transfer.
func result(at float64, node, op, upload string) history.Event {
	return history.Event{At: secs(at), Node: node, Store: &history.Store{Op: op, Key: "results/x", Upload: upload, Status: 200, Told: 200}}
}

func fenceTrials() []trial {
	// a is stopped, b takes over, a wakes at 20 s and is told.
	moved := []history.Event{
		wrote(1, "a", 1, 1, "RUNNING"), fault(5, 20, history.Fault{Kind: "stop", Nodes: []string{"a"}}), wrote(15, "b", 2, 2, "RUNNING"),
	}
	told := written(20.1, "a", transferKey, history.Write{Epoch: 1, Sequence: 2, Outcome: history.Lost})
	deliver := func(at float64, node string) history.Event {
		return history.Event{At: secs(at), Node: node, Delivery: &history.Delivery{Group: "set", Webhook: "task", Reply: "taken"}}
	}
	task := []history.Event{
		written(1, "a", taskKey, history.Write{Epoch: 1, Sequence: 1}), fault(5, 20, history.Fault{Kind: "stop", Nodes: []string{"a"}}),
		written(15, "b", taskKey, history.Write{Epoch: 2, Sequence: 2}),
	}
	serve := func(at float64, node string) history.Event {
		return history.Event{At: secs(at), Node: node, Serve: &history.Serve{ID: "x", Status: 206}}
	}
	own := result(19, "a", "upload.create", "u")
	return []trial{
		{"S6", "the owner publishes", Held, with(moved, result(16, "b", "upload.complete", ""))},
		{"S6", "who was stopped did not know yet", Held, with(moved, result(21, "a", "upload.complete", ""), serve(22, "a"))},
		{"S6", "nobody acts", NotJudged, moved},
		{"S6", "who was succeeded publishes", Violated, with(moved, result(23.5, "a", "upload.complete", ""))},
		{"S6", "who was succeeded fetches on", Violated, with(moved, serve(40, "a"))},
		{"S6", "who was succeeded delivers", Violated, with(task, deliver(24, "a"))},

		{"S14", "who was told is still", Held, with(moved, told, result(21, "b", "upload.complete", ""))},
		{"S14", "who was told removes what only it knows", Held, with(moved, told, own, result(21, "a", "upload.abort", "u"))},
		{"S14", "nobody was told", NotJudged, with(moved, result(21, "b", "upload.complete", ""))},
		{"S14", "who was told aborts", Violated, with(moved, told, result(20.2, "a", "upload.abort", "theirs"))},
	}
}
