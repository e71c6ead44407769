package check

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"godwit/chaos/history"
)

// lateBound is how long after the last fault, or after it was accepted, a
// transfer may take beyond the time that the whole workload needs.
const lateBound = 120 * time.Second

// accepted is a transfer whose creation was acknowledged.
type accepted struct {
	*history.Call
	at time.Duration
	// shown is what the API showed last, nil for nothing; ended is when a terminal
	// status was first seen, 0 for never.
	shown *history.Transfer
	ended time.Duration
	// final tells that shown is of the end.
	final bool
	// deleted tells that its user removed it, or may have; canceled that its user
	// asked for that.
	deleted, canceled bool
	// missing is when the API said that there is no such transfer, 0 for never.
	missing time.Duration
}

// doomed tells that a transfer has to fail.
func (a *accepted) doomed() bool { return a.Size < 0 || a.Expect != "" }

// transfersOf are all that were acknowledged, by id, with what was seen of them.
func (v *view) acceptedTransfers() map[string]*accepted {
	all := map[string]*accepted{}
	for _, e := range v.Calls {
		if c := e.Call; c.Op == "create" && c.Outcome == history.OK && all[c.ID] == nil {
			all[c.ID] = &accepted{Call: c, at: e.Until()}
		}
	}
	for _, e := range v.Calls {
		c := e.Call
		switch a := all[c.ID]; {
		case a == nil:
		case c.Op == "delete":
			a.deleted = true // one that is refused may follow one that was not answered
		case c.Op == "cancel" && c.Outcome != history.Refused:
			a.canceled = true
		case c.Code == "transfer.not_found" && e.At >= a.at && !a.deleted:
			a.missing = e.At
		}
	}
	for _, e := range v.Transfers {
		t := e.Transfer
		a := all[t.ID]
		if a == nil || a.final && !t.Final {
			continue
		}
		a.shown, a.final = t, t.Final
		if terminal(t.Status) && a.ended == 0 {
			a.ended = e.At
		}
	}
	return all
}

// nothingLost is S1.
func nothingLost(v *view) Result {
	all := v.acceptedTransfers()
	switch {
	case len(all) == 0:
		return Result{Lacks: "transfers that were accepted"}
	case len(v.Transfers) == 0:
		return Result{Lacks: "what the API shows of transfers"}
	}
	r := Result{Judged: fmt.Sprintf("%d accepted transfers", len(all))}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		switch a := all[id]; {
		case a.missing > 0:
			r.violate(a.missing, id, "it was accepted at %.1f s, and the API says that there is none", a.at.Seconds())
		case a.shown == nil && !a.deleted:
			r.violate(a.at, id, "it was accepted, and was never seen again")
		}
	}
	return r
}

// allComplete is L1.
func allComplete(v *view) Result {
	all := v.acceptedTransfers()
	var r Result
	var took []time.Duration
	judged, healed := 0, v.Healed()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a := all[id]
		if a.doomed() || a.canceled || a.shown == nil || a.deleted && a.ended == 0 {
			continue
		}
		judged++
		since := max(healed, a.at)
		switch late := a.ended - since; {
		case a.ended == 0:
			r.violate(a.at, id, "it was accepted at %.1f s and is %s at the end, %.0f s after the last fault", a.at.Seconds(), a.shown.Status,
				(v.End() - since).Seconds())
		case a.shown.Status != "COMPLETED":
			r.violate(a.ended, id, "it is %s: %s", a.shown.Status, a.shown.Code)
		case v.Run.Strict && v.Run.Ideal > 0 && late > v.Run.Ideal+lateBound:
			r.violate(a.ended, id, "it was completed %.0f s after the last fault", late.Seconds())
		default:
			took = append(took, max(late, 0))
		}
	}
	if judged == 0 {
		return Result{Lacks: "accepted transfers whose status was looked at"}
	}
	r.Judged = fmt.Sprintf("%d transfers that had to complete", judged)
	if len(took) > 0 && healed > 0 {
		r.Judged += fmt.Sprintf(", the last %.0f s after the last fault or its acceptance", slices.Max(took).Seconds())
	}
	if !v.Run.Strict || v.Run.Ideal == 0 {
		r.Lacks = "a time in which the workload completes when nothing disturbs it"
	}
	return r
}

// doomedFail is L9.
func doomedFail(v *view) Result {
	all := v.acceptedTransfers()
	var r Result
	judged := 0
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a := all[id]
		if !a.doomed() || a.canceled || a.shown == nil || a.deleted && a.ended == 0 {
			continue
		}
		judged++
		if a.shown.Status != "FAILED" {
			r.violate(a.at, id, "it cannot succeed, and is %s at the end", a.shown.Status)
		}
	}
	if judged == 0 {
		return Result{Lacks: "transfers that cannot succeed"}
	}
	r.Judged = fmt.Sprintf("%d transfers that cannot succeed", judged)
	return r
}

// code is what a stable code looks like.
var code = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)

// errorsHaveCodes is S20.
func errorsHaveCodes(v *view) Result {
	var r Result
	calls, failed := 0, 0
	for _, e := range v.Calls {
		c := e.Call
		if c.Outcome != history.Refused {
			continue
		}
		calls++
		if !code.MatchString(c.Code) {
			r.violate(e.At, strings.TrimSpace(c.Op+" "+c.ID), "refused with the code %q", c.Code)
		}
	}
	all := v.acceptedTransfers()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a := all[id]
		if a.shown == nil || a.shown.Status != "FAILED" {
			continue
		}
		failed++
		switch {
		case !code.MatchString(a.shown.Code):
			r.violate(a.ended, id, "it failed with the code %q", a.shown.Code)
		case a.Expect != "" && a.shown.Code != a.Expect:
			r.violate(a.ended, id, "it failed with %s, its cause is %s", a.shown.Code, a.Expect)
		}
	}
	if calls+failed == 0 {
		return Result{Lacks: "refused calls and failed transfers"}
	}
	r.Judged = fmt.Sprintf("%d refused calls, %d failed transfers", calls, failed)
	return r
}
