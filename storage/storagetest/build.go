package storagetest

import (
	"crypto/rand"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// build is one object on its way through a test: what it shall hold, and what
// of it has been stored.
type build struct {
	f     ObjectFixture
	up    storage.Upload
	token string
	// content is what each part shall hold; parts what has been stored.
	content []string
	parts   []storage.Part
}

// newBuild plans an object of that many parts: all but the last are as small
// as the store allows, but no smaller than 64 KiB, the last is shorter still.
// Content differs from build to build.
func newBuild(f ObjectFixture, name string, parts int) *build {
	b := &build{f: f, up: storage.Upload{Name: name}, token: "t-" + rand.Text()}
	size := max(int(f.Store.Limits().MinPart), 64<<10) + 1
	for range parts - 1 {
		b.content = append(b.content, pattern(size))
	}
	b.content = append(b.content, pattern(size/3))
	return b
}

// begin plans an object under a fresh name and begins it.
func begin(t *testing.T, f ObjectFixture, parts int) *build {
	t.Helper()
	b := newBuild(f, f.NewName(t), parts)
	b.begin(t)
	return b
}

func (b *build) begin(t *testing.T) {
	t.Helper()
	name := b.up.Name
	b.up = must(b.f.Store.Begin(t.Context(), name, storage.BeginOptions{
		Token: b.token, Size: b.size(), ContentType: "application/x-test",
	}))(t)
	if b.up.Name != name || b.up.ID == "" {
		t.Fatalf("began %q as %+v", name, b.up)
	}
}

// pattern returns size bytes unlike those of any other call.
func pattern(size int) string {
	seed := rand.Text()
	return strings.Repeat(seed, size/len(seed)+1)[:size]
}

func (b *build) size() int64 { return b.offset(len(b.content)) }

func (b *build) offset(n int) int64 {
	var sum int64
	for _, part := range b.content[:n] {
		sum += int64(len(part))
	}
	return sum
}

func (b *build) crc() uint64 {
	return crc64nvme.Checksum([]byte(strings.Join(b.content, "")))
}

func (b *build) options() storage.CompleteOptions {
	return storage.CompleteOptions{Token: b.token, Size: b.size(), CRC64: b.crc()}
}

// tryStore stores part n, counting from 0, and notes it.
func (b *build) tryStore(t *testing.T, n int) error {
	t.Helper()
	size := int64(len(b.content[n]))
	w, err := b.f.Store.OpenPart(t.Context(), b.up, n+1, b.offset(n), size)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(strings.NewReader(b.content[n])); err != nil {
		return err
	}
	part, err := w.Commit(t.Context())
	if err != nil {
		return err
	}
	want := storage.Part{
		Number: n + 1, Offset: b.offset(n), Size: size, ETag: part.ETag,
		CRC64: crc64nvme.Checksum([]byte(b.content[n])),
	}
	if part != want || part.ETag == "" {
		t.Fatalf("committed %+v, want %+v", part, want)
	}
	b.note(part)
	return nil
}

// note keeps parts in order, the newest of a number only.
func (b *build) note(part storage.Part) {
	b.parts = slices.DeleteFunc(b.parts, func(p storage.Part) bool { return p.Number == part.Number })
	b.parts = append(b.parts, part)
	slices.SortFunc(b.parts, func(a, b storage.Part) int { return a.Number - b.Number })
}

func (b *build) store(t *testing.T, n int) {
	t.Helper()
	if err := b.tryStore(t, n); err != nil {
		t.Fatal(err)
	}
}

func (b *build) storeAll(t *testing.T) {
	t.Helper()
	for n := range b.content {
		b.store(t, n)
	}
}

func (b *build) complete(t *testing.T) storage.ObjectInfo {
	t.Helper()
	return must(b.f.Store.Complete(t.Context(), b.up, b.parts, b.options()))(t)
}

func (b *build) abort(t *testing.T) {
	t.Helper()
	if err := b.f.Store.Abort(t.Context(), b.up); err != nil {
		t.Fatal(err)
	}
}

func (b *build) wantPublished(t *testing.T) {
	t.Helper()
	wantContent(t, b.f.Store, b.up.Name, 0, strings.Join(b.content, ""))
}

func wantContent(t *testing.T, store storage.ObjectStore, name string, offset int64, want string) storage.ObjectInfo {
	t.Helper()
	body, info, err := store.Open(t.Context(), name, offset)
	if err != nil {
		t.Fatal(err)
	}
	wantStream(t, body, want)
	return info
}

func wantStream(t *testing.T, body io.ReadCloser, want string) {
	t.Helper()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if string(got) != want {
		t.Fatalf("read %d bytes that differ from the %d wanted", len(got), len(want))
	}
}

func wantParts(t *testing.T, got, want []storage.Part) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("parts %+v, want %+v", got, want)
	}
}

func wantNoLeftovers(t *testing.T, f ObjectFixture) {
	t.Helper()
	if left := f.Leftovers(t); len(left) > 0 {
		t.Fatalf("left behind: %q", left)
	}
}

// modTime is a time every file system and header can hold.
func modTime() time.Time { return time.Date(2021, time.March, 4, 5, 6, 7, 0, time.UTC) }
