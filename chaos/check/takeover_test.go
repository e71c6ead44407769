package check

import "godwit/chaos/history"

func takeoverTrials() []trial {
	begin := with(lives("a", "b", "c"), run(history.Run{Strict: true, Fenced: true}), wrote(1, "a", 1, 1, "RUNNING"), kill(10, "a"), call(200, "list", "", 0))
	loose := with(lives("a", "b", "c"), wrote(1, "a", 1, 1, "RUNNING"), kill(10, "a"), call(200, "list", "", 0))
	given := written(9, "a", transferKey, history.Write{Epoch: 1, Sequence: 2, Phase: "RUNNING", Released: true})
	stopped := with(lives("a", "b"), run(history.Run{Strict: true}), wrote(1, "a", 1, 1, "RUNNING"), fault(10, 100, history.Fault{Kind: "stop.long", Nodes: []string{"a"}}))
	point := with(lives("a", "b", "c"), run(history.Run{Strict: true, Fenced: true}), wrote(1, "a", 1, 1, "RUNNING"),
		fault(10, 60, history.Fault{Kind: "kill.point", Nodes: []string{"a"}}), step(40, "a", history.StepEnd), call(200, "list", "", 0))
	calm := with(lives("a", "b"), wrote(1, "a", 1, 1, "RUNNING"))
	twice := with(lives("a", "b", "c"), wrote(1, "a", 1, 1, "RUNNING"), fault(0.5, 0.6, history.Fault{Kind: "drain", Nodes: []string{"c"}, Graceful: true}),
		history.Event{At: secs(0.55), Node: "c", Process: &history.Process{Step: history.StepEnd, Wanted: true}})
	mild := fault(1.5, 60, history.Fault{Kind: "mild.loss", Nodes: []string{"a"}})
	return []trial{
		{"L3", "taken over", Held, with(begin, wrote(13, "b", 2, 2, "RUNNING"))},
		{"L3", "taken up again by its next life", Held, with(begin, wrote(13, "a", 2, 2, "RUNNING"))},
		{"L3", "given up before", NotJudged, with(begin, given, wrote(60, "b", 2, 3, "RUNNING"))},
		{"L3", "it was only queued", NotJudged, with(lives("a", "b"), wrote(1, "a", 1, 1, "QUEUED"), kill(10, "a"), call(200, "list", "", 0))},
		{"L3", "late beside another fault", Held, with(begin, kill(12, "c"), wrote(60, "b", 2, 2, "RUNNING"))},
		{"L3", "late, where nobody counts", Held, with(loose, wrote(60, "b", 2, 2, "RUNNING"))},
		{"L3", "stopped and taken over", Held, with(stopped, wrote(30, "b", 2, 2, "RUNNING"))},
		{"L3", "died at a later step", Held, with(point, wrote(50, "b", 2, 2, "RUNNING"))},
		{"L3", "died at a later step, and late", Violated, with(point, wrote(75, "b", 2, 2, "RUNNING"))},
		{"L3", "late", Violated, with(begin, wrote(41, "b", 2, 2, "RUNNING"))},
		{"L3", "stopped, and late", Violated, with(stopped, wrote(60, "b", 2, 2, "RUNNING"))},
		{"L3", "never", Violated, loose},

		{"L7", "a fault", Held, with(begin, wrote(13, "b", 2, 2, "RUNNING"))},
		{"L7", "nothing moves", Held, calm},
		{"L7", "given away", Held, with(calm, written(9, "a", transferKey, history.Write{Epoch: 1, Sequence: 2, Phase: "RUNNING", Released: true}), wrote(10, "b", 2, 3, "RUNNING"))},
		{"L7", "once", Held, with(twice, wrote(200, "b", 2, 2, "RUNNING"))},
		{"L7", "without a fault", Violated, with(calm, wrote(10, "b", 2, 2, "RUNNING"))},
		{"L7", "to and fro", Violated, with(twice, wrote(200, "b", 2, 2, "RUNNING"), wrote(230, "a", 3, 3, "RUNNING"))},
		{"L7", "to and fro over bad links", Violated, with(calm, mild, wrote(10, "b", 2, 2, "RUNNING"), wrote(30, "a", 3, 3, "RUNNING"))},
	}
}
