package check

import (
	"fmt"
	"slices"
	"time"

	"godwit/chaos/history"
)

const (
	// fencedBound is how long a takeover may take where the store fences those who
	// were succeeded, leaseBound the same where a lease must run out.
	fencedBound = 30 * time.Second
	leaseBound  = 45 * time.Second
)

func takeoverBound(run history.Run) time.Duration {
	if run.Fenced {
		return fencedBound
	}
	return leaseBound
}

// takeover is a running transfer that got a new owner, or needed one, because of
// a fault.
type takeover struct {
	key, from, to string
	fault         *history.Event
	// struck is when the fault had its effect: a process that is to die at some
	// step dies when it gets there.
	struck time.Duration
	// at is when the new owner's claim was accepted, 0 for never.
	at time.Duration
	// alone tells that no other fault came in between and that others could take
	// it over: that one alone is to be held against the bound.
	alone bool
}

func (t *takeover) took() time.Duration { return t.at - t.struck }

// takeovers are those of transfers that were running.
func (v *view) takeovers() []takeover {
	var all []takeover
	for _, key := range v.keys {
		if kindOf(key) != "t" {
			continue
		}
		for i := range v.tenures[key] {
			if t, ok := v.takeover(&v.tenures[key][i]); ok {
				all = append(all, t)
			}
		}
	}
	return all
}

// takeover is how a tenure ended, if a fault ended it or should have.
func (v *view) takeover(t *tenure) (takeover, bool) {
	if t.released || !slices.Contains([]string{"RUNNING", "VERIFYING", "COMPLETING"}, t.phase) {
		return takeover{}, false
	}
	end := v.End()
	if t.next != nil {
		end = t.next.At
	}
	var by *history.Event // the last that can have ended it
	for _, e := range v.Struck(t.node) {
		switch f, at := e.Fault, v.struckAt(e, t.node); {
		case at < t.since() || at > end || f.Graceful || !slices.Contains(f.Nodes, t.node):
		case f.Is(history.FaultKill),
			(f.Is(history.FaultStop) || f.Is(history.FaultCut)) && t.next != nil && end <= e.Until()+recovery && (by == nil || !by.Fault.Is(history.FaultKill)):
			by = e
		}
	}
	if by == nil {
		return takeover{}, false
	}
	found := takeover{key: t.key, from: t.node, fault: by, struck: v.struckAt(by, t.node), alone: len(by.Fault.Nodes) < len(v.Nodes())}
	if t.next != nil {
		found.at, found.to = t.next.Until(), t.next.Write.Owner
		end = found.at
	}
	for _, e := range v.Faults {
		if e != by && e.At < end && e.Until() > found.struck {
			found.alone = false
		}
	}
	return found, true
}

// struckAt is when a fault had its effect on a node.
func (v *view) struckAt(e *history.Event, node string) time.Duration {
	for _, l := range v.Lives(node) {
		if e.Fault.Is(history.FaultKill) && l.Ended && l.End >= e.At && l.End <= e.Until() {
			return l.End
		}
	}
	return e.At
}

// takenOver is L3.
func takenOver(v *view) Result {
	all := v.takeovers()
	if len(all) == 0 {
		return Result{Lacks: "transfers that ran at a node that was struck"}
	}
	var r Result
	bound := takeoverBound(v.Run)
	alone, late := 0, 0
	var worst time.Duration
	for _, t := range all {
		if t.at == 0 {
			if waited := history.Quiet(t.struck, v.End(), v.Disturbed(0)); waited > bound {
				r.violate(t.fault.At, t.key, "%s was struck by %s at %.1f s, and nobody has gone on with it", t.from, t.fault.Fault.Kind, t.struck.Seconds())
			}
			continue
		}
		if !t.alone {
			continue
		}
		alone++
		worst = max(worst, t.took())
		if t.took() > bound {
			late++
			if v.Run.Strict {
				r.violate(t.at, t.key, "%s took it over from %s %.1f s after %s", t.to, t.from, t.took().Seconds(), t.fault.Fault.Kind)
			}
		}
	}
	r.Judged = fmt.Sprintf("%d takeovers, %d of them beside no other fault, the slowest of these %.1f s", len(all), alone, worst.Seconds())
	return r.untimed(v, late)
}

// ownersStay is L7: who was not struck keeps what it has.
func ownersStay(v *view) Result {
	var r Result
	records, changes, forced := 0, 0, 0
	for _, key := range v.keys {
		if kindOf(key) != "t" {
			continue
		}
		records++
		var unforced []time.Duration
		for i, t := range v.tenures[key] {
			if i+1 == len(v.tenures[key]) || t.next == nil {
				continue
			}
			changes++
			if v.forced(&t) {
				forced++
				continue
			}
			unforced = append(unforced, t.next.At)
			if n := len(unforced); len(v.Faults) == 0 {
				r.violate(t.next.At, key, "%s took it from %s, and no fault had struck", t.next.Write.Owner, t.node)
			} else if n > 1 && unforced[n-1]-unforced[n-2] < time.Minute {
				r.violate(t.next.At, key, "it changed its owner, who was not struck, twice within %.0f s", (unforced[n-1] - unforced[n-2]).Seconds())
			}
		}
	}
	if records == 0 {
		return Result{Lacks: "writes to records of transfers"}
	}
	r.Judged = fmt.Sprintf("%d changes of owner of %d transfers, %d of them without cause", changes, records, changes-forced)
	return r
}

// calm is how long after a fault is over a change of owner may come from it.
const calm = 2 * time.Minute

// forced tells whether a tenure ended for a cause: it was given up, its node
// began another life, or a fault struck one of the two.
func (v *view) forced(t *tenure) bool {
	to := t.next.Write.Owner
	if t.released || to == t.node {
		return true
	}
	for _, e := range v.Faults {
		f := e.Fault
		if f.Is(history.FaultMild) || t.next.At < e.At || t.next.At > e.Until()+calm {
			continue
		}
		if len(f.Nodes) == 0 || slices.Contains(f.Nodes, t.node) || slices.Contains(f.Nodes, to) {
			return true
		}
	}
	return false
}
