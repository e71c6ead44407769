package transfer

import (
	"cmp"
	"slices"
	"sort"
)

// Range is a stretch of content, in bytes.
type Range struct{ Offset, Length int64 }

// Ledger knows which parts are stored. It is a set of part numbers, each with
// what the store said of the part. The zero value is empty and ready.
//
// A Ledger has one owner. Copies share memory until one of them changes: use
// Clone to hand one out.
type Ledger struct {
	// parts are in order of their numbers, each number once. Parts mostly
	// arrive in order, so that adding is mostly appending.
	parts []Part
	bytes int64
}

// Add takes a part in; false when its number was there, which changes nothing.
func (l *Ledger) Add(p Part) bool {
	i, found := l.find(p.Number)
	if found || p.Number < 1 {
		return false
	}
	l.parts = slices.Insert(l.parts, i, p)
	l.bytes += p.Size
	return true
}

// Drop takes part n out, if it is there.
func (l *Ledger) Drop(n int) {
	if i, found := l.find(n); found {
		l.bytes -= l.parts[i].Size
		l.parts = slices.Delete(l.parts, i, i+1)
	}
}

// Has tells whether part n is stored.
func (l *Ledger) Has(n int) bool {
	_, found := l.find(n)
	return found
}

// Get returns part n; false when it is not stored.
func (l *Ledger) Get(n int) (Part, bool) {
	if i, found := l.find(n); found {
		return l.parts[i], true
	}
	return Part{}, false
}

// Bytes is the number of bytes stored.
func (l *Ledger) Bytes() int64 { return l.bytes }

// Count is the number of parts stored.
func (l *Ledger) Count() int { return len(l.parts) }

// Parts returns a copy of the parts in order of their numbers.
func (l *Ledger) Parts() []Part { return slices.Clone(l.parts) }

// Complete tells whether the stored parts are the whole content: numbered
// without a gap, each beginning where the one before ends, and together as
// long as the plan says. Never when the size is not known.
func (l *Ledger) Complete(p Plan) bool {
	if p.Size < 0 || l.bytes != p.Size {
		return false
	}
	var end int64
	for i, part := range l.parts {
		if part.Number != i+1 || part.Offset != end {
			return false
		}
		end += part.Size
	}
	return true
}

// FirstMissing is the lowest number that is not stored; false when the plan
// has no such part. A plan of unknown size always has one.
func (l *Ledger) FirstMissing(p Plan) (n int, ok bool) {
	n = l.prefix() + 1
	return n, p.Size == UnknownSize || n <= p.Count()
}

// prefix counts the parts stored without a gap from number 1. Numbers are
// distinct and ascending: once one is ahead of its place, all that follow are.
func (l *Ledger) prefix() int {
	return sort.Search(len(l.parts), func(i int) bool { return l.parts[i].Number != i+1 })
}

// Ranges returns the stored bytes as few ranges, ascending.
func (l *Ledger) Ranges() []Range {
	var out []Range
	for _, p := range l.parts {
		if k := len(out) - 1; k >= 0 && out[k].Offset+out[k].Length == p.Offset {
			out[k].Length += p.Size
			continue
		}
		out = append(out, Range{Offset: p.Offset, Length: p.Size})
	}
	return out
}

// Intervals returns the stored part numbers as few intervals [first, last],
// ascending.
func (l *Ledger) Intervals() [][2]int {
	var out [][2]int
	for _, p := range l.parts {
		if k := len(out) - 1; k >= 0 && out[k][1]+1 == p.Number {
			out[k][1] = p.Number
			continue
		}
		out = append(out, [2]int{p.Number, p.Number})
	}
	return out
}

// Reset empties the ledger.
func (l *Ledger) Reset() { *l = Ledger{} }

// Clone returns a ledger that shares nothing with this one.
func (l *Ledger) Clone() Ledger {
	return Ledger{parts: slices.Clone(l.parts), bytes: l.bytes}
}

func (l *Ledger) find(n int) (i int, found bool) {
	return slices.BinarySearchFunc(l.parts, n, func(p Part, n int) int {
		return cmp.Compare(p.Number, n)
	})
}
