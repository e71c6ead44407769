package storage_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/storage"
	"godwit/storage/storagetest"
)

// liar breaks one promise of an honest store.
type liar struct {
	storage.RecordStore
	create func(ctx context.Context, key string, body []byte) (storage.Version, error)
	swap   func(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error)
	get    func(ctx context.Context, key string) (storage.Record, error)
	remove func(ctx context.Context, key string, old storage.Version) error
}

func (l liar) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if l.create != nil {
		return l.create(ctx, key, body)
	}
	return l.RecordStore.Create(ctx, key, body)
}

func (l liar) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	if l.swap != nil {
		return l.swap(ctx, key, body, old)
	}
	return l.RecordStore.CompareAndSwap(ctx, key, body, old)
}

func (l liar) Get(ctx context.Context, key string) (storage.Record, error) {
	if l.get != nil {
		return l.get(ctx, key)
	}
	return l.RecordStore.Get(ctx, key)
}

func (l liar) Delete(ctx context.Context, key string, old storage.Version) error {
	if l.remove != nil {
		return l.remove(ctx, key, old)
	}
	return l.RecordStore.Delete(ctx, key, old)
}

// overwrite puts a body there whatever is there now.
func overwrite(ctx context.Context, rs storage.RecordStore, key string, body []byte) (storage.Version, error) {
	for {
		rec, err := rs.Get(ctx, key)
		var version storage.Version
		if errors.Is(err, storage.ErrNotFound) {
			version, err = rs.Create(ctx, key, body)
		} else if err == nil {
			version, err = rs.CompareAndSwap(ctx, key, body, rec.Version)
		}
		if err == nil || (!errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrMismatch)) {
			return version, err
		}
	}
}

// stale remembers the first record it read of each key and goes on showing it.
func stale(rs storage.RecordStore) func(context.Context, string) (storage.Record, error) {
	var mu sync.Mutex
	seen := make(map[string]storage.Record)
	return func(ctx context.Context, key string) (storage.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		if rec, ok := seen[key]; ok {
			return rec, nil
		}
		rec, err := rs.Get(ctx, key)
		if err == nil {
			seen[key] = rec
		}
		return rec, err
	}
}

// Each lie is caught by the quick probe already, by the check that is there
// for it.
func TestProbeCatchesLiars(t *testing.T) {
	for name, test := range map[string]struct {
		lie    func(m *storagetest.Memory) storage.RecordStore
		caught []string
	}{
		"ignores If-None-Match": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, create: func(ctx context.Context, key string, body []byte) (storage.Version, error) {
				return overwrite(ctx, m, key, body)
			}}
		}, []string{"create twice", "create race"}},
		"ignores If-Match": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, swap: func(ctx context.Context, key string, body []byte, _ storage.Version) (storage.Version, error) {
				if _, err := m.Get(ctx, key); err != nil {
					return "", err
				}
				return overwrite(ctx, m, key, body)
			}}
		}, []string{"swap race", "stale swap"}},
		"accepts If-Match on a missing key": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, swap: func(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
				version, err := m.CompareAndSwap(ctx, key, body, old)
				if errors.Is(err, storage.ErrNotFound) {
					return m.Create(ctx, key, body)
				}
				return version, err
			}}
		}, []string{"swap of a missing key"}},
		"refuses a swap and does it": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, swap: func(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
				version, err := m.CompareAndSwap(ctx, key, body, old)
				if err != nil {
					overwrite(ctx, m, key, body) //nolint:errcheck // it cannot fail
				}
				return version, err
			}}
		}, []string{"stale swap", "swap of a missing key"}},
		"shows old bodies": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, get: stale(m)}
		}, []string{"read after write"}},
		"loses writes": {func(m *storagetest.Memory) storage.RecordStore {
			return liar{RecordStore: m, get: func(_ context.Context, key string) (storage.Record, error) {
				return storage.Record{}, &storage.Error{Op: "get", Name: key, Kind: storage.ErrNotFound}
			}}
		}, []string{"create twice", "read after write"}},
	} {
		t.Run(name, func(t *testing.T) {
			report := storage.ProbeQuick(t.Context(), test.lie(storagetest.NewMemory()), "state")
			if report.Safe {
				t.Errorf("called safe: %+v", report.Checks)
			}
			for _, want := range test.caught {
				if c := checkOf(t, report, want); c.Outcome != storage.ProbeFail || c.Detail == "" {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func checkOf(t *testing.T, report storage.Report, name string) storage.Check {
	t.Helper()
	for _, c := range report.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, report.Checks)
	return storage.Check{}
}

// An honest store passes both probes, and nothing is left in it.
func TestProbePassesHonestStore(t *testing.T) {
	for name, probe := range map[string]func(context.Context, storage.RecordStore, string) storage.Report{
		"quick": storage.ProbeQuick, "full": storage.Probe,
	} {
		for _, prefix := range []string{"", "state/", "a/b"} {
			m := storagetest.NewMemory()
			report := probe(t.Context(), m, prefix)
			if !report.Safe {
				t.Errorf("%s: %+v", name, report.Checks)
			}
			for _, c := range report.Checks {
				if c.Outcome != storage.ProbePass {
					t.Errorf("%s: %+v", name, c)
				}
			}
			if left, err := m.List(t.Context(), "", "", 10); err != nil || len(left) > 0 {
				t.Errorf("%s: left %q, %v", name, left, err)
			}
		}
	}
}

// A store that cannot be asked is not called a liar, nor safe.
func TestProbeOfUnavailableStore(t *testing.T) {
	away := func(key string) error {
		return &storage.Error{Op: "create", Name: key, Kind: storage.ErrUnavailable}
	}
	report := storage.ProbeQuick(t.Context(), liar{
		RecordStore: storagetest.NewMemory(),
		create: func(_ context.Context, key string, _ []byte) (storage.Version, error) {
			return "", away(key)
		},
	}, "state")
	if report.Safe {
		t.Error("called safe")
	}
	for _, c := range report.Checks {
		if c.Outcome != storage.ProbeUnknown && c.Name != "clock" {
			t.Errorf("%+v", c)
		}
	}
}

// A delete without its condition is a weakness that is worked around.
func TestProbeWarnsOfDeletes(t *testing.T) {
	m := storagetest.NewMemory()
	report := storage.ProbeQuick(t.Context(), liar{
		RecordStore: m,
		remove: func(ctx context.Context, key string, _ storage.Version) error {
			rec, err := m.Get(ctx, key)
			if err != nil {
				return nil
			}
			return m.Delete(ctx, key, rec.Version)
		},
	}, "state")
	if c := checkOf(t, report, "conditional delete"); c.Outcome != storage.ProbeWarn || !report.Safe {
		t.Errorf("%+v, safe %v", c, report.Safe)
	}
}

// clocked is a store with a clock.
type clocked struct {
	storage.RecordStore
	skew time.Duration
}

func (c clocked) ClockSkew(context.Context) (time.Duration, error) { return c.skew, nil }

func TestProbeJudgesClock(t *testing.T) {
	for skew, want := range map[time.Duration]storage.Outcome{
		0: storage.ProbePass, -4 * time.Minute: storage.ProbePass, 6 * time.Minute: storage.ProbeWarn,
		-6 * time.Minute: storage.ProbeWarn, 16 * time.Minute: storage.ProbeFail, -time.Hour: storage.ProbeFail,
	} {
		report := storage.ProbeQuick(t.Context(), clocked{storagetest.NewMemory(), skew}, "state")
		if c := checkOf(t, report, "clock"); c.Outcome != want || report.Safe != (want != storage.ProbeFail) {
			t.Errorf("skew %v: %+v", skew, c)
		}
	}
}

// Bodies of a probe differ, as two equal ones would share a version.
func TestProbeBodiesDiffer(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]bool)
	m := storagetest.NewMemory()
	note := func(body []byte) {
		mu.Lock()
		defer mu.Unlock()
		if seen[string(body)] || bytes.Equal(body, nil) {
			t.Errorf("body %q is used twice", body)
		}
		seen[string(body)] = true
	}
	storage.ProbeQuick(t.Context(), liar{
		RecordStore: m,
		create: func(ctx context.Context, key string, body []byte) (storage.Version, error) {
			note(body)
			if !strings.HasPrefix(key, "state/probe-") {
				t.Errorf("key %q", key)
			}
			return m.Create(ctx, key, body)
		},
	}, "state")
}
