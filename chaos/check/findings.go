package check

import (
	"fmt"
	"maps"
	"slices"

	"godwit/chaos/history"
)

// judgeFindings holds what the harness has found of a kind against a promise.
func judgeFindings(v *view, kind, looked, lacks string) Result {
	var r Result
	found := 0
	for _, e := range v.Findings {
		if e.Finding.Kind != kind {
			continue
		}
		found++
		if e.Finding.Wrong {
			r.violate(e.At, kind, "%s", e.Finding.Text)
		}
	}
	if found == 0 {
		r.Lacks = lacks
		return r
	}
	r.Judged = fmt.Sprintf("%d %s", found, looked)
	return r
}

// poisonIsolated is S11.
func poisonIsolated(v *view) Result {
	poisoned := map[string]bool{}
	for _, e := range v.Faults {
		if e.Fault.Is(history.FaultPoison) {
			for _, id := range e.Fault.Struck {
				poisoned[id] = true
			}
		}
	}
	if len(poisoned) == 0 {
		return Result{Lacks: "records that were made unreadable"}
	}
	var r Result
	others := 0
	all := v.acceptedTransfers()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		a := all[id]
		if poisoned[id] || a.doomed() || a.canceled || a.deleted || a.shown == nil {
			continue
		}
		others++
		if a.shown.Status != "COMPLETED" {
			r.violate(a.at, id, "its record is whole, and it is %s at the end", a.shown.Status)
		}
	}
	for _, l := range v.died() {
		r.violate(l.End, l.Node, "it ended with code %d", l.Code)
	}
	r.Judged = fmt.Sprintf("%d records that were made unreadable, beside %d others", len(poisoned), others)
	return r
}

// died are the lives that ended by themselves.
func (v *view) died() []history.Life {
	var all []history.Life
	for _, node := range v.Nodes() {
		for _, l := range v.Lives(node) {
			if l.Ended && !l.Wanted {
				all = append(all, l)
			}
		}
	}
	return all
}

// unknownKept is S12.
func unknownKept(v *view) Result {
	return judgeFindings(v, "unknown-fields", "records with fields that a node did not know", "nodes of two versions")
}

// noStrangers is S15.
func noStrangers(v *view) Result {
	r := judgeFindings(v, "foreign", "attempts of others to join", "attempts of others to join")
	known := v.Nodes()
	for _, e := range v.Members {
		for _, name := range slices.Sorted(maps.Keys(e.Members.States)) {
			if len(known) > 0 && !slices.Contains(known, name) {
				r.violate(e.At, e.Node, "it has the member %s, which is no node of this cluster", name)
			}
		}
	}
	return r
}

// noDenied is S17.
func noDenied(v *view) Result {
	return judgeFindings(v, "denied", "attempts to make a node connect to a denied address", "attempts to make a node connect to a denied address")
}

// noSecrets is S18.
func noSecrets(v *view) Result {
	return judgeFindings(v, "secret", "places searched for secrets", "a search for secrets")
}

// withinLimits is S19.
func withinLimits(v *view) Result {
	var r Result
	samples, streams := 0, 0
	var resident int64
	most := 0
	for _, e := range v.Samples {
		if v.Run.Memory == 0 {
			break
		}
		samples++
		resident = max(resident, e.Sample.Resident)
		if e.Sample.Resident > v.Run.Memory {
			r.violate(e.At, e.Node, "%s are resident, %s may be", bytesOf(e.Sample.Resident), bytesOf(v.Run.Memory))
		}
	}
	for _, e := range v.Serves {
		if v.Run.Streams == 0 || e.Serve.Streams == 0 {
			continue
		}
		streams++
		most = max(most, e.Serve.Streams)
		if e.Serve.Streams > v.Run.Streams {
			r.violate(e.At, e.Node, "it had %d connections to an origin, %d may be", e.Serve.Streams, v.Run.Streams)
		}
	}
	if samples > 0 {
		r.Judged = fmt.Sprintf("%d samples of memory, at most %s", samples, bytesOf(resident))
	} else {
		r.Lacks = "samples of memory with a limit"
	}
	switch {
	case streams > 0 && r.Judged != "":
		r.Judged += fmt.Sprintf("; %d answers of origins, at most %d at once to a node", streams, most)
	case streams > 0:
		r.Judged = fmt.Sprintf("%d answers of origins, at most %d at once to a node", streams, most)
	case r.Lacks != "":
		r.Lacks += ", and of connections"
	default:
		r.Lacks = "counts of connections with a limit"
	}
	return r
}
