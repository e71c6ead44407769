package check

import "godwit/chaos/history"

// put is a write to the record of a transfer as the store saw it.
func put(at float64, node, old, etag string, epoch uint64) history.Event {
	s := &history.Store{Op: "put", Key: transferKey, Record: true, IfMatch: old, ETag: etag, Status: 200, Told: 200, Epoch: epoch, Owner: node, Incarnation: node}
	if old == "" {
		s.IfNoneMatch = "*"
	}
	return history.Event{At: secs(at), End: secs(at + 0.01), Node: node, Store: s}
}

func writersTrials() []trial {
	chain := []history.Event{
		wrote(1, "a", 1, 1, "QUEUED"), wrote(2, "a", 1, 2, "RUNNING"), wrote(3, "b", 2, 3, "RUNNING"), wrote(4, "b", 2, 4, "COMPLETED"),
		kill(2.5, "a"),
	}
	stored := []history.Event{put(1, "a", "", "e1", 1), put(2, "a", "e1", "e2", 1), put(3, "b", "e2", "e3", 2)}
	gone := put(4, "b", "e3", "", 2)
	gone.Store.Op, gone.Store.Status = "delete", 204
	unconditional := put(4, "b", "e3", "e4", 2)
	unconditional.Store.IfMatch = ""
	refused := put(4, "a", "e1", "", 1)
	refused.Store.Status, refused.Store.Told = 412, 412
	kept := put(4, "a", "e1", "", 1)
	kept.Store.Status, kept.Store.Fault = 0, "drop"
	forked := wrote(3.1, "c", 2, 3, "RUNNING")
	forked.Write.New = "fork"
	again := wrote(5, "c", 1, 1, "QUEUED")
	again.Write.New = "again"
	group := func(at float64, task string) history.Event {
		return history.Event{At: secs(at), Group: &history.Group{ID: "set", Status: "TRIGGERED", Task: task, TaskStatus: "PENDING"}}
	}
	restore := fault(10, 11, history.Fault{Kind: "store.restore"})
	// The store is back at its second write, of a.
	back := wrote(12, "c", 2, 3, "RUNNING")
	back.Write.New = "back"
	twice := wrote(13, "d", 2, 4, "RUNNING")
	twice.Write.Old, twice.Write.New = "back", "twice"
	canceled := call(5, "cancel", "x", 0)
	canceled.Call.Status = "CANCELED"
	sends := created(1, "x")
	sends.Call.Upload = true
	there := look(6, "x", history.Look{There: true, Size: 100, Final: true})
	fetched := history.Event{At: secs(2), Serve: &history.Serve{ID: "x", Status: 206, Bytes: 100}}
	return []trial{
		{"S3", "one after the other", Held, chain},
		{"S3", "as the store saw it", Held, with(stored, refused, kept)},
		{"S3", "removed twice, and made again", Held, with(stored, gone, gone, put(5, "c", "", "e5", 1))},
		{"S3", "two at once", Violated, with(chain, forked)},
		{"S3", "an epoch falls", Violated, with(chain, wrote(5, "b", 1, 5, "COMPLETED"))},
		{"S3", "two owners in an epoch", Violated, with(chain, wrote(5, "a", 2, 5, "COMPLETED"))},
		{"S3", "two at once, as the store saw it", Violated, with(stored, put(4, "a", "e2", "e4", 2))},
		{"S3", "an old body comes back", Violated, with(stored, put(4, "b", "e3", "e2", 2), put(5, "b", "e2", "e5", 2))},
		{"S3", "without a condition", Violated, with(stored, unconditional)},

		{"S4", "once", Held, with(chain, group(5, "task"), group(6, "task"))},
		{"S4", "a record twice", Violated, with(chain, again)},
		{"S4", "two tasks of a group", Violated, with(chain, group(5, "task"), group(6, "other"))},

		{"S10", "completed", Held, with(chain, shown(5, "x", "COMPLETED"), shown(6, "x", "COMPLETED"))},
		{"S10", "canceled, and nothing there", Held, []history.Event{canceled, shown(6, "x", "CANCELED"), look(6, "x", history.Look{Final: true})}},
		{"S10", "an upload that had arrived", Held, []history.Event{sends, fetched, canceled, shown(6, "x", "CANCELED"), there}},
		{"S10", "runs again", Violated, with(chain, wrote(5, "b", 2, 5, "RUNNING"))},
		{"S10", "completed after it was canceled", Violated, []history.Event{shown(5, "x", "CANCELED"), shown(6, "x", "COMPLETED")}},
		{"S10", "canceled, and published", Violated, []history.Event{canceled, fetched, shown(6, "x", "CANCELED"), there}},

		{"S16", "put back and taken up", Held, with(chain, restore, back)},
		{"S16", "never put back", NotJudged, chain},
		{"S16", "two owners after that", Violated, with(chain, restore, back, twice)},
	}
}
