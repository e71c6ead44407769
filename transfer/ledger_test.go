package transfer

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// planned is part n of a plan as a store would report it.
func planned(p Plan, n int) Part {
	offset, size := p.Part(n)
	return Part{Number: n, Offset: offset, Size: size, ETag: "e", CRC64: uint64(n)}
}

// TestLedgerAgainstModel compares with a plain map over random steps.
func TestLedgerAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Plan{Size: rapid.Int64Range(0, 400).Draw(t, "size"), PartSize: 10}
		var ledger Ledger
		model := map[int]Part{}
		number := rapid.IntRange(1, max(plan.Count(), 1))
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				p := planned(plan, number.Draw(t, "n"))
				if p.Size == 0 {
					return
				}
				_, had := model[p.Number]
				if ledger.Add(p) == had {
					t.Fatalf("Add(%d) with the part there: %v", p.Number, had)
				}
				model[p.Number] = p
			},
			"drop": func(t *rapid.T) {
				n := number.Draw(t, "n")
				ledger.Drop(n)
				delete(model, n)
			},
			"reset": func(*rapid.T) {
				ledger.Reset()
				clear(model)
			},
			"clone": func(*rapid.T) { // The original must not follow the clone.
				clone := ledger.Clone()
				clone.Drop(1)
				clone.Add(planned(plan, 2))
				clone.Drop(3)
			},
			"": func(t *rapid.T) { compareLedger(t, plan, &ledger, model) },
		})
	})
}

func compareLedger(t *rapid.T, plan Plan, ledger *Ledger, model map[int]Part) {
	numbers := slices.Sorted(maps.Keys(model))
	var parts []Part
	var bytes int64
	covered := make([]bool, plan.Size)
	for _, n := range numbers {
		parts = append(parts, model[n])
		bytes += model[n].Size
		for i := range model[n].Size {
			covered[model[n].Offset+i] = true
		}
	}
	if got := ledger.Parts(); !slices.Equal(got, parts) || ledger.Count() != len(parts) || ledger.Bytes() != bytes {
		t.Fatalf("got %v (%d, %d bytes), want %v", got, ledger.Count(), ledger.Bytes(), parts)
	}
	missing := 1
	for ; ledger.Has(missing); missing++ {
		if _, ok := model[missing]; !ok {
			t.Fatalf("part %d is not there", missing)
		}
	}
	complete := len(model) == plan.Count()
	if n, ok := ledger.FirstMissing(plan); ok == complete || ok && n != missing || ledger.Complete(plan) != complete {
		t.Fatalf("first missing %d %v, complete %v; want %d", n, ok, ledger.Complete(plan), missing)
	}
	seen := make([]bool, plan.Size)
	for i, r := range ledger.Ranges() {
		if r.Length <= 0 || i > 0 && seen[r.Offset-1] {
			t.Fatalf("ranges are not merged: %v", ledger.Ranges())
		}
		for k := range r.Length {
			seen[r.Offset+k] = true
		}
	}
	if !slices.Equal(seen, covered) {
		t.Fatalf("ranges %v for parts %v", ledger.Ranges(), numbers)
	}
	var inside []int
	for _, iv := range ledger.Intervals() {
		for n := iv[0]; n <= iv[1]; n++ {
			inside = append(inside, n)
		}
	}
	if !slices.Equal(inside, numbers) {
		t.Fatalf("intervals %v for parts %v", ledger.Intervals(), numbers)
	}
}

func TestLedgerCompleteness(t *testing.T) {
	plan := Plan{Size: 25, PartSize: 10}
	full := []Part{planned(plan, 1), planned(plan, 2), planned(plan, 3)}
	short := slices.Clone(full)
	short[2].Size = 4
	shifted := []Part{full[0], {Number: 2, Offset: 15, Size: 10}, full[2]}
	renumbered := []Part{full[0], full[1], {Number: 4, Offset: 20, Size: 5}}
	for _, tc := range []struct {
		name  string
		plan  Plan
		parts []Part
		want  bool
	}{
		{"whole", plan, full, true},
		{"a part short", plan, short, false},
		{"a hole and an overlap of the same length", plan, shifted, false},
		{"a number left out", plan, renumbered, false},
		{"nothing of nothing", Plan{Size: 0, PartSize: 10}, nil, true},
		{"nothing of something", plan, nil, false},
		{"size unknown", Plan{Size: UnknownSize, PartSize: 10, Growing: true}, full, false},
		{"size learned at the end", Plan{Size: 25, PartSize: 10, Growing: true}, full, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var l Ledger
			for _, p := range tc.parts {
				l.Add(p)
			}
			if got := l.Complete(tc.plan); got != tc.want {
				t.Fatalf("complete: %v", got)
			}
		})
	}
}

func TestLedgerZeroValue(t *testing.T) {
	var l Ledger
	l.Drop(1)
	if l.Add(Part{Number: 0, Size: 1}) || l.Has(1) || l.Count() != 0 {
		t.Fatal("a part without a number was taken")
	}
	if n, ok := l.FirstMissing(Plan{Size: UnknownSize, PartSize: 1}); n != 1 || !ok {
		t.Fatalf("first missing of a stream: %d %v", n, ok)
	}
	if !reflect.DeepEqual(l.Clone(), Ledger{}) {
		t.Fatal("a clone of nothing is something")
	}
}
