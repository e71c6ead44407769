package dir_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/storagetest"
)

func TestObjects(t *testing.T) {
	t.Run("anywhere", func(t *testing.T) {
		storagetest.Objects(t, func(t *testing.T) storagetest.ObjectFixture { return fixture(t, t.TempDir()) })
	})
	t.Run("confined", func(t *testing.T) {
		storagetest.Objects(t, func(t *testing.T) storagetest.ObjectFixture {
			root := t.TempDir()
			f := fixture(t, root, root)
			f.BadNames = append(f.BadNames, filepath.Dir(root)+"/outside", "/etc/passwd", root)
			return f
		})
	})
}

func fixture(t *testing.T, folder string, roots ...string) storagetest.ObjectFixture {
	var names atomic.Int64
	return storagetest.ObjectFixture{
		Store:  openObjects(t, roots...),
		Second: openObjects(t, roots...),
		NewName: func(*testing.T) string {
			return filepath.Join(folder, "made", fmt.Sprintf("object %d ü", names.Add(1)))
		},
		Leftovers: func(t *testing.T) []string { return leftovers(t, folder) },
		BadNames: []string{
			"", "relative", "/", "/a/../b", "/trailing/", "/a\x00b", folder,
			filepath.Join(folder, strings.Repeat("n", 256)),
		},
		Damage: func(t *testing.T, up storage.Upload, part storage.Part) {
			damage(t, filepath.Join(filepath.Dir(up.Name), up.ID), part.Offset+part.Size/2)
		},
	}
}

func openObjects(t testing.TB, roots ...string) *dir.Objects {
	t.Helper()
	objects, err := dir.OpenObjects(dir.Config{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// leftovers names the hidden files below folder.
func leftovers(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), ".") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// damage flips a bit of the byte at offset.
func damage(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
}
