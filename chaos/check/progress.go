package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"godwit/chaos/history"
)

// neverBack is S7: what a record says is stored stays stored, as long as it is of
// the same content in the same upload.
func neverBack(v *view) Result {
	var r Result
	records, writes := 0, 0
	for _, key := range v.keys {
		if kindOf(key) != "t" {
			continue
		}
		seen := 0
		for _, l := range v.lives[key] {
			var before *history.Event
			for _, e := range l {
				if e.Write.Phase == "" {
					continue
				}
				if before != nil && backwards(before.Write, e.Write) {
					r.violate(e.At, key, "%d bytes of generation %d were stored, then %d of generation %d: %s, after %s",
						before.Write.Done, before.Write.Generation, e.Write.Done, e.Write.Generation, described(e), described(before))
				}
				if e.Write.Done > 0 {
					seen++
				}
				before = e
			}
		}
		if seen > 0 {
			records++
			writes += seen
		}
	}
	if records == 0 {
		return Result{Lacks: "writes that say how much is stored"}
	}
	r.Judged = fmt.Sprintf("%d writes with progress to %d records", writes, records)
	return r
}

// backwards tells whether progress was lost from one write to the next.
func backwards(before, now *history.Write) bool {
	switch {
	case terminal(before.Phase) || terminal(now.Phase):
		return false // what is stored of the failed is removed
	case now.Generation < before.Generation:
		return true
	}
	return now.Generation == before.Generation && now.Restarts == before.Restarts && now.Upload == before.Upload && now.Done < before.Done
}

const (
	// stuckBound is how long a transfer may go on without visible progress while
	// nothing disturbs it, slowBound the same where the machine's load is not
	// known.
	stuckBound = 60 * time.Second
	slowBound  = 180 * time.Second
	// recovery is how long the effects of a fault may last after it is over.
	recovery = 45 * time.Second
)

// nothingStuck is L5: each transfer that is not waiting for a time of its own
// shows progress.
func nothingStuck(v *view) Result {
	bound := slowBound
	if v.Run.Strict {
		bound = stuckBound
	}
	disturbed := v.Disturbed(recovery)
	last := map[string]*history.Event{} // what showed progress last
	worst := map[string]time.Duration{}
	for _, e := range v.Transfers {
		t, before := e.Transfer, last[e.Transfer.ID]
		if before != nil && !terminal(before.Transfer.Status) && !before.Transfer.Waits {
			worst[t.ID] = max(worst[t.ID], history.Quiet(before.At, e.At, disturbed))
		}
		if before == nil || t.Waits || moved(before.Transfer, t) {
			last[t.ID] = e
		}
	}
	quiet := history.Quiet(0, v.End(), disturbed)
	switch {
	case len(last) == 0:
		return Result{Lacks: "what the API shows of transfers"}
	case quiet <= bound:
		return Result{Lacks: fmt.Sprintf("more than %.0f s that no fault disturbs", bound.Seconds())}
	}
	var r Result
	var longest time.Duration
	for _, id := range slices.Sorted(maps.Keys(worst)) {
		longest = max(longest, worst[id])
		if worst[id] > bound {
			e := last[id]
			r.violate(e.At, id, "%s, %d bytes, and nothing moved for %.0f s that nothing disturbed", e.Transfer.Status, e.Transfer.Done, worst[id].Seconds())
		}
	}
	r.Judged = fmt.Sprintf("%d transfers in %.0f s that no fault disturbed, the longest stand %.0f s", len(last), quiet.Seconds(), longest.Seconds())
	return r
}

// moved tells whether anything went on between two looks.
func moved(before, now *history.Transfer) bool {
	return before.Status != now.Status || before.Epoch != now.Epoch || before.Generation != now.Generation ||
		before.Done != now.Done || before.Wire != now.Wire
}
