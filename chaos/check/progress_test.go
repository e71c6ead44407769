package check

import "godwit/chaos/history"

func progressTrials() []trial {
	stored := func(number int, generation uint64, upload string, done int64) history.Event {
		return written(float64(number), "a", transferKey, history.Write{
			Epoch: 1, Sequence: uint64(number), Phase: "RUNNING", Generation: generation, Upload: upload, Done: done,
		})
	}
	shows := func(at float64, done int64) history.Event {
		return history.Event{At: secs(at), Transfer: &history.Transfer{ID: "x", Status: "RUNNING", Done: done}}
	}
	waits := shows(2, 5)
	waits.Transfer.Waits = true
	end := call(3600, "list", "", 0)
	return []trial{
		{"S7", "forwards", Held, []history.Event{stored(1, 1, "u", 0), stored(2, 1, "u", 5), stored(3, 1, "u", 5), stored(4, 1, "u", 9)}},
		{"S7", "new content", Held, []history.Event{stored(1, 1, "u", 5), stored(2, 2, "v", 0)}},
		{"S7", "another upload", Held, []history.Event{stored(1, 1, "u", 5), stored(2, 1, "v", 0)}},
		{"S7", "no progress is written", NotJudged, []history.Event{stored(1, 1, "u", 0)}},
		{"S7", "backwards", Violated, []history.Event{stored(1, 1, "u", 5), stored(2, 1, "u", 4)}},
		{"S7", "old content", Violated, []history.Event{stored(1, 2, "u", 5), stored(2, 1, "v", 6)}},

		{"L5", "moves", Held, []history.Event{shows(1, 5), shows(100, 6), shows(200, 7), end}},
		{"L5", "waits", Held, []history.Event{waits, shows(400, 5), end}},
		{"L5", "a long fault", Held, []history.Event{shows(1, 5), fault(2, 500, history.Fault{Kind: "store.unavailable"}), shows(550, 5), end}},
		{"L5", "one fault after the other", NotJudged, []history.Event{shows(1, 5), fault(2, 500, history.Fault{Kind: "stop"}), shows(400, 5)}},
		{"L5", "stands", Violated, []history.Event{shows(1, 5), shows(100, 5), shows(190, 5), end}},
		{"L5", "stood, and moved at last", Violated, []history.Event{shows(1, 5), shows(190, 6), end}},
		{"L5", "stands for a minute, where that counts", Violated, []history.Event{run(history.Run{Strict: true}), shows(1, 5), shows(70, 5), end}},
	}
}
