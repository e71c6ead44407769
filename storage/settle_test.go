package storage_test

import (
	"errors"
	"testing"

	"godwit/storage"
	"godwit/storage/storagetest"
)

// Every outcome a conditional write can have, told wrongly or not, and what
// Settle makes of it.
func TestSettle(t *testing.T) {
	ours, theirs := []byte("ours"), []byte("theirs")
	for _, test := range []struct {
		name string
		// present is what the key holds, nil for nothing; old tells that the
		// write named the version of what was there before.
		present []byte
		swap    bool
		// stale tells that present was written after the version was read.
		stale bool
		told  storage.Kind
		want  storage.Kind
	}{
		{"create: reply lost, written", ours, false, false, storage.ErrUnknown, ""},
		{"create: our own first attempt", ours, false, false, storage.ErrExists, ""},
		{"create: conflict, written", ours, false, false, storage.ErrConflict, ""},
		{"create: lost to another", theirs, false, false, storage.ErrExists, storage.ErrExists},
		{"create: reply lost, another wrote", theirs, false, false, storage.ErrUnknown, storage.ErrExists},
		{"create: request lost", nil, false, false, storage.ErrUnknown, storage.ErrConflict},
		{"create: refused", nil, false, false, storage.ErrUnavailable, storage.ErrUnavailable},
		{"create: denied", nil, false, false, storage.ErrDenied, storage.ErrDenied},
		{"swap: reply lost, written", ours, true, true, storage.ErrUnknown, ""},
		{"swap: our own first attempt", ours, true, true, storage.ErrMismatch, ""},
		{"swap: lost to another", theirs, true, true, storage.ErrMismatch, storage.ErrMismatch},
		{"swap: conflict, another wrote", theirs, true, true, storage.ErrConflict, storage.ErrMismatch},
		{"swap: request lost", theirs, true, false, storage.ErrUnknown, storage.ErrConflict},
		{"swap: deleted meanwhile", nil, true, true, storage.ErrUnknown, storage.ErrNotFound},
		{"swap: told it is absent", nil, true, true, storage.ErrNotFound, storage.ErrNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := storagetest.NewMemory()
			var version, old storage.Version
			if test.present != nil {
				var err error
				if version, err = memory.Create(t.Context(), "k", test.present); err != nil {
					t.Fatal(err)
				}
			}
			if test.swap {
				old = version
				if test.stale {
					old = "an older version"
				}
			}
			told := &storage.Error{Op: "write", Name: "k", Kind: test.told}
			got, err := storage.Settle(t.Context(), memory, "k", ours, old, told)
			if storage.KindOf(err) != test.want || (err != nil) != (test.want != "") {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if err == nil && got != version {
				t.Fatalf("version %q, want %q", got, version)
			}
		})
	}
}

// When even the read fails, nothing is known.
func TestSettleWithoutARead(t *testing.T) {
	faults := &storagetest.Faults{Hook: storagetest.FailOps(storagetest.Refused(), storagetest.OpGet)}
	records := faults.Records(storagetest.NewMemory())
	_, err := storage.Settle(t.Context(), records, "k", nil, "", &storage.Error{Kind: storage.ErrUnknown})
	if storage.KindOf(err) != storage.ErrUnknown {
		t.Fatalf("got %v", err)
	}
}

// No error at all, and an error that is no store's, pass through.
func TestSettleOfOtherErrors(t *testing.T) {
	other := errors.New("other")
	_, err := storage.Settle(t.Context(), storagetest.NewMemory(), "k", nil, "", other)
	if !errors.Is(err, other) {
		t.Fatalf("got %v", err)
	}
}

// A writer that fails at its k-th call in each of three ways, settles and
// tries again, ends with its write done once.
func TestSettleAtEveryFault(t *testing.T) {
	for name, fault := range map[string]storagetest.Fault{
		"refused": storagetest.Refused(), "lost request": storagetest.LostRequest(), "lost reply": storagetest.LostReply(),
		"conflict": {Kind: storage.ErrConflict}, "forged mismatch": {Kind: storage.ErrMismatch, Executed: true},
	} {
		for k := 1; ; k++ {
			faults := &storagetest.Faults{Hook: storagetest.FailAt(k, fault)}
			memory := storagetest.NewMemory()
			writeAll(t, faults.Records(memory))
			rec, err := memory.Get(t.Context(), "k")
			if err != nil || string(rec.Body) != "write 3" || rec.Version != "3" {
				t.Errorf("%s at call %d: %q, version %q, %v", name, k, rec.Body, rec.Version, err)
			}
			if len(faults.Calls()) < k {
				break
			}
		}
	}
}

// writeAll creates key "k" and replaces it twice.
func writeAll(t *testing.T, rs storage.RecordStore) {
	t.Helper()
	var version storage.Version
	for _, body := range []string{"write 1", "write 2", "write 3"} {
		var err error
		for attempt := range 5 {
			var next storage.Version
			if version == "" {
				next, err = rs.Create(t.Context(), "k", []byte(body))
			} else {
				next, err = rs.CompareAndSwap(t.Context(), "k", []byte(body), version)
			}
			if err != nil {
				next, err = storage.Settle(t.Context(), rs, "k", []byte(body), version, err)
			}
			if err == nil {
				version = next
				break
			}
			if attempt == 4 {
				t.Fatal(err)
			}
		}
	}
}
