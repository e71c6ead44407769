package cluster

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// someLife is a life of a name, alive unless changed.
func someLife(name string, epoch uint64, change ...func(*life)) life {
	l := life{
		id: fmt.Sprintf("%s@%d", name, epoch), name: name, heard: heardAlive,
		ip: net.IPv4(10, 0, 0, byte(epoch)), port: 7482,
		meta: Meta{Incarnation: fmt.Sprintf("%s.%d", name, epoch), Epoch: epoch, RemoteAddr: "10.0.0.1:7481"},
	}
	for _, c := range change {
		c(&l)
	}
	return l
}

func died(l *life)     { l.heard = heardDead }
func departed(l *life) { l.heard = heardLeft }
func drains(l *life)   { l.meta.Draining = true }
func joins(l *life)    { l.joining = true }

func (l life) called(id, incarnation string) life {
	l.id, l.meta.Incarnation = id, incarnation
	return l
}

// TestStanding is the table of what gossip says and what the witness has seen.
func TestStanding(t *testing.T) {
	for _, tc := range []struct {
		gossip string
		life   life
		want   map[sight]string
	}{
		{"alive", someLife("n1", 1), map[sight]string{
			unseen: "ALIVE", connected: "ALIVE", unreachable: "SUSPECT", refused: "DEAD gone",
		}},
		{"draining", someLife("n1", 1, drains), map[sight]string{
			unseen: "DRAINING", connected: "DRAINING", unreachable: "SUSPECT", refused: "DEAD gone",
		}},
		{"dead", someLife("n1", 1, died), map[sight]string{
			unseen: "DEAD", connected: "DEAD", unreachable: "DEAD", refused: "DEAD gone",
		}},
		{"dead while draining", someLife("n1", 1, died, drains), map[sight]string{
			unseen: "DEAD", connected: "DEAD", unreachable: "DEAD", refused: "DEAD gone",
		}},
	} {
		for s, want := range tc.want {
			got := members([]life{tc.life}, map[sightKey]sight{tc.life.key(): s})[0]
			said := string(got.State)
			if got.Gone {
				said += " gone"
			}
			if said != want {
				t.Errorf("%s, seen %d: %s, want %s", tc.gossip, s, said, want)
			}
		}
	}
}

func TestWhichLifeCounts(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lives []life
		want  string
	}{
		{"nobody", nil, ""},
		{"ordered by name", []life{someLife("n2", 1), someLife("n10", 1), someLife("n1", 1)}, "n1.1:ALIVE n10.1:ALIVE n2.1:ALIVE"},
		{"the later of two", []life{someLife("n1", 2), someLife("n1", 1)}, "n1.2:ALIVE"},
		{"the later, though it died", []life{someLife("n1", 2, died), someLife("n1", 1)}, "n1.2:DEAD"},
		{"nobody after the later has left", []life{someLife("n1", 2, departed), someLife("n1", 1)}, ""},
		{"the one before one who is joining", []life{someLife("n1", 2, joins), someLife("n1", 1)}, "n1.1:ALIVE"},
		{"nobody but one who is joining", []life{someLife("n1", 1, joins)}, ""},
		{"of one epoch who lives", []life{someLife("n1", 1, died).called("n1@z", "z"), someLife("n1", 1).called("n1@a", "a")}, "a:ALIVE"},
		{"of one epoch who lives after another left", []life{someLife("n1", 1, departed).called("n1@z", "z"), someLife("n1", 1).called("n1@a", "a")}, "a:ALIVE"},
		{"of one epoch the greater incarnation", []life{someLife("n1", 1).called("n1@a", "z"), someLife("n1", 1).called("n1@z", "a")}, "z:ALIVE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var words []string
			for _, m := range members(tc.lives, nil) {
				words = append(words, m.Incarnation+":"+string(m.State))
			}
			if got := strings.Join(words, " "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestNewIncarnationIsAlive: what the witness has seen is of one incarnation at
// one address.
func TestNewIncarnationIsAlive(t *testing.T) {
	before := someLife("n1", 1)
	seen := map[sightKey]sight{before.key(): refused}
	again, moved := before, before
	again.meta.Incarnation, again.meta.Epoch = "n1.2", 2
	moved.meta.RemoteAddr = "10.0.0.1:9481"
	for _, l := range []life{again, moved, someLife("n1", 2)} {
		if got := members([]life{l}, seen)[0]; got.State != StateAlive || got.Gone {
			t.Errorf("%+v is %s, gone %v", l.meta, got.State, got.Gone)
		}
	}
}

func TestMergeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) life {
			l := someLife(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), rapid.Uint64Range(1, 3).Draw(t, "epoch"))
			l.id += rapid.StringMatching(`[a-z]{4}`).Draw(t, "id")
			l.heard = rapid.SampledFrom([]heard{heardLeft, heardDead, heardAlive}).Draw(t, "heard")
			l.joining = rapid.IntRange(0, 3).Draw(t, "joining") == 0
			return l
		})
		lives := rapid.SliceOfNDistinct(one, 0, 8, func(l life) string { return l.id }).Draw(t, "lives")
		got := members(lives, nil)
		if other := members(rapid.Permutation(lives).Draw(t, "order"), nil); !slices.Equal(got, other) {
			t.Fatalf("%+v and, in another order, %+v", got, other)
		}
		for i, m := range got {
			if i > 0 && got[i-1].Name >= m.Name {
				t.Fatalf("%s comes after %s", m.Name, got[i-1].Name)
			}
		}
	})
}
