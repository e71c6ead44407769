package dir_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/crc64nvme"
	"golang.org/x/sys/unix"

	"godwit/storage"
	"godwit/storage/dir"
)

// TestNothingEscapesWhileFoldersAreSwapped writes and reads below a folder that
// somebody else exchanges, as fast as the system can, for a link to a folder
// outside of the root. An operation may fail; none reaches what is outside.
func TestNothingEscapesWhileFoldersAreSwapped(t *testing.T) {
	for _, rest := range []string{"swapped/file", "swapped/deeper/file"} {
		t.Run(rest, func(t *testing.T) {
			root, outside := t.TempDir(), t.TempDir()
			secret := filepath.Join(outside, strings.TrimPrefix(rest, "swapped/"))
			for _, folder := range []string{filepath.Dir(secret), filepath.Dir(filepath.Join(root, rest))} {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, secret, "secret")
			link(t, outside, filepath.Join(root, "link"))
			swaps, stop := swapForEver(t, filepath.Join(root, "swapped"), filepath.Join(root, "link"))
			objects := openObjects(t, root)
			done := 0
			for i := 0; done < 200 || swaps.Load() < 20_000; i++ {
				done += race(t, objects, filepath.Join(root, rest), fmt.Sprint("t", i))
			}
			stop()
			t.Logf("%d times exchanged, %d steps done", swaps.Load(), done)
			if got := readFile(t, secret); got != "secret" {
				t.Errorf("the file outside now holds %q", got)
			}
			var found []string
			err := filepath.WalkDir(outside, func(path string, d os.DirEntry, err error) error {
				if !d.IsDir() {
					found = append(found, path)
				}
				return err
			})
			if err != nil || len(found) != 1 {
				t.Errorf("outside: %v, %v", found, err)
			}
		})
	}
}

// race goes through the life of an object and counts the steps that succeed.
func race(t *testing.T, objects *dir.Objects, name, token string) (done int) {
	t.Helper()
	ctx := t.Context()
	count := func(err error) bool {
		if err == nil {
			done++
		}
		return err == nil
	}
	if body, _, err := objects.Open(ctx, name, 0); count(err) {
		if text, err := io.ReadAll(body); err == nil && string(text) == "secret" {
			t.Error("the file outside was read")
		}
		_ = body.Close()
	}
	up, err := objects.Begin(ctx, name, storage.BeginOptions{Token: token, Size: 1})
	if !count(err) {
		return done
	}
	defer func() { count(objects.Abort(ctx, up)) }()
	w, err := objects.OpenPart(ctx, up, 1, 0, 1)
	if !count(err) {
		return done
	}
	defer w.Discard()
	_, err = w.ReadFrom(strings.NewReader("x"))
	count(err)
	part, err := w.Commit(ctx)
	if !count(err) {
		return done
	}
	_, err = objects.Complete(ctx, up, []storage.Part{part}, storage.CompleteOptions{
		Token: token, Size: 1, CRC64: crc64nvme.Checksum([]byte("x")), Replace: true,
	})
	count(err)
	return done
}

// swapForEver exchanges two names until it is stopped.
func swapForEver(t *testing.T, a, b string) (swaps *atomic.Int64, stop func()) {
	t.Helper()
	swaps = new(atomic.Int64)
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stopping:
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("exchange: %v", err)
				swaps.Add(1 << 40) // enough
				return
			}
			swaps.Add(1)
		}
	}()
	return swaps, func() {
		close(stopping)
		<-stopped
	}
}
