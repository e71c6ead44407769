package storagetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"godwit/storage"
)

// racers is how many goroutines compete for one key.
const racers = 32

// recordCreateRace lets many create one key at once: one wins, and it is the
// winner's body that stays.
func recordCreateRace(t *testing.T, rs storage.RecordStore) {
	for round := range 5 {
		key := fmt.Sprintf("race/%d", round)
		won := race(t, func(racer int) error {
			_, err := settled(t, rs, key, fmt.Sprintf("racer %d", racer), "")
			return err
		}, storage.ErrExists)
		wantBody(t, rs, key, fmt.Sprintf("racer %d", won))
	}
}

// recordSwapRace lets many replace the same version at once: one wins.
func recordSwapRace(t *testing.T, rs storage.RecordStore) {
	version := must(rs.Create(t.Context(), "k", []byte("first")))(t)
	for round := range 5 {
		body := func(racer int) string { return fmt.Sprintf("round %d racer %d", round, racer) }
		won := race(t, func(racer int) error {
			_, err := settled(t, rs, "k", body(racer), version)
			return err
		}, storage.ErrMismatch)
		version = wantBody(t, rs, "k", body(won)).Version
	}
}

// race runs the racers together and returns the only one without an error; all
// others must fail with loss.
func race(t *testing.T, run func(racer int) error, loss storage.Kind) int {
	t.Helper()
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for racer := range racers {
		wg.Go(func() {
			<-start
			errs[racer] = run(racer)
		})
	}
	close(start)
	wg.Wait()
	winner := -1
	for racer, err := range errs {
		switch {
		case err != nil:
			wantKind(t, err, loss)
		case winner >= 0:
			t.Fatalf("racers %d and %d both won", winner, racer)
		default:
			winner = racer
		}
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs[0])
	}
	return winner
}

// recordCounter lets many increment one number: no increment is lost.
func recordCounter(t *testing.T, rs storage.RecordStore) {
	const each = 3
	must(rs.Create(t.Context(), "n", []byte("0 -")))(t)
	var wg sync.WaitGroup
	for racer := range racers {
		wg.Go(func() {
			for i := range each {
				if err := increment(t, rs, fmt.Sprintf("%d.%d", racer, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	rec := must(rs.Get(t.Context(), "n"))(t)
	if got := count(t, rec); got != racers*each {
		t.Fatalf("counted %d, want %d", got, racers*each)
	}
}

// increment adds one to key "n", trying again whenever somebody else was
// first. The writer's name makes every body unlike any other.
func increment(t *testing.T, rs storage.RecordStore, writer string) error {
	for {
		rec, err := rs.Get(t.Context(), "n")
		if err != nil {
			return err
		}
		body := fmt.Sprintf("%d %s", count(t, rec)+1, writer)
		_, err = settled(t, rs, "n", body, rec.Version)
		if !errors.Is(err, storage.ErrMismatch) {
			return err
		}
	}
}

func count(t *testing.T, rec storage.Record) int {
	var text, writer string
	if _, err := fmt.Sscan(string(rec.Body), &text, &writer); err != nil {
		t.Errorf("body %q: %v", rec.Body, err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Errorf("body %q: %v", rec.Body, err)
	}
	return n
}

// recordCreateDeleteRace creates and deletes one key from many sides. Whoever
// created it must find its own body, until it has deleted it itself.
func recordCreateDeleteRace(t *testing.T, rs storage.RecordStore) {
	var wg sync.WaitGroup
	for racer := range 8 {
		wg.Go(func() {
			for i := range 10 {
				body := fmt.Sprintf("%d.%d", racer, i)
				version, err := settled(t, rs, "lock", body, "")
				if errors.Is(err, storage.ErrExists) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if rec, err := rs.Get(t.Context(), "lock"); err != nil || string(rec.Body) != body {
					t.Errorf("created %q, then read %q, %v", body, rec.Body, err)
				}
				if err := rs.Delete(t.Context(), "lock", version); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// settled writes as a user of the contract does: an uncertain outcome is
// settled, and a write that nobody did is tried again.
func settled(t *testing.T, rs storage.RecordStore, key, body string, old storage.Version) (storage.Version, error) {
	for {
		var version storage.Version
		var err error
		if old == "" {
			version, err = rs.Create(t.Context(), key, []byte(body))
		} else {
			version, err = rs.CompareAndSwap(t.Context(), key, []byte(body), old)
		}
		if err == nil {
			return version, nil
		}
		version, err = storage.Settle(t.Context(), rs, key, []byte(body), old, err)
		if !errors.Is(err, storage.ErrConflict) {
			return version, err
		}
	}
}
