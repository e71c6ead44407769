package dir

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"godwit/storage"
)

func openLog(t testing.TB, root string) *Records {
	t.Helper()
	r, err := OpenRecords(Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func create(t testing.TB, r *Records, key, body string) storage.Version {
	t.Helper()
	version, err := r.Create(t.Context(), key, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func wantBody(t testing.TB, r *Records, key, body string) {
	t.Helper()
	if rec, err := r.Get(t.Context(), key); err != nil || string(rec.Body) != body {
		t.Errorf("%s holds %q, %v", key, rec.Body, err)
	}
}

// A sync fails once and succeeds from then on. The write that waited for it has
// an unknown outcome, and no write is acknowledged in the old file again,
// neither here nor by another process.
func TestFailedSync(t *testing.T) {
	for _, who := range []string{"the same", "another"} {
		root := t.TempDir()
		r, other := openLog(t, root), openLog(t, root)
		before := create(t, r, "before", "1")
		failed := false
		r.disk.sync = func(f *os.File) error {
			if !failed {
				failed = true
				return syscall.EIO
			}
			return syncData(f)
		}
		if _, err := r.CompareAndSwap(t.Context(), "before", []byte("2"), before); !errors.Is(err, storage.ErrUnknown) {
			t.Fatalf("swap: %v", err)
		}
		writer := r
		if who == "another" {
			writer = other
		}
		create(t, writer, "after", "x")
		if g := writer.view.header.generation; g != 2 {
			t.Errorf("%s acknowledged in generation %d", who, g)
		}
		// The write of unknown outcome is there for good or not at all.
		rec, err := writer.Get(t.Context(), "before")
		if err != nil || string(rec.Body) != "1" && string(rec.Body) != "2" {
			t.Errorf("before holds %q, %v", rec.Body, err)
		}
		wantBody(t, r, "after", "x")
		wantBody(t, openLog(t, root), "before", string(rec.Body))
	}
}

// The disk syncs nothing any more: nothing is acknowledged, what was
// acknowledged before can be read, and when the disk is well so is the store.
func TestNoSyncSucceeds(t *testing.T) {
	r := openLog(t, t.TempDir())
	version := create(t, r, "k", "1")
	r.disk.sync = func(*os.File) error { return syscall.EIO }
	if _, err := r.Create(t.Context(), "new", nil); !errors.Is(err, storage.ErrUnknown) {
		t.Errorf("first: %v", err)
	}
	for range 3 {
		if _, err := r.CompareAndSwap(t.Context(), "k", []byte("2"), version); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("swap: %v", err)
		}
		if _, err := r.Get(t.Context(), "new"); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a read relied on what is not synced: %v", err)
		}
		wantBody(t, r, "k", "1")
	}
	r.disk.sync = syncData
	if _, err := r.CompareAndSwap(t.Context(), "k", []byte("2"), version); err != nil {
		t.Error(err)
	}
	wantBody(t, r, "k", "2")
	wantBody(t, r, "new", "")
}

// The folder cannot be synced after a compaction: the new log may be gone after
// a power loss, so nothing is acknowledged in it.
func TestFailedSyncOfTheFolder(t *testing.T) {
	r := openLog(t, t.TempDir())
	version := create(t, r, "k", "1")
	r.disk.syncDir = func(string) error { return syscall.EIO }
	if err := r.compact(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CompareAndSwap(t.Context(), "k", []byte("2"), version); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("swap: %v", err)
	}
	r.disk.syncDir = syncDir
	rec, err := r.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.CompareAndSwap(t.Context(), "k", []byte("3"), rec.Version); err != nil {
		t.Error(err)
	}
	wantBody(t, r, "k", "3")
}

// Another process put a new log in place and may have died before it synced the
// folder: nothing in it is believed before that is done.
func TestForeignLogIsBelievedOnceTheFolderIsSynced(t *testing.T) {
	root := t.TempDir()
	r, other := openLog(t, root), openLog(t, root)
	version := create(t, r, "k", "1")
	other.disk.syncDir = func(string) error { return syscall.EIO }
	wantBody(t, other, "k", "1")
	if err := r.compact(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), "k"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
	if _, err := other.CompareAndSwap(t.Context(), "k", []byte("2"), version); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("swap: %v", err)
	}
	other.disk.syncDir = syncDir
	if _, err := other.CompareAndSwap(t.Context(), "k", []byte("2"), version); err != nil {
		t.Error(err)
	}
	wantBody(t, r, "k", "2")
}

// A reader in this process is not told of a write before it is synced.
func TestReadsWaitForTheSync(t *testing.T) {
	root := t.TempDir()
	r, other := openLog(t, root), openLog(t, root)
	syncing, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.disk.sync = func(f *os.File) error {
		once.Do(func() {
			close(syncing)
			<-finish
		})
		return syncData(f)
	}
	var synced bool
	other.disk.sync = func(f *os.File) error {
		synced = true
		return syncData(f)
	}
	var wg sync.WaitGroup
	wg.Go(func() { create(t, r, "k", "body") })
	<-syncing
	// Another process syncs by itself, as the writer may be dead.
	wantBody(t, other, "k", "body")
	if !synced {
		t.Error("another process answered with a write that nobody had synced")
	}
	synced = false
	wantBody(t, other, "k", "body")
	if synced {
		t.Error("synced twice")
	}
	close(finish)
	wg.Wait()
	wantBody(t, r, "k", "body")
}

// The disk is full after some of the entries of one append: those that are
// whole were written, the others were not, and nothing torn remains.
func TestShortAppend(t *testing.T) {
	bodies := []string{"first", "second", "third"}
	for room := range 3*(entryFixed+1+6) + 1 {
		root := t.TempDir()
		r := openLog(t, root)
		r.disk.sync = func(*os.File) error { return nil }
		start := r.view.end
		var ops []*op
		for i, body := range bodies {
			ops = append(ops, &op{name: "create", kind: opCreate, key: string(rune('a' + i)), body: []byte(body), done: make(chan struct{})})
		}
		again := &op{name: "create", kind: opCreate, key: "c", done: make(chan struct{})}
		ops = append(ops, again)
		r.disk.writeAt = func(f *os.File, b []byte, off int64) (int, error) {
			n, err := f.WriteAt(b[:min(len(b), room)], off)
			if err == nil && n < len(b) {
				err = syscall.ENOSPC
			}
			return n, err
		}
		r.queue.waiting = ops
		if err := lockFile(r.lock); err != nil {
			t.Fatal(err)
		}
		r.turn(nil)
		r.disk.writeAt = (*os.File).WriteAt
		end := int64(0)
		for i, o := range ops[:3] {
			end += int64(entryFixed + 1 + len(bodies[i]))
			if whole := end <= int64(room); whole != (o.err == nil) || !whole && !errors.Is(o.err, storage.ErrFull) {
				t.Errorf("room %d: %s: %v", room, o.key, o.err)
			}
		}
		if ops[2].err == nil != errors.Is(again.err, storage.ErrExists) {
			t.Errorf("room %d: the second create: %v after %v", room, again.err, ops[2].err)
		}
		if info, err := os.Stat(r.path); err != nil || info.Size() != r.view.end || r.view.end-start > int64(room) {
			t.Errorf("room %d: %v, %v", room, info.Size(), err)
		}
		other := openLog(t, root)
		for i, o := range ops[:3] {
			if o.err == nil {
				wantBody(t, other, o.key, bodies[i])
			} else {
				create(t, other, o.key, bodies[i])
			}
		}
		if r.view.live != liveOf(r) {
			t.Errorf("room %d: %d live bytes", room, r.view.live)
		}
		_, _ = r.Close(), other.Close()
	}
}

// liveOf counts what a view should have counted.
func liveOf(r *Records) (live int64) {
	r.view.keys.ascend("", func(s slot) bool {
		live += int64(s.size)
		return true
	})
	return live
}

// Appends that fail take back every change of the keys: replaced, deleted and
// created ones.
func TestFailedAppendChangesNothing(t *testing.T) {
	r := openLog(t, t.TempDir())
	a, b := create(t, r, "a", "1"), create(t, r, "b", "1")
	live := r.view.live
	r.disk.writeAt = func(*os.File, []byte, int64) (int, error) { return 0, syscall.ENOSPC }
	_, swapped := r.CompareAndSwap(t.Context(), "a", []byte("2"), a)
	_, created := r.Create(t.Context(), "c", nil)
	for _, err := range []error{swapped, created, r.Delete(t.Context(), "b", b)} {
		if !errors.Is(err, storage.ErrFull) {
			t.Errorf("got %v", err)
		}
	}
	wantBody(t, r, "a", "1")
	wantBody(t, r, "b", "1")
	if _, err := r.Get(t.Context(), "c"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("c: %v", err)
	}
	if r.view.live != live || liveOf(r) != live {
		t.Errorf("%d live bytes counted, %d before", r.view.live, live)
	}
	r.disk.writeAt = (*os.File).WriteAt
	if _, err := r.CompareAndSwap(t.Context(), "a", []byte("2"), a); err != nil {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), "b", b); err != nil {
		t.Error(err)
	}
}

// Only one process writes a new log at a time, and what one left that crashed
// goes when a store is opened, not before.
func TestCompactionsExcludeEachOther(t *testing.T) {
	root := t.TempDir()
	r, other := openLog(t, root), openLog(t, root)
	version := create(t, r, "k", "1")
	c, err := r.newCompaction(r.view)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.compact(); !errors.Is(err, errCompacting) {
		t.Errorf("got %v", err)
	}
	openLog(t, root)
	if _, err := os.Stat(filepath.Join(root, logName+nextSuffix)); err != nil {
		t.Errorf("what is being written was removed: %v", err)
	}
	_ = c.next.f.Close()
	openLog(t, root)
	if _, err := os.Stat(filepath.Join(root, logName+nextSuffix)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	if err := other.compact(); err != nil {
		t.Error(err)
	}
	if _, err := r.CompareAndSwap(t.Context(), "k", []byte("2"), version); err != nil {
		t.Error(err)
	}
	wantBody(t, other, "k", "2")
}

// Writers go on while a log is written anew: their entries are in the new one.
func TestWritesDuringACompaction(t *testing.T) {
	root := t.TempDir()
	r, other := openLog(t, root), openLog(t, root)
	first, gone := create(t, r, "k", "1"), create(t, r, "gone", "1")
	r.disk.step = func(step string) {
		if step != "copied" {
			return
		}
		if _, err := r.CompareAndSwap(t.Context(), "k", []byte("2"), first); err != nil {
			t.Error(err)
		}
		create(t, other, "new", "3")
		if err := other.Delete(t.Context(), "gone", gone); err != nil {
			t.Error(err)
		}
	}
	if err := r.compact(); err != nil {
		t.Fatal(err)
	}
	for _, reader := range []*Records{r, other, openLog(t, root)} {
		if g := reader.view.header.generation; reader != other && g != 2 {
			t.Errorf("generation %d", g)
		}
		wantBody(t, reader, "k", "2")
		wantBody(t, reader, "new", "3")
		if _, err := reader.Get(t.Context(), "gone"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("gone: %v", err)
		}
		if reader.view.live != liveOf(reader) {
			t.Errorf("%d live bytes counted of %d", reader.view.live, liveOf(reader))
		}
	}
}
