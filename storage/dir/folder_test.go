package dir

import (
	"os"
	"path/filepath"
	"testing"
)

// Operations that overlap share a folder for as long as its path names it, and
// nothing stays open once nobody uses it.
func TestFoldersAreShared(t *testing.T) {
	o, err := OpenObjects(Config{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "folder")
	open := func() *place {
		t.Helper()
		p, err := o.open(filepath.Join(path, "file"), true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	first, second := open(), open()
	if first.folder != second.folder {
		t.Error("two operations opened one folder twice")
	}
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	third := open()
	if third.folder == first.folder {
		t.Error("a folder was used under a path that names another one")
	}
	if _, err := os.Stat(filepath.Join(path)); err != nil {
		t.Errorf("the folder was not made again: %v", err)
	}
	fourth := open()
	if fourth.folder != third.folder {
		t.Error("the new folder is not shared")
	}
	fourth.opened = fourth.opened.Add(-2 * folderTrust)
	if open().folder == third.folder {
		t.Error("a folder was trusted for too long")
	}
}

// The last user closes a folder, and the store forgets it.
func TestFoldersAreClosed(t *testing.T) {
	o, err := OpenObjects(Config{})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "file")
	first, err := o.open(name, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := o.open(name, false)
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	if _, err := second.Lstat("."); err != nil {
		t.Errorf("closed under its user: %v", err)
	}
	_ = second.Close()
	if _, err := first.Lstat("."); err == nil {
		t.Error("still open after its last use")
	}
	if len(o.folders.open) != 0 {
		t.Errorf("%d folders are still known", len(o.folders.open))
	}
}
