package dir

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A keyspace does what a map and sorting do.
func TestKeyspaceIsASortedMap(t *testing.T) {
	key := rapid.StringMatching(`[a-c/]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		var k keyspace
		model := map[string]uint64{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				s := slot{key: key.Draw(t, "key"), seq: rapid.Uint64().Draw(t, "seq")}
				old, replaced := k.set(s)
				if was, ok := model[s.key]; ok != replaced || was != old.seq {
					t.Fatalf("replaced %v, %v", old, replaced)
				}
				model[s.key] = s.seq
			},
			"remove": func(t *rapid.T) {
				name := key.Draw(t, "key")
				old, ok := k.remove(name)
				if was, there := model[name]; ok != there || was != old.seq {
					t.Fatalf("removed %v, %v", old, ok)
				}
				delete(model, name)
			},
			"list": func(t *rapid.T) {
				prefix, after := rapid.StringMatching(`[a-c/]{0,2}`).Draw(t, "prefix"), rapid.StringMatching(`[a-c/]{0,3}`).Draw(t, "after")
				limit := rapid.IntRange(1, 50).Draw(t, "limit")
				var want []string
				for _, name := range slices.Sorted(maps.Keys(model)) {
					if strings.HasPrefix(name, prefix) && name > after && len(want) < limit {
						want = append(want, name)
					}
				}
				if got := k.list(prefix, after, limit); !slices.Equal(got, want) {
					t.Fatalf("listed %q, want %q", got, want)
				}
			},
			"": func(t *rapid.T) {
				name := key.Draw(t, "key")
				s, ok := k.get(name)
				if was, there := model[name]; ok != there || was != s.seq || k.len != len(model) {
					t.Fatalf("%v, %v, %d keys", s, ok, k.len)
				}
			},
		})
	})
}

// Many keys, in order, backwards and mixed, stay in order in blocks that are
// neither empty nor too large.
func TestKeyspaceBlocks(t *testing.T) {
	const n = 20 * blockSize
	for name, order := range map[string]func(i int) int{
		"ascending":  func(i int) int { return i },
		"descending": func(i int) int { return n - i },
		"mixed":      func(i int) int { return i * 7919 % n },
	} {
		var k keyspace
		for i := range n {
			k.set(slot{key: string(rune(0x4e00 + order(i)))})
		}
		for i := 0; i < n; i += 3 {
			k.remove(string(rune(0x4e00 + order(i))))
		}
		for _, b := range k.blocks {
			if len(b) == 0 || len(b) > blockSize {
				t.Fatalf("%s: a block of %d", name, len(b))
			}
		}
		all := k.list("", "", n)
		if !slices.IsSorted(all) || len(all) != k.len || len(all) != n-(n+2)/3 {
			t.Errorf("%s: %d keys listed, %d known", name, len(all), k.len)
		}
		if name == "ascending" && len(k.blocks) > n/blockSize+1 {
			t.Errorf("ascending keys fill %d blocks", len(k.blocks))
		}
	}
}
