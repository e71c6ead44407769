package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"godwit/cluster/placement"
)

// shards is how many a cluster has.
const shards = 1024

// nodes returns candidates of weight 1, named like hosts of one rack: names
// that differ in their last digits only are the hard case for a hash.
func nodes(n int) []placement.Candidate {
	candidates := make([]placement.Candidate, n)
	for i := range candidates {
		candidates[i] = placement.Candidate{Name: fmt.Sprintf("node-%d", i+1), Weight: 1}
	}
	return candidates
}

// count returns how many entries of a table each name has.
func count(table []string) map[string]int {
	counts := make(map[string]int)
	for _, owner := range table {
		counts[owner]++
	}
	return counts
}

func TestBalance(t *testing.T) {
	for _, tc := range []struct {
		nodes int
		// slack is how far a node may be from its fair share: 1.2 is 20 % more.
		least, most float64
	}{
		{2, 0.9, 1.1},
		{3, 0.9, 1.1},
		{5, 0.85, 1.15},
		{10, 0.75, 1.25},
		{50, 0.4, 1.7},
	} {
		t.Run(fmt.Sprint(tc.nodes), func(t *testing.T) {
			fair := float64(shards) / float64(tc.nodes)
			counts := count(placement.Table(nodes(tc.nodes), shards))
			if len(counts) != tc.nodes {
				t.Errorf("%d of %d nodes own something", len(counts), tc.nodes)
			}
			for name, n := range counts {
				if share := float64(n) / fair; share < tc.least || share > tc.most {
					t.Errorf("%s has %d shards, %.2f of its fair share", name, n, share)
				}
			}
		})
	}
}

func TestBalanceByWeight(t *testing.T) {
	candidates := nodes(5)
	total := 0
	for i := range candidates {
		candidates[i].Weight = i + 1
		total += i + 1
	}
	const many = 16 * shards
	counts := count(placement.Table(candidates, many))
	for _, c := range candidates {
		fair := float64(many) * float64(c.Weight) / float64(total)
		if share := float64(counts[c.Name]) / fair; share < 0.93 || share > 1.07 {
			t.Errorf("%s of weight %d has %d shards, %.2f of its fair share", c.Name, c.Weight, counts[c.Name], share)
		}
	}
}

func TestWeightOfZeroCountsAsOne(t *testing.T) {
	candidates := nodes(4)
	want := placement.Table(candidates, shards)
	candidates[0].Weight, candidates[1].Weight = 0, -7
	if got := placement.Table(candidates, shards); !slices.Equal(got, want) {
		t.Error("weights of 0 and less change the table")
	}
}

func TestKeysAreBalancedAndIndependentOfShards(t *testing.T) {
	candidates := nodes(4)
	counts := make(map[string]int)
	same := 0
	table := placement.Table(candidates, 4*shards)
	for i := range 4 * shards {
		owner := placement.OwnerOfKey(candidates, fmt.Sprintf("host%d.example.org", i))
		counts[owner]++
		if owner == table[i] {
			same++
		}
	}
	for name, n := range counts {
		if n < shards*9/10 || n > shards*11/10 {
			t.Errorf("%s owns %d keys of %d", name, n, 4*shards)
		}
	}
	if same < shards*9/10 || same > shards*11/10 {
		t.Errorf("%d of %d keys lie with the shard of their number, a quarter is chance", same, 4*shards)
	}
}

// TestPlacementNeverChanges holds the hash: nodes of two versions must agree.
func TestPlacementNeverChanges(t *testing.T) {
	candidates := []placement.Candidate{{Name: "a"}, {Name: "b", Weight: 2}, {Name: "c"}}
	got := fmt.Sprint(placement.Table(candidates, 16), placement.OwnerOfKey(candidates, "example.org"), placement.OwnerOfKey(candidates, ""))
	if want := "[b a c b b c a b c c c a b b c c]ba"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEligible(t *testing.T) {
	ready := placement.Candidate{Name: "ready"}
	held := placement.Candidate{Name: "held", Held: true}
	cordoned := placement.Candidate{Name: "cordoned", Cordoned: true}
	draining := placement.Candidate{Name: "draining", Draining: true}
	lost := placement.Candidate{Name: "lost", Held: true, Cordoned: true}
	for _, tc := range []struct {
		name       string
		candidates []placement.Candidate
		want       string
	}{
		{"nobody is there", nil, "[]"},
		{"one is ready", []placement.Candidate{draining, held, ready, cordoned}, "[ready]"},
		{"some are held", []placement.Candidate{held, cordoned, draining}, "[held]"},
		{"who is held and cordoned is not merely held", []placement.Candidate{lost}, "[]"},
		{"nobody may be given anything", []placement.Candidate{cordoned, draining}, "[]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			names := []string{}
			for _, c := range placement.Eligible(tc.candidates) {
				names = append(names, c.Name)
			}
			if got := fmt.Sprint(names); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if len(names) == 0 {
				if owner := placement.Owner(tc.candidates, 1) + placement.OwnerOfKey(tc.candidates, "k"); owner != "" {
					t.Errorf("%s owns something", owner)
				}
			}
		})
	}
}

// anyone draws up to ten candidates with different names, weights and states.
func anyone(t *rapid.T) []placement.Candidate {
	one := rapid.Custom(func(t *rapid.T) placement.Candidate {
		return placement.Candidate{
			Name:     rapid.StringMatching(`[a-z0-9-]{1,12}`).Draw(t, "name"),
			Weight:   rapid.IntRange(-1, 8).Draw(t, "weight"),
			Draining: rapid.IntRange(0, 5).Draw(t, "draining") == 0,
			Cordoned: rapid.IntRange(0, 5).Draw(t, "cordoned") == 0,
			Held:     rapid.IntRange(0, 5).Draw(t, "held") == 0,
		}
	})
	return rapid.SliceOfNDistinct(one, 0, 10, func(c placement.Candidate) string { return c.Name }).Draw(t, "candidates")
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := anyone(t)
		other := rapid.Permutation(candidates).Draw(t, "other order")
		key := rapid.String().Draw(t, "key")
		if !slices.Equal(placement.Table(candidates, 64), placement.Table(other, 64)) {
			t.Fatal("the table depends on the order")
		}
		if placement.OwnerOfKey(candidates, key) != placement.OwnerOfKey(other, key) {
			t.Fatal("the owner of a key depends on the order")
		}
	})
}

func TestTableSaysWhatOwnerSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := anyone(t)
		for shard, owner := range placement.Table(candidates, 64) {
			if other := placement.Owner(candidates, shard); other != owner {
				t.Fatalf("shard %d: %q in the table, %q alone", shard, owner, other)
			}
		}
	})
}

// TestMovesAreMinimal: one who goes gives away what it had and nothing else
// moves; the same, read backwards, holds for one who comes. It holds for
// leaving in any way: by death, by drain, by cordon.
func TestMovesAreMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := anyone(t)
		eligible := placement.Eligible(candidates)
		if len(eligible) == 0 {
			t.Skip("nobody is there")
		}
		goes := rapid.SampledFrom(eligible).Draw(t, "goes")
		before := placement.Table(eligible, 64)
		without := slices.Clone(eligible)
		i := slices.Index(without, goes)
		switch rapid.SampledFrom([]string{"death", "drain", "cordon"}).Draw(t, "how") {
		case "death":
			without = slices.Delete(without, i, i+1)
		case "drain":
			without[i].Draining = true
		case "cordon":
			without[i].Cordoned = true
		}
		for shard, owner := range placement.Table(without, 64) {
			if before[shard] != goes.Name && owner != before[shard] {
				t.Fatalf("shard %d moved from %s to %s when %s went", shard, before[shard], owner, goes.Name)
			}
			if owner == goes.Name {
				t.Fatalf("shard %d is with %s, who went", shard, owner)
			}
		}
	})
}

func TestMoreWeightOnlyTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidates := placement.Eligible(anyone(t))
		if len(candidates) == 0 {
			t.Skip("nobody is there")
		}
		before := placement.Table(candidates, 64)
		grows := rapid.IntRange(0, len(candidates)-1).Draw(t, "grows")
		candidates[grows].Weight = max(candidates[grows].Weight, 1) + rapid.IntRange(1, 8).Draw(t, "by")
		for shard, owner := range placement.Table(candidates, 64) {
			if owner != before[shard] && owner != candidates[grows].Name {
				t.Fatalf("shard %d moved from %s to %s when %s grew", shard, before[shard], owner, candidates[grows].Name)
			}
		}
	})
}

func BenchmarkTable(b *testing.B) {
	candidates := nodes(50)
	b.ReportAllocs()
	for b.Loop() {
		placement.Table(candidates, shards)
	}
}
