package check

import (
	"maps"
	"slices"

	"godwit/chaos/history"
)

// undecided tells that a write may have happened or not.
func undecided(e *history.Event) bool {
	return e.Write.Outcome == history.Begun || e.Write.Outcome == history.Unknown
}

// by names the writer that a record speaks of.
func by(e *history.Event) string { return e.Write.Owner + "/" + e.Write.Incarnation }

// absent stands for the version of a record that is not there.
const absent = ""

// life is what became of a record from its creation to its deletion, as far as
// it is known: each write replaced what the one before it left.
type life []*history.Event

// chain puts the writes of one key in the order in which they happened, which
// versions tell and clocks do not.
type chain struct {
	// from holds the accepted writes by the version that they replaced, maybe the
	// undecided ones.
	from, maybe map[string][]*history.Event
	// orphans are versions that somebody replaced although no accepted write left
	// them: undecided ones did. The value is the write that replaced it.
	orphans map[string]*history.Event
	// placed are the writes that have a place.
	placed map[*history.Event]bool
}

// newChain takes the writes of one key in the order of their times.
func newChain(writes []*history.Event) *chain {
	c := &chain{
		from: map[string][]*history.Event{}, maybe: map[string][]*history.Event{},
		orphans: map[string]*history.Event{}, placed: map[*history.Event]bool{},
	}
	left := map[string]bool{absent: true}
	for _, w := range writes {
		switch {
		case w.Write.Outcome == history.OK:
			c.from[w.Write.Old] = append(c.from[w.Write.Old], w)
			left[w.Write.New] = true
		case undecided(w):
			c.maybe[w.Write.Old] = append(c.maybe[w.Write.Old], w)
		}
	}
	for _, replaced := range []map[string][]*history.Event{c.maybe, c.from} {
		for old, by := range replaced {
			if !left[old] {
				c.orphans[old] = by[0]
			}
		}
	}
	return c
}

// lives follows each creation to its end. What is left over then follows no
// write that is known: it comes last, as broken.
func (c *chain) lives() (whole, broken []life) {
	for _, w := range c.from[absent] {
		whole = append(whole, c.follow(w, w.Write.New))
	}
	for _, w := range c.maybe[absent] {
		if version, ok := c.leftBy(w); ok {
			whole = append(whole, c.follow(w, version))
		}
	}
	for _, old := range slices.Sorted(maps.Keys(c.orphans)) {
		for _, w := range c.from[old] {
			if !c.placed[w] {
				broken = append(broken, c.follow(w, w.Write.New))
			}
		}
	}
	return whole, broken
}

// follow places a write that left this version, and what came after it.
func (c *chain) follow(w *history.Event, version string) life {
	var l life
	for w != nil && !c.placed[w] {
		c.placed[w] = true
		l = append(l, w)
		if version == absent {
			break
		}
		w, version = c.next(version)
	}
	return l
}

// next is the write that replaced a version, and what it left.
func (c *chain) next(version string) (*history.Event, string) {
	if accepted := c.from[version]; len(accepted) > 0 {
		return accepted[0], accepted[0].Write.New
	}
	for _, w := range c.maybe[version] {
		if left, ok := c.leftBy(w); ok {
			return w, left
		}
	}
	return nil, absent
}

// leftBy finds the version that an undecided write must have left, if any: one
// of unknown origin whose replacement may have come right after it, and of
// several the one that was replaced first. Whether a deletion happened that
// nobody followed does not matter.
func (c *chain) leftBy(w *history.Event) (string, bool) {
	if w.Write.Op == "delete" {
		return absent, false
	}
	found := absent
	for _, version := range slices.Sorted(maps.Keys(c.orphans)) {
		after := c.orphans[version]
		if after == w || !follows(w.Write, after.Write) {
			continue
		}
		if found == absent || sooner(w, after, c.orphans[found]) {
			found = version
		}
	}
	delete(c.orphans, found)
	return found, found != absent
}

// follows tells whether a write may have replaced another one, by what is in
// them: each write counts one further, and so does each change of owner.
func follows(before, after *history.Write) bool {
	if before.Sequence == 0 || after.Sequence == 0 {
		return true // not every record counts
	}
	return after.Sequence == before.Sequence+1 && (after.Epoch == before.Epoch || after.Epoch == before.Epoch+1)
}

// sooner tells which of two came first after a write.
func sooner(w, a, b *history.Event) bool {
	if (a.At < w.At) != (b.At < w.At) {
		return b.At < w.At // what was before it cannot follow it, if clocks agree
	}
	return a.At < b.At
}
