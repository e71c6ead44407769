package storagetest

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

func objectAnyOrder(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 4)
	for _, n := range []int{3, 1, 0, 2} {
		b.store(t, n)
	}
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
}

// The last write of a part counts.
func objectPartAgain(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	b.content[0] = pattern(len(b.content[0]))
	b.store(t, 0)
	b.store(t, 0)
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
}

// A source that fails is not the writer's trouble: what came before is kept,
// and another source goes on from there.
func objectFailingSource(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	whole := b.content[0]
	w := must(f.Store.OpenPart(t.Context(), b.up, 1, 0, b.size()))(t)
	defer w.Discard()
	broken := errors.New("the source broke")
	for w.Len() < b.size()-1 {
		at := w.Len()
		until := min(at+7001, b.size()-1)
		n, err := w.ReadFrom(io.MultiReader(strings.NewReader(whole[at:until]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || n != until-at || w.Len() != until {
			t.Fatalf("at %d: took %d bytes, %v, length now %d", at, n, err, w.Len())
		}
	}
	wantBuffered(t, f, w, whole[:w.Len()])
	// An end without an error is no end of the part either.
	if n, err := w.ReadFrom(strings.NewReader("")); n != 0 || err != nil {
		t.Fatalf("nothing: %d, %v", n, err)
	}
	if n, err := w.ReadFrom(iotest.OneByteReader(strings.NewReader(whole[w.Len():]))); n != 1 || err != nil {
		t.Fatalf("the last byte: %d, %v", n, err)
	}
	part := must(w.Commit(t.Context()))(t)
	if part.Size != b.size() || part.CRC64 != b.crc() {
		t.Fatalf("committed %+v", part)
	}
	b.note(part)
	b.complete(t)
	b.wantPublished(t)
}

func wantBuffered(t *testing.T, f ObjectFixture, w storage.PartWriter, want string) {
	t.Helper()
	switch got := w.Bytes(); {
	case !f.Store.Limits().Buffered && got != nil:
		t.Fatalf("a store that does not buffer shows %d bytes", len(got))
	case f.Store.Limits().Buffered && string(got) != want:
		t.Fatalf("the writer shows %d bytes, want %d", len(got), len(want))
	}
}

func objectPartRoom(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	w := must(f.Store.OpenPart(t.Context(), b.up, 1, 0, b.size()))(t)
	defer w.Discard()
	source := strings.NewReader(b.content[0] + "the next part")
	if n, err := w.ReadFrom(source); n != b.size() || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	if n, err := w.ReadFrom(source); n != 0 || err != nil {
		t.Fatalf("took %d more, %v", n, err)
	}
	if source.Len() != len("the next part") {
		t.Fatalf("the source has %d bytes left", source.Len())
	}
	b.note(must(w.Commit(t.Context()))(t))
	b.complete(t)
	b.wantPublished(t)
}

func objectPartDiscarded(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.store(t, 1)
	w := must(f.Store.OpenPart(t.Context(), b.up, 1, 0, int64(len(b.content[0]))))(t)
	if _, err := w.ReadFrom(strings.NewReader(b.content[0])); err != nil {
		t.Fatal(err)
	}
	w.Discard()
	w.Discard()
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.abort(t)
	wantNoLeftovers(t, f)
}

// A commit whose reply was lost is repeated, by the same writer or by a new
// one with the same bytes.
func objectCommitTwice(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	w := must(f.Store.OpenPart(t.Context(), b.up, 1, 0, b.size()))(t)
	if _, err := w.ReadFrom(strings.NewReader(b.content[0])); err != nil {
		t.Fatal(err)
	}
	first := must(w.Commit(t.Context()))(t)
	if second := must(w.Commit(t.Context()))(t); second != first {
		t.Fatalf("committed %+v, then %+v", first, second)
	}
	w.Discard()
	b.note(first)
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.store(t, 0)
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
}

func objectPartBounds(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 1)
	limits := f.Store.Limits()
	for _, bad := range []struct {
		number       int
		offset, size int64
	}{
		{0, 0, 1},
		{-1, 0, 1},
		{limits.MaxParts + 1, 0, 1},
		{1, -1, 1},
		{1, 0, -1},
		{1, 0, limits.MaxPart + 1},
	} {
		_, err := f.Store.OpenPart(t.Context(), b.up, bad.number, bad.offset, bad.size)
		wantKind(t, err, storage.ErrInvalid)
	}
	b.abort(t)
}

func objectParallel(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 6)
	stored := make([]storage.Part, len(b.content))
	var wg sync.WaitGroup
	for n := range b.content {
		wg.Go(func() {
			one := *b
			one.parts = nil
			if err := one.tryStore(t, n); err != nil {
				t.Error(err)
				return
			}
			stored[n] = one.parts[0]
		})
	}
	wg.Wait()
	b.parts = stored
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
}

// A second process sees what was stored, and goes on.
func objectListReopened(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 3)
	wantParts(t, must(f.Second.ListParts(t.Context(), b.up))(t), nil)
	b.store(t, 2)
	b.store(t, 0)
	wantParts(t, must(f.Second.ListParts(t.Context(), b.up))(t), b.parts)
	b.f.Store = f.Second
	b.store(t, 1)
	wantParts(t, must(f.Store.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}

func objectDamaged(t *testing.T, f ObjectFixture) {
	if f.Damage == nil {
		t.Skip("parts of this store cannot be damaged from outside")
	}
	b := begin(t, f, 3)
	b.storeAll(t)
	f.Damage(t, b.up, b.parts[1])
	wantParts(t, must(f.Second.ListParts(t.Context(), b.up))(t), []storage.Part{b.parts[0], b.parts[2]})
	// Whoever comes late to publish it looks again, and nothing is published.
	opts := b.options()
	opts.Check = true
	_, err := f.Second.Complete(t.Context(), b.up, b.parts, opts)
	wantKind(t, err, storage.ErrPartLost)
	b.store(t, 1)
	wantParts(t, must(f.Second.ListParts(t.Context(), b.up))(t), b.parts)
	if _, err := f.Second.Complete(t.Context(), b.up, b.parts, opts); err != nil {
		t.Fatal(err)
	}
	b.wantPublished(t)
}

func objectReadBack(t *testing.T, f ObjectFixture) {
	b := begin(t, f, 2)
	b.storeAll(t)
	body, err := f.Second.ReadBack(t.Context(), b.up, b.size())
	if storage.KindOf(err) == storage.ErrUnsupported {
		b.complete(t)
		return
	}
	wantStream(t, must(body, err)(t), b.content[0]+b.content[1])
	head := b.size() - 5
	wantStream(t, must(f.Store.ReadBack(t.Context(), b.up, head))(t), (b.content[0] + b.content[1])[:head])
	b.complete(t)
	b.wantPublished(t)
}

// The size is found out at the end, when the last part turns out shorter than
// it was announced.
func objectUnknownSize(t *testing.T, f ObjectFixture) {
	b := newBuild(f, f.NewName(t), 3)
	b.up = must(f.Store.Begin(t.Context(), b.up.Name, storage.BeginOptions{
		Token: b.token, Size: storage.UnknownSize,
	}))(t)
	b.store(t, 0)
	b.store(t, 1)
	last := b.content[2]
	w := must(f.Store.OpenPart(t.Context(), b.up, 3, b.offset(2), int64(len(b.content[0]))))(t)
	defer w.Discard()
	if n, err := w.ReadFrom(strings.NewReader(last)); n != int64(len(last)) || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	part := must(w.Commit(t.Context()))(t)
	if part.Size != int64(len(last)) || part.CRC64 != crc64nvme.Checksum([]byte(last)) {
		t.Fatalf("committed %+v", part)
	}
	b.note(part)
	wantParts(t, must(f.Second.ListParts(t.Context(), b.up))(t), b.parts)
	b.complete(t)
	b.wantPublished(t)
	wantNoLeftovers(t, f)
}
