//go:build unix

package dir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/storage"
	"godwit/storage/dir"
)

// put builds a whole object of one part.
func put(t *testing.T, objects storage.ObjectStore, name, content string, opts storage.CompleteOptions) error {
	t.Helper()
	up, err := objects.Begin(t.Context(), name, storage.BeginOptions{Token: "token", Size: int64(len(content))})
	if err != nil {
		return err
	}
	defer func() {
		if err := objects.Abort(t.Context(), up); err != nil {
			t.Error(err)
		}
	}()
	w, err := objects.OpenPart(t.Context(), up, 1, 0, int64(len(content)))
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(strings.NewReader(content)); err != nil {
		return err
	}
	part, err := w.Commit(t.Context())
	if err != nil {
		return err
	}
	opts.Token, opts.Size, opts.CRC64 = "token", part.Size, crc64nvme.Checksum([]byte(content))
	_, err = objects.Complete(t.Context(), up, []storage.Part{part}, opts)
	return err
}

// Nothing leads out of a root: no path, no link on the way, no link in the
// destination's place.
func TestNothingEscapesFromARoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	writeFile(t, secret, "secret")
	link(t, outside, filepath.Join(root, "absolute"))
	rel, err := filepath.Rel(root, outside)
	if err != nil {
		t.Fatal(err)
	}
	link(t, rel, filepath.Join(root, "relative"))
	link(t, secret, filepath.Join(root, "file"))
	objects := openObjects(t, root)

	for _, name := range []string{
		secret, filepath.Join(outside, "new"), root + "x/new",
		filepath.Join(root, "absolute/secret"), filepath.Join(root, "absolute/new"),
		filepath.Join(root, "relative/new"), filepath.Join(root, "absolute/deeper/new"),
		filepath.Join(root, "file"),
	} {
		for _, replace := range []bool{false, true} {
			err := put(t, objects, name, "escaped", storage.CompleteOptions{Replace: replace})
			if !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("put %s: %v", name, err)
			}
		}
		if _, _, err := objects.Open(t.Context(), name, 0); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("open %s: %v", name, err)
		}
	}
	if got := readFile(t, secret); got != "secret" {
		t.Errorf("the file outside now holds %q", got)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	if left := leftovers(t, root); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A link that stays inside its root is a way like any other.
func TestLinksInsideARoot(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "real", filepath.Join(root, "link"))
	if err := put(t, openObjects(t, root), filepath.Join(root, "link/file"), "x", storage.CompleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(root, "real/file")); got != "x" {
		t.Fatalf("read %q", got)
	}
}

// A person at a terminal may go through any link.
func TestUnconfinedFollowsLinksToFolders(t *testing.T) {
	folder, far := t.TempDir(), t.TempDir()
	link(t, far, filepath.Join(folder, "far"))
	if err := put(t, openObjects(t), filepath.Join(folder, "far/new/file"), "x", storage.CompleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(far, "new/file")); got != "x" {
		t.Fatalf("read %q", got)
	}
}

// What is no regular file is neither written through nor replaced, whether it
// is there from the start or appears while the object grows.
func TestDestinationsThatAreNoFiles(t *testing.T) {
	for kind, make := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link":   func(path string) error { return os.Symlink("/dev/null", path) },
	} {
		t.Run(kind, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "there")
			objects := openObjects(t)
			up, err := objects.Begin(t.Context(), name, storage.BeginOptions{Token: "t", Size: 0})
			if err != nil {
				t.Fatal(err)
			}
			if err := make(name); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			for replace, want := range map[bool]storage.Kind{false: storage.ErrExists, true: storage.ErrInvalid} {
				_, err := objects.Complete(t.Context(), up, nil, storage.CompleteOptions{Token: "t", Replace: replace})
				if !errors.Is(err, want) {
					t.Errorf("replace %v: %v", replace, err)
				}
			}
			if err := put(t, objects, name, "x", storage.CompleteOptions{}); !errors.Is(err, storage.ErrInvalid) {
				t.Errorf("begin: %v", err)
			}
			if after, err := os.Lstat(name); err != nil || after.Mode() != before.Mode() || !os.SameFile(before, after) {
				t.Errorf("it was %v and is %v, %v", before, after, err)
			}
		})
	}
}

// What is no folder has nothing below it, and is not waited for.
func TestBelowWhatIsNoFolder(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "file"), "x")
	link(t, "file", filepath.Join(folder, "link"))
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for way, objects := range map[string]*dir.Objects{"confined": openObjects(t, folder), "anywhere": openObjects(t)} {
		for _, name := range []string{"file/x", "file/deeper/x", "link/x", "pipe/x", "pipe/deeper/x"} {
			t.Run(way+"/"+name, func(t *testing.T) {
				name := filepath.Join(folder, name)
				if err := put(t, objects, name, "x", storage.CompleteOptions{Replace: true}); !errors.Is(err, storage.ErrNotFolder) {
					t.Errorf("put: %v", err)
				}
				if _, err := objects.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFolder) {
					t.Errorf("stat: %v", err)
				}
				if err := objects.Abort(t.Context(), storage.Upload{Name: name, ID: ".x.token.godwit-part"}); err != nil {
					t.Errorf("abort: %v", err)
				}
			})
		}
	}
	if left := leftovers(t, folder); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestModesAndTimes(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	folder := t.TempDir()
	name := filepath.Join(folder, "new/file")
	objects := openObjects(t)
	up, err := objects.Begin(t.Context(), name, storage.BeginOptions{Token: "t", Size: 0})
	if err != nil {
		t.Fatal(err)
	}
	if mode := modeOf(t, filepath.Join(folder, "new", up.ID)); mode != 0o600 {
		t.Errorf("the partial file has mode %o", mode)
	}
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	info, err := objects.Complete(t.Context(), up, nil, storage.CompleteOptions{Token: "t", ModTime: then})
	if err != nil || !info.ModTime.Equal(then) {
		t.Fatalf("%+v, %v", info, err)
	}
	if mode := modeOf(t, name); mode != 0o640 {
		t.Errorf("the file has mode %o", mode)
	}
	if mode := modeOf(t, filepath.Dir(name)); mode != 0o750 {
		t.Errorf("the folder has mode %o", mode)
	}
}

// A result is never open for everybody to write, however careless the umask,
// and one that replaces a file is not open to more people than that was.
func TestModesAreNotWidened(t *testing.T) {
	for _, c := range []struct {
		umask         int
		old           os.FileMode // of the file that is replaced, 0 for none
		while, result os.FileMode
		folder        os.FileMode
	}{
		{0, 0, 0o600, 0o664, 0o775},
		{0o022, 0, 0o600, 0o644, 0o755},
		{0o077, 0, 0o600, 0o600, 0o700},
		{0, 0o600, 0o600, 0o600, 0o775},
		{0o022, 0o640, 0o600, 0o640, 0o755},
		{0o022, 0o444, 0o600, 0o644, 0o755},
		{0o022, 0o777, 0o600, 0o644, 0o755},
		{0o077, 0o666, 0o600, 0o600, 0o700},
	} {
		t.Run(fmt.Sprintf("umask %03o over %03o", c.umask, c.old), func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(c.umask))
			name := filepath.Join(t.TempDir(), "new/file")
			objects := openObjects(t)
			up, err := objects.Begin(t.Context(), name, storage.BeginOptions{Token: "t", Size: 0})
			if err != nil {
				t.Fatal(err)
			}
			if c.old != 0 {
				writeFile(t, name, "old")
				if err := os.Chmod(name, c.old); err != nil {
					t.Fatal(err)
				}
			}
			while := modeOf(t, filepath.Join(filepath.Dir(name), up.ID))
			if _, err := objects.Complete(t.Context(), up, nil, storage.CompleteOptions{Token: "t", Replace: true}); err != nil {
				t.Fatal(err)
			}
			if result, folder := modeOf(t, name), modeOf(t, filepath.Dir(name)); while != c.while || result != c.result || folder != c.folder {
				t.Errorf("%o while it grew, then %o in a folder of %o; want %o, %o, %o", while, result, folder, c.while, c.result, c.folder)
			}
		})
	}
}

// The longest name a file may have still gets its partial file.
func TestLongNames(t *testing.T) {
	folder := t.TempDir()
	for _, base := range []string{strings.Repeat("n", 255), strings.Repeat("ü", 127), strings.Repeat("n", 230)} {
		if err := put(t, openObjects(t), filepath.Join(folder, base), base, storage.CompleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, filepath.Join(folder, base)); got != base {
			t.Fatalf("read %q", got)
		}
	}
}

// Every way through the store, the failing ones too, closes what it opens.
func TestNoOpenFilesRemain(t *testing.T) {
	folder := t.TempDir()
	objects, records := openObjects(t, folder), openRecords(t, filepath.Join(folder, "records"))
	round := func() {
		name := filepath.Join(folder, "file")
		for _, replace := range []bool{true, false} {
			if err := put(t, objects, name, "content", storage.CompleteOptions{Replace: replace}); err != nil && replace {
				t.Fatal(err)
			}
		}
		for _, bad := range []string{"/elsewhere", filepath.Join(folder, "none"), folder} {
			if _, _, err := objects.Open(t.Context(), bad, 0); err == nil {
				t.Fatal("opened ", bad)
			}
		}
		if _, _, err := objects.Open(t.Context(), name, 100); err == nil {
			t.Fatal("opened beyond the end")
		}
		version, err := records.Create(t.Context(), "k", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := records.Create(t.Context(), "k", nil); err == nil {
			t.Fatal("created twice")
		}
		if err := records.Delete(t.Context(), "k", version); err != nil {
			t.Fatal(err)
		}
	}
	round()
	before := openFiles(t)
	for range 20 {
		round()
	}
	if after := openFiles(t); after > before {
		t.Fatalf("%d open files, before %d", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("this system does not show open files: %v", err)
	}
	return len(entries)
}

func TestConfigIsChecked(t *testing.T) {
	for _, roots := range [][]string{{"relative"}, {"/tmp/../etc"}, {""}} {
		if _, err := dir.OpenObjects(dir.Config{Roots: roots}); !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("roots %q: %v", roots, err)
		}
	}
	if _, err := dir.OpenObjects(dir.Config{Roots: []string{"/does/not/exist"}}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("missing root: %v", err)
	}
	if _, err := dir.OpenRecords(dir.Config{Root: "relative"}); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("relative root: %v", err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
