package dir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// finished builds an object up to Complete.
func finished(t *testing.T, o *Objects, name, content string) (storage.Upload, []storage.Part, storage.CompleteOptions) {
	t.Helper()
	up, err := o.Begin(t.Context(), name, storage.BeginOptions{Token: "tok", Size: storage.UnknownSize})
	if err != nil {
		t.Fatal(err)
	}
	w, err := o.OpenPart(t.Context(), up, 1, 0, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.ReadFrom(strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	part, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return up, []storage.Part{part}, storage.CompleteOptions{
		Token: "tok", Size: part.Size, CRC64: crc64nvme.Checksum([]byte(content)),
	}
}

// Complete died after each of its steps, with and without extended attributes;
// done again it ends the same, and leaves nothing.
func TestCompleteAfterEachStep(t *testing.T) {
	steps := []string{"prepared", "linked", "published"}
	for _, noXattr := range []bool{false, true} {
		for _, replace := range []bool{false, true} {
			for done := range steps {
				t.Run(steps[done], func(t *testing.T) { completeAfter(t, done, replace, noXattr) })
			}
		}
	}
}

func completeAfter(t *testing.T, done int, replace, noXattr bool) {
	folder := t.TempDir()
	name := filepath.Join(folder, "file")
	o, err := OpenObjects(Config{})
	if err != nil {
		t.Fatal(err)
	}
	o.noXattr = noXattr
	up, parts, opts := finished(t, o, name, "the content")
	opts.Replace = replace
	die(t, o, up, parts, opts, done)

	info, err := o.Complete(t.Context(), up, parts, opts)
	if err != nil || info.Size != opts.Size {
		t.Fatalf("%+v, %v", info, err)
	}
	content, err := os.ReadFile(name)
	if err != nil || string(content) != "the content" {
		t.Fatalf("read %q, %v", content, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Fatalf("in the folder: %v, %v", entries, err)
	}
}

// die does the first steps of Complete.
func die(t *testing.T, o *Objects, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions, done int) {
	t.Helper()
	p, err := o.open(up.Name, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := &completion{o: o, place: p, op: "complete", up: up, opts: opts}
	defer c.close()
	c.file, err = p.openFile(up.ID, os.O_RDWR, 0)
	if err == nil {
		err = c.prepare(t.Context(), parts)
	}
	switch {
	case err != nil:
	case done == 1:
		err = c.Link(up.ID, c.base)
	case done == 2:
		err = c.publish()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Without extended attributes an object is ours when it is what we would have
// published, and not otherwise.
func TestOursWithoutAttributes(t *testing.T) {
	for content, want := range map[string]storage.Kind{"the content": "", "The content": storage.ErrNoUpload, "shorter": storage.ErrNoUpload} {
		o, err := OpenObjects(Config{})
		if err != nil {
			t.Fatal(err)
		}
		o.noXattr = true
		name := filepath.Join(t.TempDir(), "file")
		up, parts, opts := finished(t, o, name, "the content")
		if err := o.Abort(t.Context(), up); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Complete(t.Context(), up, parts, opts); storage.KindOf(err) != want {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// After a sync that failed nothing stored is trusted.
func TestFailedSyncForgetsParts(t *testing.T) {
	o, err := OpenObjects(Config{})
	if err != nil {
		t.Fatal(err)
	}
	up, parts, opts := finished(t, o, filepath.Join(t.TempDir(), "file"), "the content")
	p, err := o.open(up.Name, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	partial, err := p.Open(up.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer partial.Close()
	if err := o.distrust(p, partial, "sync", up, errors.New("the disk is dying")); !errors.Is(err, storage.ErrPartLost) {
		t.Fatal(err)
	}
	if left, err := o.ListParts(t.Context(), up); err != nil || len(left) > 0 {
		t.Fatalf("%+v, %v", left, err)
	}
	if _, err := o.Complete(t.Context(), up, parts, opts); !errors.Is(err, storage.ErrPartLost) {
		t.Fatal(err)
	}
}
