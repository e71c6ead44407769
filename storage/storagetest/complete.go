package storagetest

import (
	"errors"
	"sync"
	"testing"

	"godwit/storage"
)

func objectEmpty(t *testing.T, f ObjectFixture) {
	b := newBuild(f, f.NewName(t), 1)
	b.content = nil
	b.begin(t)
	info := b.complete(t)
	if info.Size != 0 {
		t.Fatalf("completed as %+v", info)
	}
	b.wantPublished(t)
	if again := b.complete(t); again.Size != 0 || again.ETag != info.ETag {
		t.Fatalf("completed as %+v, then %+v", info, again)
	}
	wantNoLeftovers(t, f)
}

func objectCompleteTwice(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	first := b.complete(t)
	for range 2 {
		if again := b.complete(t); again.ETag != first.ETag || again.Size != first.Size || again.Token != first.Token {
			t.Fatalf("completed as %+v, then %+v", first, again)
		}
	}
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

// The owner that completed died before it could say so; the next one asks
// again.
func objectCompleteElsewhere(t *testing.T, f ObjectFixture) {
	for _, replace := range []bool{false, true} {
		b := begin(t, f, 2)
		b.storeAll(t)
		opts := b.options()
		opts.Replace, opts.ModTime = replace, modTime()
		first := must(f.Store.Complete(t.Context(), b.up, b.parts, opts))(t)
		again := must(f.Second.Complete(t.Context(), b.up, b.parts, opts))(t)
		if again.ETag != first.ETag || again.Size != first.Size || !again.ModTime.Equal(first.ModTime) {
			t.Fatalf("completed as %+v, then elsewhere %+v", first, again)
		}
		b.wantPublished(t)
	}
	wantNoLeftovers(t, f)
}

func objectExists(t *testing.T, f ObjectFixture) {
	old := begin(t, f, 1)
	old.storeAll(t)
	b := newBuild(f, old.up.Name, 2)
	b.begin(t)
	b.storeAll(t)
	old.complete(t)

	for range 2 {
		_, err := f.Store.Complete(t.Context(), b.up, b.parts, b.options())
		wantKind(t, err, storage.ErrExists)
		old.wantPublished(t)
	}
	// The parts are still there, for whoever decides to replace after all.
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.abort(t)
	old.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectReplace(t *testing.T, f ObjectFixture) {
	old := begin(t, f, 1)
	old.storeAll(t)
	before := old.complete(t)
	b := newBuild(f, old.up.Name, 2)
	b.begin(t)
	b.storeAll(t)
	old.wantPublished(t)
	opts := b.options()
	opts.Replace = true
	info := must(f.Store.Complete(t.Context(), b.up, b.parts, opts))(t)
	if info.ETag == before.ETag {
		t.Fatalf("other content has the same ETag %q", info.ETag)
	}
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

// Nothing but what was announced is published; told right, it is.
func objectWrongFacts(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	for name, change := range map[string]func(*storage.CompleteOptions){
		"checksum": func(o *storage.CompleteOptions) { o.CRC64 ^= 1 },
		"longer":   func(o *storage.CompleteOptions) { o.Size++ },
		"shorter":  func(o *storage.CompleteOptions) { o.Size-- },
		"nothing":  func(o *storage.CompleteOptions) { o.Size, o.CRC64 = 0, 0 },
	} {
		opts := b.options()
		change(&opts)
		_, err := f.Store.Complete(t.Context(), b.up, b.parts, opts)
		if !errors.Is(err, storage.ErrCorrupt) {
			t.Fatalf("wrong facts (%s): %v", name, err)
		}
		_, err = f.Store.Stat(t.Context(), b.up.Name)
		wantKind(t, err, storage.ErrNotFound)
	}
	b.complete(t)
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectPartMissing(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 3)
	b.store(t, 0)
	b.store(t, 1)
	invented := b.parts[1]
	invented.Number, invented.Offset, invented.Size = 3, b.offset(2), int64(len(b.content[2]))
	opts := b.options()
	parts := append(b.parts[:2:2], invented)
	opts.CRC64 = wholeCRC(parts)
	_, err := f.Store.Complete(t.Context(), b.up, parts, opts)
	wantKind(t, err, storage.ErrPartLost)
	_, err = f.Store.Stat(t.Context(), b.up.Name)
	wantKind(t, err, storage.ErrNotFound)
	b.store(t, 2)
	b.complete(t)
	b.wantPublished(t)
}

func wholeCRC(parts []storage.Part) uint64 {
	var crc uint64
	for _, part := range parts {
		crc = storage.CombineCRC64(crc, part.CRC64, part.Size)
	}
	return crc
}

// Somebody has overwritten a part: the one recorded before is gone.
func objectPartStale(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	stale, opts := append([]storage.Part(nil), b.parts...), b.options()
	b.content[0] = pattern(len(b.content[0]))
	b.store(t, 0)
	_, err := f.Store.Complete(t.Context(), b.up, stale, opts)
	wantKind(t, err, storage.ErrPartLost)
	_, err = f.Store.Stat(t.Context(), b.up.Name)
	wantKind(t, err, storage.ErrNotFound)
	b.complete(t)
	b.wantPublished(t)
}

// Several attempts at one name complete at once: one object stays, whole.
func objectCompleteRace(t *testing.T, f ObjectFixture) {
	name := f.NewName(t)
	builds := make([]*build, 4)
	for i := range builds {
		builds[i] = newBuild(f, name, 1)
		builds[i].begin(t)
		builds[i].storeAll(t)
	}
	errs := make([]error, len(builds))
	var wg sync.WaitGroup
	for i, b := range builds {
		wg.Go(func() {
			_, errs[i] = f.Store.Complete(t.Context(), b.up, b.parts, b.options())
		})
	}
	wg.Wait()
	won := 0
	for i, b := range builds {
		if errs[i] != nil {
			wantKind(t, errs[i], storage.ErrExists)
		} else {
			won++
			b.wantPublished(t)
		}
		b.abort(t)
	}
	if won != 1 {
		t.Fatalf("%d of %d attempts completed", won, len(builds))
	}
	wantNoLeftovers(t, f)
}
