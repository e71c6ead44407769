package check

import "godwit/chaos/history"

func findingsTrials() []trial {
	finding := func(kind string, wrong bool) []history.Event {
		return []history.Event{{At: secs(1), Finding: &history.Finding{Kind: kind, Text: "seen", Wrong: wrong}}}
	}
	poison := []history.Event{
		created(1, "p"), created(1, "x"), fault(2, 2, history.Fault{Kind: "store.poison", Struck: []string{"p"}}),
		shown(3, "p", "FAILED"), shown(4, "x", "COMPLETED"),
	}
	poison[0].Call.Size, poison[3].Transfer.Code = -1, "internal.quarantined"
	members := func(names ...string) history.Event {
		states := map[string]string{}
		for _, n := range names {
			states[n] = "ALIVE"
		}
		return history.Event{At: secs(3), Node: "a", Members: &history.Members{States: states}}
	}
	sample := func(resident int64) history.Event {
		return history.Event{At: secs(1), Node: "a", Sample: &history.Sample{Resident: resident}}
	}
	served := func(streams int) history.Event {
		return history.Event{At: secs(1), Node: "a", Serve: &history.Serve{ID: "x", Streams: streams}}
	}
	limits := run(history.Run{Memory: 100, Streams: 4})
	crashed := step(5, "a", history.StepEnd)
	crashed.Process.Wanted, crashed.Process.Code = false, 2
	all := []trial{
		{"S11", "the others go on", Held, with(lives("a"), poison...)},
		{"S11", "nothing was poisoned", NotJudged, with(lives("a"), poison[1], poison[4])},
		{"S11", "another fails", Violated, with(poison, created(1, "y"), shown(4, "y", "FAILED"))},
		{"S11", "a node falls over", Violated, with(lives("a"), with(poison, crashed)...)},

		{"S15", "they were refused", Held, with(lives("a", "b"), with(finding("foreign", false), members("a", "b"))...)},
		{"S15", "nobody tried", NotJudged, with(lives("a", "b"), members("a", "b"))},
		{"S15", "one is a member", Violated, with(lives("a", "b"), members("a", "b", "x"))},

		{"S19", "within", Held, []history.Event{limits, sample(100), served(4)}},
		{"S19", "no limits", NotJudged, []history.Event{sample(100), served(4)}},
		{"S19", "too much memory", Violated, []history.Event{limits, sample(101), served(4)}},
		{"S19", "too many connections", Violated, []history.Event{limits, sample(100), served(5)}},
	}
	for id, kind := range map[string]string{"S12": "unknown-fields", "S15": "foreign", "S17": "denied", "S18": "secret"} {
		all = append(all,
			trial{id, "looked", Held, finding(kind, false)},
			trial{id, "nobody looked", NotJudged, finding("log", true)},
			trial{id, "found", Violated, finding(kind, true)})
	}
	return all
}
