package check

import "godwit/chaos/history"

func acceptedTrials() []trial {
	done := []history.Event{created(1, "x"), shown(3, "x", "COMPLETED")}
	refused := call(5, "get", "x", 0)
	refused.Call.Outcome, refused.Call.Code = history.Refused, "transfer.not_found"
	again := call(4, "delete", "x", 0)
	again.Call.Outcome, again.Call.Code = history.Refused, "transfer.not_found"
	nameless := call(5, "get", "y", 0)
	nameless.Call.Outcome = history.Refused
	doomed := created(1, "d")
	doomed.Call.Size, doomed.Call.Expect = -1, "http.gone"
	failed := func(code string) history.Event {
		e := shown(4, "d", "FAILED")
		e.Transfer.Code = code
		return e
	}
	unknown := created(1, "u")
	unknown.Call.Outcome = history.Unknown
	strict := run(history.Run{Strict: true, Ideal: secs(10)})
	return []trial{
		{"S1", "seen to the end", Held, done},
		{"S1", "still running", Held, []history.Event{created(1, "x"), shown(3, "x", "RUNNING"), call(4, "cancel", "x", 0)}},
		{"S1", "deleted by its user", Held, with(done, call(4, "delete", "x", 0), refused)},
		{"S1", "deleted twice by its user", Held, with(done, again)},
		{"S1", "nobody knows whether it was accepted", Held, with(done, unknown)},
		{"S1", "never seen", Violated, with(done, created(2, "y"))},
		{"S1", "the API denies it", Violated, with(done, refused)},

		{"L1", "completed", Held, done},
		{"L1", "canceled by its user", Held, with(done, created(1, "y"), call(2, "cancel", "y", 0), shown(3, "y", "CANCELED"))},
		{"L1", "long after the fault, where nobody counts", Held, with(done, kill(2, "a"), created(1, "y"), shown(300, "y", "COMPLETED"))},
		{"L1", "within time after the fault", Held, with(done, strict, kill(2, "a"), created(1, "y"), shown(131, "y", "COMPLETED"))},
		{"L1", "too late after the fault", Violated, with(done, strict, kill(2, "a"), created(1, "y"), shown(133, "y", "COMPLETED"))},
		{"L1", "never", Violated, with(done, created(1, "y"), shown(3, "y", "RUNNING"))},
		{"L1", "failed", Violated, with(done, created(1, "y"), shown(3, "y", "FAILED"))},

		{"L9", "failed", Held, []history.Event{doomed, failed("http.gone")}},
		{"L9", "only others", NotJudged, done},
		{"L9", "tried again and again", Violated, []history.Event{doomed, shown(400, "d", "RUNNING")}},
		{"L9", "completed", Violated, []history.Event{doomed, shown(400, "d", "COMPLETED")}},

		{"S20", "the cause", Held, with(done, doomed, failed("http.gone"))},
		{"S20", "another cause", Violated, []history.Event{doomed, failed("dns.not_found")}},
		{"S20", "no code", Violated, []history.Event{doomed, failed("")}},
		{"S20", "a call without a code", Violated, []history.Event{nameless}},
	}
}
