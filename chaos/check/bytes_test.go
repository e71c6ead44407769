package check

import "godwit/chaos/history"

func bytesTrials() []trial {
	done := []history.Event{created(1, "x"), shown(3, "x", "COMPLETED")}
	whole := history.Look{There: true, Size: 100, Generation: 2, Final: true}
	served := func(generation int) history.Event {
		return history.Event{At: secs(2), Serve: &history.Serve{ID: "x", Bytes: 100, Status: 200, Generation: generation}}
	}
	but := func(change func(*history.Look)) history.Event {
		l := whole
		change(&l)
		return look(4, "x", l)
	}
	return []trial{
		{"S2", "whole", Held, with(done, look(4, "x", whole))},
		{"S2", "whole, of the newest content", Held, with(done, served(1), served(2), look(4, "x", whole))},
		{"S2", "nobody looked", NotJudged, done},
		{"S2", "another byte", Violated, with(done, but(func(l *history.Look) { l.Wrong = "byte 5 differs" }))},
		{"S2", "nothing there", Violated, with(done, but(func(l *history.Look) { l.There = false }))},
		{"S2", "too short", Violated, with(done, but(func(l *history.Look) { l.Size = 99 }))},
		{"S2", "content that nobody served", Violated, with(done, served(1), look(4, "x", whole))},

		{"S13", "nothing, then everything", Held, []history.Event{look(1, "x", history.Look{}), look(2, "x", whole)}},
		{"S13", "a part", Violated, []history.Event{look(1, "x", history.Look{There: true, Size: 50, Wrong: "50 bytes"}), look(2, "x", whole)}},
	}
}
