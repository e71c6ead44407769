package storagetest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"godwit/storage"
)

// ObjectFixture is what [Objects] needs to know of an implementation.
type ObjectFixture struct {
	// Store is the store under test.
	Store storage.ObjectStore
	// Second is another instance over the same objects, as a second process
	// has it.
	Second storage.ObjectStore
	// NewName returns an object name that nobody has used.
	NewName func(t *testing.T) string
	// Leftovers names what exists of unfinished objects: uploads, partial
	// files, journals.
	Leftovers func(t *testing.T) []string
	// BadNames are names the store must refuse with ErrInvalid.
	BadNames []string
	// Damage changes a stored part behind the store's back so that its
	// checksum no longer holds; nil where a test cannot do that.
	Damage func(t *testing.T, up storage.Upload, part storage.Part)
}

// Objects runs the conformance suite of [storage.ObjectStore]. Each subtest
// calls open.
func Objects(t *testing.T, open func(t *testing.T) ObjectFixture) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f ObjectFixture)
	}{
		{"limits", objectLimits},
		{"whole life", objectLife},
		{"invisible until complete", objectInvisible},
		{"begin again", objectBeginAgain},
		{"begin beside another attempt", objectTwoAttempts},
		{"bad names", objectBadNames},
		{"ended context", objectEndedContext},
		{"parts in any order", objectAnyOrder},
		{"part written again", objectPartAgain},
		{"part from a failing source", objectFailingSource},
		{"part never over its room", objectPartRoom},
		{"part discarded", objectPartDiscarded},
		{"part committed twice", objectCommitTwice},
		{"part out of bounds", objectPartBounds},
		{"parts in parallel", objectParallel},
		{"list after reopening", objectListReopened},
		{"list without damaged parts", objectDamaged},
		{"read back", objectReadBack},
		{"unknown size", objectUnknownSize},
		{"nothing in it", objectEmpty},
		{"complete twice", objectCompleteTwice},
		{"complete on a second instance", objectCompleteElsewhere},
		{"complete over another", objectExists},
		{"complete replacing", objectReplace},
		{"complete with wrong facts", objectWrongFacts},
		{"complete without a part", objectPartMissing},
		{"complete with a stale part", objectPartStale},
		{"complete race", objectCompleteRace},
		{"abort", objectAbort},
		{"abort after complete", objectAbortCompleted},
		{"no upload", objectNoUpload},
		{"stat and open", objectOpen},
		{"delete", objectDelete},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func objectLimits(t *testing.T, f ObjectFixture) {
	limits := f.Store.Limits()
	if limits.MinPart < 1 || limits.Preferred < limits.MinPart || limits.MaxPart < limits.Preferred {
		t.Errorf("part sizes make no sense: %+v", limits)
	}
	if limits.MaxParts < 1 || limits.Checkpoint <= 0 {
		t.Errorf("limits make no sense: %+v", limits)
	}
}

func objectLife(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 3)
	b.storeAll(t)
	if err := f.Store.Sync(t.Context(), b.up); err != nil {
		t.Fatal(err)
	}
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	info := b.complete(t)
	if info.Size != b.size() || (info.HasCRC64 && info.CRC64 != b.crc()) {
		t.Fatalf("completed as %+v", info)
	}
	if info.Token != "" && info.Token != b.token {
		t.Fatalf("token %q, want %q", info.Token, b.token)
	}
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectInvisible(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	invisible := func() {
		t.Helper()
		for _, store := range []storage.ObjectStore{f.Store, f.Second} {
			_, err := store.Stat(t.Context(), b.up.Name)
			wantKind(t, err, storage.ErrNotFound)
			_, _, err = store.Open(t.Context(), b.up.Name, 0)
			wantKind(t, err, storage.ErrNotFound)
		}
	}
	invisible()
	for n := range b.content {
		b.store(t, n)
		invisible()
	}
	b.complete(t)
	b.wantPublished(t)
}

// A begin whose outcome nobody knows is repeated, by this owner or the next;
// one upload remains, and it works.
func objectBeginAgain(t *testing.T, f ObjectFixture) {
	since := time.Now().Add(-time.Second)
	b := begin(t, f, 1)
	// It holds no part: who does not know an upload's id cannot have stored one.
	for _, store := range []storage.ObjectStore{f.Store, f.Second} {
		b.up = must(store.Begin(t.Context(), b.up.Name, storage.BeginOptions{
			Token: b.token, Size: b.size(), Retry: true, Since: since,
		}))(t)
	}
	b.parts = nil
	b.storeAll(t)
	b.complete(t)
	b.wantPublished(t)
	wantNoLeftovers(t, f)

	// Retry without an earlier begin is a plain begin.
	fresh := newBuild(f, f.NewName(t), 1)
	fresh.up = must(f.Store.Begin(t.Context(), fresh.up.Name, storage.BeginOptions{
		Token: fresh.token, Size: fresh.size(), Retry: true, Since: since,
	}))(t)
	fresh.storeAll(t)
	fresh.complete(t)
	fresh.wantPublished(t)
	wantNoLeftovers(t, f)
}

// Two attempts at one name never mix, and a retried begin of one leaves the
// other alone.
func objectTwoAttempts(t *testing.T, f ObjectFixture) {
	first := begin(t, f, 2)
	first.store(t, 0)
	second := newBuild(f, first.up.Name, 2)
	second.begin(t)
	second.storeAll(t)
	third := newBuild(f, first.up.Name, 1)
	third.up = must(f.Store.Begin(t.Context(), first.up.Name, storage.BeginOptions{
		Token: third.token, Size: third.size(), Retry: true, Since: time.Now(),
	}))(t)
	first.store(t, 1)
	wantParts(t, must(f.Store.ListParts(t.Context(), first.up))(t), first.parts)
	wantParts(t, must(f.Store.ListParts(t.Context(), second.up))(t), second.parts)
	second.complete(t)
	second.wantPublished(t)
	first.abort(t)
	third.abort(t)
	second.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectBadNames(t *testing.T, f ObjectFixture) {
	for _, name := range f.BadNames {
		_, err := f.Store.Begin(t.Context(), name, storage.BeginOptions{Token: rand.Text(), Size: 1})
		wantKind(t, err, storage.ErrInvalid)
		_, err = f.Store.Stat(t.Context(), name)
		wantKind(t, err, storage.ErrInvalid)
		_, _, err = f.Store.Open(t.Context(), name, 0)
		wantKind(t, err, storage.ErrInvalid)
	}
	wantNoLeftovers(t, f)
}

func objectEndedContext(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	b.storeAll(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Store.OpenPart(ctx, b.up, 1, 0, b.size())
	wantKind(t, err, storage.ErrUnavailable)
	_, err = f.Store.Begin(ctx, f.NewName(t), storage.BeginOptions{Token: rand.Text(), Size: 1})
	if err == nil {
		t.Error("began after the context ended")
	}
	_, err = f.Store.Complete(ctx, b.up, b.parts, b.options())
	if kind := storage.KindOf(err); kind != storage.ErrUnknown && kind != storage.ErrUnavailable {
		t.Errorf("complete after the context ended: %v", err)
	}
	b.complete(t)
	b.wantPublished(t)
}

func objectAbort(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.store(t, 0)
	for range 2 {
		b.abort(t)
	}
	if err := f.Second.Abort(t.Context(), b.up); err != nil {
		t.Fatalf("abort on a second instance: %v", err)
	}
	_, err := f.Store.Stat(t.Context(), b.up.Name)
	wantKind(t, err, storage.ErrNotFound)
	wantNoLeftovers(t, f)
}

func objectAbortCompleted(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	b.complete(t)
	for range 2 {
		b.abort(t)
	}
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectNoUpload(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	b.storeAll(t)
	b.abort(t)
	_, err := f.Store.ListParts(t.Context(), b.up)
	wantKind(t, err, storage.ErrNoUpload)
	_, err = f.Store.Complete(t.Context(), b.up, b.parts, b.options())
	wantKind(t, err, storage.ErrNoUpload)
	wantKind(t, b.tryStore(t, 0), storage.ErrNoUpload)
	if _, err = f.Store.ReadBack(t.Context(), b.up, 1); storage.KindOf(err) != storage.ErrUnsupported {
		wantKind(t, err, storage.ErrNoUpload)
	}
	wantNoLeftovers(t, f)

	// Somebody else's object under the name does not make it ours.
	other := newBuild(f, b.up.Name, 1)
	other.begin(t)
	other.storeAll(t)
	other.complete(t)
	_, err = f.Store.Complete(t.Context(), b.up, b.parts, b.options())
	wantKind(t, err, storage.ErrNoUpload)
	other.wantPublished(t)
}

func objectOpen(t *testing.T, f ObjectFixture) {
	_, err := f.Store.Stat(t.Context(), f.NewName(t))
	wantKind(t, err, storage.ErrNotFound)
	_, _, err = f.Store.Open(t.Context(), f.NewName(t), 0)
	wantKind(t, err, storage.ErrNotFound)

	b := begin(t, f, 2)
	b.storeAll(t)
	completed := b.complete(t)
	stat := must(f.Second.Stat(t.Context(), b.up.Name))(t)
	if stat.Size != b.size() || stat.ETag == "" || stat.ETag != completed.ETag || stat.Token != completed.Token {
		t.Fatalf("stat %+v after completing %+v", stat, completed)
	}
	whole := strings.Join(b.content, "")
	for _, offset := range []int64{0, 1, int64(len(b.content[0])), b.size() - 1, b.size()} {
		info := wantContent(t, f.Second, b.up.Name, offset, whole[offset:])
		if info.Size != b.size() || info.ETag != stat.ETag {
			t.Errorf("open at %d says %+v, stat %+v", offset, info, stat)
		}
	}
	_, _, err = f.Store.Open(t.Context(), b.up.Name, -1)
	wantKind(t, err, storage.ErrInvalid)
	_, _, err = f.Store.Open(t.Context(), b.up.Name, b.size()+1)
	wantKind(t, err, storage.ErrInvalid)
}

// objectDelete removes what is published, twice and by two instances, and
// nothing else: the name can be built again.
func objectDelete(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	b.complete(t)
	other := newBuild(f, f.NewName(t), 1)
	other.begin(t)
	other.storeAll(t)
	other.complete(t)
	for _, store := range []storage.ObjectStore{f.Store, f.Second} {
		if err := store.Delete(t.Context(), b.up.Name); err != nil {
			t.Fatal(err)
		}
		_, err := store.Stat(t.Context(), b.up.Name)
		wantKind(t, err, storage.ErrNotFound)
	}
	other.wantPublished(t)
	if err := f.Store.Delete(t.Context(), f.NewName(t)); err != nil {
		t.Errorf("delete what never was: %v", err)
	}
	again := newBuild(f, b.up.Name, 1)
	again.begin(t)
	again.storeAll(t)
	again.complete(t)
	again.wantPublished(t)
	wantNoLeftovers(t, f)
}
