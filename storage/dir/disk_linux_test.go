package dir_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"godwit/storage"
)

// A full disk is reported as what it is, and nothing remains on it.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small disk to fill needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("something still uses the disk: %v", err)
		}
	})
	objects := openObjects(t)
	for size, whole := range map[int64]string{64 << 20: "announced", storage.UnknownSize: "unannounced"} {
		t.Run(whole, func(t *testing.T) { fillDisk(t, objects, filepath.Join(disk, whole), size) })
	}
	records := openRecords(t, filepath.Join(disk, "records"))
	var err error
	for i := 0; err == nil && i < 100; i++ {
		_, err = records.Create(t.Context(), "k"+strings.Repeat("x", i), make([]byte, 1<<20))
	}
	if !errors.Is(err, storage.ErrFull) {
		t.Errorf("records: %v", err)
	}
	if _, err := records.Get(t.Context(), "k"); err != nil {
		t.Error(err)
	}
}

func fillDisk(t *testing.T, objects storage.ObjectStore, name string, size int64) {
	up, err := objects.Begin(t.Context(), name, storage.BeginOptions{Token: "t", Size: size})
	if err == nil {
		var w storage.PartWriter
		if w, err = objects.OpenPart(t.Context(), up, 1, 0, 64<<20); err != nil {
			t.Fatal(err)
		}
		_, err = w.ReadFrom(zeros{})
		w.Discard()
		if err := objects.Abort(t.Context(), up); err != nil {
			t.Error(err)
		}
	}
	if !errors.Is(err, storage.ErrFull) {
		t.Errorf("got %v", err)
	}
	if left := leftovers(t, filepath.Dir(name)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
