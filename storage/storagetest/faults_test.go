package storagetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"godwit/storage"
	"godwit/storage/storagetest"
)

// A decorator without faults is the store itself.
func TestFaultsPass(t *testing.T) {
	storagetest.Records(t, func(*testing.T) storage.RecordStore {
		return new(storagetest.Faults).Records(storagetest.NewMemory())
	})
}

// Each fault of a create: what the caller is told, and whether it happened.
func TestFaultsOfAWrite(t *testing.T) {
	for name, test := range map[string]struct {
		fault   storagetest.Fault
		kind    storage.Kind
		happens bool
	}{
		"refused":      {storagetest.Refused(), storage.ErrUnavailable, false},
		"lost request": {storagetest.LostRequest(), storage.ErrUnknown, false},
		"lost reply":   {storagetest.LostReply(), storage.ErrUnknown, true},
		"conflict":     {storagetest.Fault{Kind: storage.ErrConflict}, storage.ErrConflict, false},
		"forged 412":   {storagetest.Fault{Kind: storage.ErrExists, Executed: true}, storage.ErrExists, true},
	} {
		t.Run(name, func(t *testing.T) {
			memory := storagetest.NewMemory()
			faults := &storagetest.Faults{Hook: storagetest.FailAt(2, test.fault)}
			records := faults.Records(memory)
			if _, err := records.Create(t.Context(), "first", nil); err != nil {
				t.Fatal(err)
			}
			_, err := records.Create(t.Context(), "second", []byte("body"))
			var e *storage.Error
			if !errors.As(err, &e) || e.Kind != test.kind || e.Op != "create" || e.Name != "second" {
				t.Fatalf("got %v", err)
			}
			_, err = memory.Get(t.Context(), "second")
			if happened := err == nil; happened != test.happens {
				t.Fatalf("happened: %v", happened)
			}
			// What Settle makes of it is the truth.
			_, err = storage.Settle(t.Context(), memory, "second", []byte("body"), "", e)
			if settled := err == nil; settled != test.happens {
				t.Fatalf("settled: %v", err)
			}
			if calls := faults.Calls(); len(calls) != 2 || calls[1] != (storagetest.Call{Index: 2, Op: storagetest.OpCreate, Name: "second"}) {
				t.Fatalf("calls %v", calls)
			}
		})
	}
}

func TestFaultsOfAReadAreNeverUnknown(t *testing.T) {
	faults := &storagetest.Faults{Hook: storagetest.FailOps(storagetest.LostReply(), storagetest.OpGet)}
	records := faults.Records(storagetest.NewMemory())
	if _, err := records.Get(t.Context(), "k"); !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if _, err := records.List(t.Context(), "", "", 1); err != nil {
		t.Fatal(err)
	}
}

func TestFaultsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		faults := &storagetest.Faults{Hook: func(call storagetest.Call) storagetest.Fault {
			if call.Index == 1 {
				return storagetest.Fault{Delay: time.Hour}
			}
			return storagetest.Fault{Until: release}
		}}
		records := faults.Records(storagetest.NewMemory())
		start := time.Now()
		if _, err := records.Create(t.Context(), "k", nil); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Fatalf("waited %v", waited)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := records.Create(ctx, "hangs", nil); !errors.Is(err, storage.ErrUnknown) ||
			!errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		done := make(chan error)
		go func() {
			_, err := records.Get(t.Context(), "k")
			done <- err
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("did not wait")
		default:
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}
