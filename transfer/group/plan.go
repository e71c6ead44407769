package group

import (
	"maps"
	"slices"
	"time"
)

// Plan says which members get a turn now, and which are to give theirs back. It
// changes no member: put them with Turn when they are told of it, and without it
// when they have said that it was given back. Until then nobody else gets it,
// and the next plan says the same again.
func Plan(s State, m *Members, now time.Time) (grant, revoke []string) {
	m.sort(s)
	p := planner{spec: s.Spec, now: now, free: s.Spec.slots(len(m.order)), kept: map[*entry]bool{}}
	holders := slices.SortedFunc(maps.Values(m.turns), byRank)
	if !s.Paused {
		room := p.free - len(holders)
		p.keep(holders)
		p.fill(m.order)
		grant = p.grant[:max(0, min(room, len(p.grant)))]
	}
	for _, e := range holders {
		if !p.kept[e] {
			revoke = append(revoke, e.ID)
		}
	}
	return grant, revoke
}

// slots is how many of so many members run at a time.
func (s Spec) slots(members int) int {
	switch {
	case s.Behavior == Serialized:
		return 1
	case s.Limit == 0:
		return members
	}
	return s.Limit
}

// planner carries one Plan.
type planner struct {
	spec  Spec
	now   time.Time
	free  int
	kept  map[*entry]bool
	grant []string
}

// keep leaves turns with those that have them, the first ones if the limit has
// become too low. Those that yield have to stand in line again.
func (p *planner) keep(holders []*entry) {
	for _, e := range holders {
		if p.free > 0 && !e.yields && (p.runnable(e) || p.holdsPlace(e)) {
			p.kept[e] = true
			p.free--
		}
	}
}

// fill gives what turns are left in order.
func (p *planner) fill(order []*entry) {
	for _, e := range order {
		if p.free == 0 {
			return
		}
		switch {
		case p.kept[e], !p.runnable(e) && !p.holdsPlace(e):
			continue
		case e.Turn:
			// It yields, but those before it leave a turn for it.
			e.yields, p.kept[e] = false, true
		case p.runnable(e):
			p.grant = append(p.grant, e.ID)
		}
		p.free--
	}
}

func (p *planner) runnable(e *entry) bool {
	return e.Standing == Waiting || e.Standing == Running || e.Standing == Delayed && !e.NotBefore.After(p.now)
}

// holdsPlace tells that nobody overtakes a member although it does not run.
func (p *planner) holdsPlace(e *entry) bool {
	return p.spec.StrictOrder && (e.Standing == Paused || e.Standing == Delayed)
}
