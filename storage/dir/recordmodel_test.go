package dir_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"godwit/storage"
	"godwit/storage/dir"
)

// Two handles of one store, opened again and compacted at any time, do what a
// map does.
func TestRecordsAreAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &modelled{root: t.TempDir(), want: map[string]storage.Record{}}
		m.open(rt, 0)
		m.open(rt, 1)
		defer m.close(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "swap": m.swap, "delete": m.remove, "reopen": m.reopen, "": m.check,
		})
	})
}

// modelled is a store beside a map of what it should hold.
type modelled struct {
	root    string
	handles [2]*dir.Records
	want    map[string]storage.Record
	writes  int
}

func (m *modelled) open(t *rapid.T, i int) {
	records, err := dir.OpenRecords(dir.Config{Root: m.root})
	if err != nil {
		t.Fatal(err)
	}
	// What a sync does is not the matter here, and it takes most of the time.
	records.Inject(dir.Faults{MinGarbage: 300, Sync: func(*os.File) error { return nil }})
	m.handles[i] = records
}

func (m *modelled) close(t *rapid.T) {
	for _, records := range m.handles {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (m *modelled) any(t *rapid.T) *dir.Records {
	return m.handles[rapid.IntRange(0, 1).Draw(t, "handle")]
}

func (m *modelled) reopen(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "handle")
	if err := m.handles[i].Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t, i)
}

func (m *modelled) body() []byte {
	m.writes++
	return []byte(fmt.Sprint("body ", m.writes, strings.Repeat(".", m.writes%50)))
}

func key(t *rapid.T) string { return rapid.StringMatching(`[ab](/[cd])?`).Draw(t, "key") }

func (m *modelled) create(t *rapid.T) {
	key, body := key(t), m.body()
	version, err := m.any(t).Create(t.Context(), key, body)
	if _, there := m.want[key]; there {
		wantKind(t, err, storage.ErrExists)
		return
	}
	m.wrote(t, key, body, version, err)
}

func (m *modelled) swap(t *rapid.T) {
	key, body := key(t), m.body()
	old := m.want[key]
	stale := rapid.IntRange(0, 4).Draw(t, "stale") == 0
	if stale {
		old.Version = "0123456789abcdef0123456789abcdef"
	}
	version, err := m.any(t).CompareAndSwap(t.Context(), key, body, old.Version)
	switch _, there := m.want[key]; {
	case !there:
		wantKind(t, err, storage.ErrNotFound)
	case stale:
		wantKind(t, err, storage.ErrMismatch)
	default:
		m.wrote(t, key, body, version, err)
	}
}

func (m *modelled) wrote(t *rapid.T, key string, body []byte, version storage.Version, err error) {
	if err != nil {
		t.Fatal(err)
	}
	if version == m.want[key].Version {
		t.Fatalf("version %s twice", version)
	}
	m.want[key] = storage.Record{Key: key, Body: body, Version: version}
}

func (m *modelled) remove(t *rapid.T) {
	key := key(t)
	if err := m.any(t).Delete(t.Context(), key, m.want[key].Version); err != nil {
		t.Fatal(err)
	}
	delete(m.want, key)
}

func (m *modelled) check(t *rapid.T) {
	records := m.any(t)
	for key, want := range m.want {
		rec, err := records.Get(t.Context(), key)
		if err != nil || rec.Version != want.Version || string(rec.Body) != string(want.Body) {
			t.Fatalf("%s holds %q, %v, want %q", key, rec.Body, err, want.Body)
		}
	}
	keys, err := records.List(t.Context(), "", "", 100)
	if err != nil || !slices.Equal(keys, slices.Sorted(maps.Keys(m.want))) {
		t.Fatalf("listed %q, %v, want %d keys", keys, err, len(m.want))
	}
}

func wantKind(t *rapid.T, err error, kind storage.Kind) {
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %s", err, kind)
	}
}
