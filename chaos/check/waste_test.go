package check

import "godwit/chaos/history"

func wasteTrials() []trial {
	const size, mib = 100 << 20, 1 << 20
	served := func(at float64, generation int, bytes int64, fault string) history.Event {
		return history.Event{At: secs(at), Serve: &history.Serve{ID: "x", Generation: generation, Bytes: bytes, Status: 206, Fault: fault}}
	}
	begin := []history.Event{run(history.Run{Waste: 32 * mib, PartSize: 16 * mib, Strict: true}), call(1, "create", "x", size), served(2, 1, size, "")}
	struck := func(f history.Fault) history.Event {
		f.Kind, f.Struck = "kill", []string{"x"}
		return fault(3, 3, f)
	}
	whole := call(1, "create", "x", size)
	whole.Call.Whole = true
	refused := history.Event{At: secs(3), Store: &history.Store{Op: "upload.part", Key: "results/x", Told: 503, Fault: "refuse"}}
	return []trial{
		{"S5", "no more than spilled", Held, with(begin, served(4, 1, 8*mib, ""))},
		{"S5", "a fault", Held, with(begin, struck(history.Fault{}), served(4, 1, 40*mib, ""))},
		{"S5", "a broken answer", Held, with(begin, served(4, 1, 24*mib, "reset"))},
		{"S5", "a part that the store refused", Held, with(begin, refused, served(4, 1, 24*mib, ""))},
		{"S5", "a pause", Held, with(begin, call(3, "pause", "x", 0), served(4, 1, 40*mib, ""))},
		{"S5", "new content", Held, with(begin, served(4, 2, size, ""))},
		{"S5", "an upload that is gone", Held, with(begin, struck(history.Fault{Afresh: true}), served(4, 1, size, ""))},
		{"S5", "an origin without ranges", Held, []history.Event{begin[0], whole, begin[2], struck(history.Fault{}), served(4, 1, size, "")}},
		{"S5", "no limit", NotJudged, begin[1:]},
		{"S5", "no cause", Violated, with(begin, served(4, 1, 9*mib, ""))},
		{"S5", "more than a fault explains", Violated, with(begin, struck(history.Fault{}), served(4, 1, 41*mib, ""))},
		{"S5", "a drain explains nothing", Violated, with(begin, struck(history.Fault{Graceful: true}), served(4, 1, 9*mib, ""))},
	}
}
