package check

import (
	"fmt"
	"maps"
	"slices"

	"godwit/chaos/history"
)

// bytesRight is S2: what a completed transfer has left was read to its end and is
// its origin's content, of one generation.
func bytesRight(v *view) Result {
	served := map[string]map[int]bool{}
	for _, e := range v.Serves {
		if served[e.Serve.ID] == nil {
			served[e.Serve.ID] = map[int]bool{}
		}
		served[e.Serve.ID][e.Serve.Generation] = true
	}
	looks := map[string]*history.Event{} // the first that read everything
	for _, e := range v.Looks {
		if e.Look.Final && looks[e.Look.ID] == nil {
			looks[e.Look.ID] = e
		}
	}
	var r Result
	var read int64
	all, judged, unread := v.acceptedTransfers(), 0, 0
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a, e := all[id], looks[id]
		if a.shown == nil || a.shown.Status != "COMPLETED" {
			continue
		}
		if e == nil {
			unread++
			continue
		}
		judged++
		read += e.Look.Size
		switch l := e.Look; {
		case !l.There:
			r.violate(e.At, id, "it is completed, and there is no result")
		case l.Wrong != "":
			r.violate(e.At, id, "%s", l.Wrong)
		case a.Size > 0 && l.Size != a.Size:
			r.violate(e.At, id, "%d bytes, its origin has %d", l.Size, a.Size)
		case len(served[id]) > 0 && !served[id][l.Generation]:
			r.violate(e.At, id, "it has generation %d, which its origin never served", l.Generation)
		}
	}
	if judged > 0 {
		r.Judged = fmt.Sprintf("%d results, %s", judged, bytesOf(read))
	}
	if unread > 0 || judged == 0 {
		r.Lacks = fmt.Sprintf("a look at the results of %d completed transfers", unread)
	}
	return r
}

// neverPartial is S13: whoever reads a result while it is made sees nothing, or
// all of it.
func neverPartial(v *view) Result {
	var r Result
	seen, absentSeen := 0, 0
	for _, e := range v.Looks {
		switch l := e.Look; {
		case !l.There:
			absentSeen++
		case l.Wrong != "":
			r.violate(e.At, l.ID, "seen: %s", l.Wrong)
			fallthrough
		default:
			seen++
		}
	}
	if seen+absentSeen == 0 {
		return Result{Lacks: "looks at results"}
	}
	r.Judged = fmt.Sprintf("%d looks that saw a result, %d that saw none yet", seen, absentSeen)
	return r
}
