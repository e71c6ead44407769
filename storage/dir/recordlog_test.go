package dir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"godwit/storage"
	"godwit/storage/dir"
)

// small fills a store with a few records in which every kind of entry occurs,
// and returns what it holds and the path of its log.
func small(t *testing.T, root string) (want map[string]string, path string) {
	t.Helper()
	records := openRecords(t, root)
	want = map[string]string{}
	versions := map[string]storage.Version{}
	for i, key := range []string{"a", "b/1", "b/2", "c", "gone"} {
		body := fmt.Sprintf("the first body of %s, number %d", key, i)
		version, err := records.Create(t.Context(), key, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		want[key], versions[key] = body, version
	}
	for _, key := range []string{"b/1", "c"} {
		body := "the second body of " + key
		if _, err := records.CompareAndSwap(t.Context(), key, []byte(body), versions[key]); err != nil {
			t.Fatal(err)
		}
		want[key] = body
	}
	if err := records.Delete(t.Context(), "gone", versions["gone"]); err != nil {
		t.Fatal(err)
	}
	delete(want, "gone")
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	return want, filepath.Join(root, "records.log")
}

// damagedStore is a store of its own whose log holds the given bytes, noted as
// synced as those of root are.
func damagedStore(t *testing.T, root, log string) *dir.Records {
	t.Helper()
	other := t.TempDir()
	writeFile(t, filepath.Join(other, "records.log"), log)
	writeFile(t, filepath.Join(other, "lock"), readFile(t, filepath.Join(root, "lock")))
	return openRecords(t, other)
}

// A flipped bit anywhere in the log: at most one key is damaged, it is said to
// be, and nothing else changes. No older record ever comes back.
func TestFlippedBits(t *testing.T) {
	root := t.TempDir()
	want, path := small(t, root)
	log := readFile(t, path)
	for at := range len(log) {
		flipped := []byte(log)
		flipped[at] ^= 1 << (at % 8)
		records := damagedStore(t, root, string(flipped))
		corrupt := 0
		for _, key := range []string{"a", "b/1", "b/2", "c", "gone"} {
			rec, err := records.Get(t.Context(), key)
			body, there := want[key]
			switch {
			case errors.Is(err, storage.ErrCorrupt):
				corrupt++
				checkUnwritable(t, records, key)
			case there && (err != nil || string(rec.Body) != body):
				t.Errorf("byte %d: %s holds %q, %v", at, key, rec.Body, err)
			case !there && !errors.Is(err, storage.ErrNotFound):
				t.Errorf("byte %d: %s holds %q, %v", at, key, rec.Body, err)
			}
		}
		if corrupt > 1 {
			t.Errorf("byte %d: %d keys are damaged", at, corrupt)
		}
		if at%8 == 0 {
			if _, err := records.Create(t.Context(), "new", []byte("new")); err != nil {
				t.Errorf("byte %d: %v", at, err)
			}
		}
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	}
}

func checkUnwritable(t *testing.T, records *dir.Records, key string) {
	t.Helper()
	if _, err := records.CompareAndSwap(t.Context(), key, nil, "1"); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("swap of %s: %v", key, err)
	}
	if err := records.Delete(t.Context(), key, "1"); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("delete of %s: %v", key, err)
	}
	if _, err := records.Create(t.Context(), key, nil); !errors.Is(err, storage.ErrCorrupt) && !errors.Is(err, storage.ErrExists) {
		t.Errorf("create of %s: %v", key, err)
	}
}

// The last write was cut short at any byte, by a process that did not live to
// sync it: what came before is there, readers ignore the rest, and the next
// writer takes its place.
func TestTornTail(t *testing.T) {
	root := t.TempDir()
	want, path := small(t, root)
	whole := readFile(t, path)
	records := openRecords(t, root)
	if _, err := records.Create(t.Context(), "torn", []byte("the last body")); err != nil {
		t.Fatal(err)
	}
	longer := readFile(t, path)
	// The notes of root then know of the last write, so they are put back.
	for cut := len(whole); cut < len(longer); cut++ {
		for _, tail := range []string{"", strings.Repeat("\x00", len(longer)-cut)} {
			other := t.TempDir()
			writeFile(t, filepath.Join(other, "records.log"), longer[:cut]+tail)
			records := openRecords(t, other)
			checkHolds(t, records, want)
			if rec, err := records.Get(t.Context(), "torn"); err == nil && string(rec.Body) == "the last body" && tail != "" {
				// Only its footer is missing.
				continue
			}
			version, err := records.Create(t.Context(), "torn", []byte("another"))
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			again := openRecords(t, other)
			if rec, err := again.Get(t.Context(), "torn"); err != nil || string(rec.Body) != "another" || rec.Version != version {
				t.Fatalf("cut at %d: %+v, %v", cut, rec, err)
			}
			checkHolds(t, again, want)
		}
	}
}

func checkHolds(t *testing.T, records storage.RecordStore, want map[string]string) {
	t.Helper()
	for key, body := range want {
		if rec, err := records.Get(t.Context(), key); err != nil || string(rec.Body) != body {
			t.Errorf("%s holds %q, %v", key, rec.Body, err)
		}
	}
}

// Acknowledged entries are gone from the end, or a piece of the log is gone
// that held several: no key that they may have been of is answered for.
func TestMissingEntries(t *testing.T) {
	root := t.TempDir()
	_, path := small(t, root)
	log := readFile(t, path)
	for name, damaged := range map[string]string{
		"end":    log[:len(log)-50],
		"all":    log[:112],
		"middle": log[:200] + strings.Repeat("\x00", 400) + log[600:],
	} {
		records := damagedStore(t, root, damaged)
		for _, key := range []string{"a", "b/2", "gone", "never"} {
			if rec, err := records.Get(t.Context(), key); !errors.Is(err, storage.ErrCorrupt) {
				t.Errorf("%s: %s holds %q, %v", name, key, rec.Body, err)
			}
		}
		if _, err := records.Create(t.Context(), "never", nil); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What was written after the piece that is gone is beyond doubt.
	records := damagedStore(t, root, log[:200]+strings.Repeat("\x00", 400)+log[600:])
	if rec, err := records.Get(t.Context(), "c"); err != nil || string(rec.Body) != "the second body of c" {
		t.Errorf("c holds %q, %v", rec.Body, err)
	}
}

// A log that is no log, or that is gone although there was one, is refused.
func TestUnreadableLog(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":    os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"foreign": func(path string) error { return os.WriteFile(path, make([]byte, 1000), 0o600) },
	} {
		root := t.TempDir()
		_, path := small(t, root)
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.OpenRecords(dir.Config{Root: root}); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An older log was put in place of the one that the lock speaks of: every record
// may be lost, and whoever did it is told what is missing.
func TestOlderLog(t *testing.T) {
	root := t.TempDir()
	_, path := small(t, root)
	older := readFile(t, path)
	records := openRecords(t, root)
	if _, err := records.Create(t.Context(), "later", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, older)
	records = openRecords(t, root)
	for _, key := range []string{"a", "later"} {
		checkCorrupt(t, records, key)
		if _, err := records.Get(t.Context(), key); !strings.Contains(fmt.Sprint(err), "the file lock of that copy") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Folder and files are nobody else's business.
func TestRecordsArePrivate(t *testing.T) {
	root := filepath.Join(t.TempDir(), "deep/er")
	openRecords(t, root)
	if mode := modeOf(t, root); mode != 0o700 {
		t.Errorf("the folder has mode %o", mode)
	}
	for _, name := range []string{"records.log", "lock"} {
		if mode := modeOf(t, filepath.Join(root, name)); mode != 0o600 {
			t.Errorf("%s has mode %o", name, mode)
		}
	}
}

// A damaged record that was compacted away is still known to be damaged, and
// the log it lay in is kept.
func TestCompactionRemembersDamage(t *testing.T) {
	root := t.TempDir()
	want, path := small(t, root)
	log := readFile(t, path)
	for name, at := range map[string]int{
		"body": strings.Index(log, "the second body of c"),
		"head": strings.Index(log, "the second body of c") - 30,
	} {
		flipped := []byte(log)
		flipped[at] ^= 1
		records := damagedStore(t, root, string(flipped))
		records.Inject(dir.Faults{MinGarbage: 1})
		churn(t, records, 20)
		records.WaitForCompaction()
		if records.Generation() < 2 {
			t.Fatalf("%s: no compaction", name)
		}
		checkCorrupt(t, records, "c")
		if err := records.Close(); err != nil {
			t.Fatal(err)
		}
		other := openRecords(t, records.Root())
		checkCorrupt(t, other, "c")
		keys, err := other.List(t.Context(), "", "", 100)
		if err != nil || !slices.Equal(keys, []string{"a", "b/1", "b/2", "c", "churn"}) {
			t.Errorf("%s: listed %q, %v", name, keys, err)
		}
		checkHolds(t, other, map[string]string{"a": want["a"], "b/1": want["b/1"], "b/2": want["b/2"]})
		if kept := readFile(t, filepath.Join(records.Root(), "records.log.damaged-1")); kept[:len(log)] != string(flipped) {
			t.Errorf("%s: the damaged log was not kept", name)
		}
	}
}

func checkCorrupt(t *testing.T, records *dir.Records, key string) {
	t.Helper()
	if rec, err := records.Get(t.Context(), key); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("%s holds %q, %v", key, rec.Body, err)
	}
	checkUnwritable(t, records, key)
}

// churn writes one key again and again.
func churn(t *testing.T, records storage.RecordStore, times int) {
	t.Helper()
	version, err := records.Create(t.Context(), "churn", nil)
	for i := range times {
		if err != nil {
			t.Fatal(err)
		}
		version, err = records.CompareAndSwap(t.Context(), "churn", fmt.Append(nil, i), version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// After Close nothing runs, nothing is open, and nothing is written.
func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := openFiles(t)
	records, err := dir.OpenRecords(dir.Config{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	records.Inject(dir.Faults{MinGarbage: 1})
	churn(t, records, 50)
	for range 2 {
		if err := records.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before %d", after, before)
	}
	if _, err := records.Create(t.Context(), "late", nil); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("create: %v", err)
	}
	if _, err := records.Get(t.Context(), "churn"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
}
