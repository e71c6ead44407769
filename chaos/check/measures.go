package check

import (
	"cmp"
	"maps"
	"slices"

	"godwit/chaos/history"
)

// Measure is a distribution that a run has measured.
type Measure struct {
	Name string
	// Unit is "s" or "MiB".
	Unit   string
	Values []float64
	// Target is what 99 of 100 are to stay below, Bound what all are; 0 is none.
	Target, Bound float64
}

const (
	// The targets in seconds: takeovers where the store fences and where a lease
	// must run out, and a group's decision.
	fencedTarget = 10
	leaseTarget  = 22
	decideTarget = 5
	mib          = 1 << 20
)

// Measures are the distributions that a history holds, those without any value
// left out.
func Measures(h *history.History) []Measure {
	v := newView(h)
	all := slices.Concat(v.takeoverMeasures(), v.nodeMeasures(), v.transferMeasures())
	return slices.DeleteFunc(all, func(m Measure) bool { return len(m.Values) == 0 })
}

func (v *view) takeoverMeasures() []Measure {
	target, bound := float64(leaseTarget), takeoverBound(v.Run).Seconds()
	if v.Run.Fenced {
		target = fencedTarget
	}
	alone := Measure{Name: "takeover, beside no other fault", Unit: "s", Target: target, Bound: bound}
	others := Measure{Name: "takeover, beside other faults", Unit: "s"}
	for _, t := range v.takeovers() {
		switch {
		case t.at == 0:
		case t.alone:
			alone.Values = append(alone.Values, t.took().Seconds())
		default:
			others.Values = append(others.Values, t.took().Seconds())
		}
	}
	return []Measure{alone, others}
}

func (v *view) nodeMeasures() []Measure {
	ready := Measure{Name: "start of a node to its readiness", Unit: "s"}
	for _, node := range v.Nodes() {
		for _, l := range v.Lives(node) {
			if l.Ready > 0 {
				ready.Values = append(ready.Values, (l.Ready - l.Start).Seconds())
			}
		}
	}
	drained := Measure{Name: "drain, with no other fault in its way", Unit: "s", Bound: drainBound.Seconds()}
	for _, d := range v.drains() {
		if d.alone {
			drained.Values = append(drained.Values, d.took.Seconds())
		}
	}
	return []Measure{ready, drained}
}

func (v *view) transferMeasures() []Measure {
	decided := Measure{Name: "decision of a group after its last member", Unit: "s", Target: decideTarget, Bound: decideBound.Seconds()}
	took, _ := v.decideTimes()
	for _, group := range slices.Sorted(maps.Keys(took)) {
		decided.Values = append(decided.Values, took[group].Seconds())
	}
	struck := Measure{Name: "fetched again, for each fault that struck", Unit: "MiB", Target: float64(v.Run.Waste) / mib}
	calm := Measure{Name: "fetched again without a fault, if it was", Unit: "MiB", Bound: spilled / mib}
	all := v.fetchedTransfers()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		f := all[id]
		causes := f.faults + f.broken + f.pauses
		switch extra := float64(f.extra()) / mib; {
		case f.Whole || f.afresh > 0 || len(f.generations) > 1:
			// It had to begin again, which is another matter.
		case causes > 0:
			struck.Values = append(struck.Values, extra/float64(causes))
		case extra > 0:
			calm.Values = append(calm.Values, extra)
		}
	}
	life := Measure{Name: "acceptance of a transfer to its end", Unit: "s"}
	for _, a := range v.acceptedTransfers() {
		if a.ended > 0 {
			// One may have ended before a repeated call was told of its acceptance.
			life.Values = append(life.Values, max(a.ended-a.at, 0).Seconds())
		}
	}
	slices.Sort(life.Values)
	return []Measure{decided, struck, calm, life}
}

// Moved is a change of owner of a transfer, for those who draw it.
type Moved struct {
	ID, From, To string
	// At is the time of the new owner's first write, Took how long after the fault
	// that caused it; 0 when no fault did.
	At, Took float64
}

// Moves are the changes of owner of running transfers, times in seconds.
func Moves(h *history.History) []Moved {
	v := newView(h)
	byClaim := map[[2]any]takeover{}
	for _, t := range v.takeovers() {
		byClaim[[2]any{t.key, t.at}] = t
	}
	var all []Moved
	for _, key := range v.keys {
		if kindOf(key) != "t" {
			continue
		}
		for _, t := range v.tenures[key] {
			if t.next == nil || t.next.Write.Epoch == 0 {
				continue
			}
			m := Moved{ID: idOf(key), From: t.node, To: t.next.Write.Owner, At: t.next.Until().Seconds()}
			if by, ok := byClaim[[2]any{key, t.next.Until()}]; ok {
				m.Took = by.took().Seconds()
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Moved) int { return cmp.Compare(a.At, b.At) })
	return all
}
