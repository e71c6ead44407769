package dir_test

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/storage"
	"godwit/storage/storagetest"
)

// The whole life of an object, with its k-th call failing in three ways, for
// every k: a caller that does what the contract says ends with the object,
// once, and nothing beside it.
func TestObjectAtEveryFault(t *testing.T) {
	content := strings.Repeat("0123456789", 300_000)
	for name, fault := range map[string]storagetest.Fault{
		"refused": storagetest.Refused(), "lost request": storagetest.LostRequest(), "lost reply": storagetest.LostReply(),
	} {
		for k := 1; ; k++ {
			folder := t.TempDir()
			faults := &storagetest.Faults{Hook: storagetest.FailAt(k, fault)}
			store := &stubborn{t: t, ObjectStore: faults.Objects(openObjects(t))}
			store.build(filepath.Join(folder, "file"), content)
			if got := readFile(t, filepath.Join(folder, "file")); got != content {
				t.Errorf("%s at call %d: %d bytes that differ", name, k, len(got))
			}
			if left := leftovers(t, folder); len(left) > 0 {
				t.Errorf("%s at call %d left %q", name, k, left)
			}
			if len(faults.Calls()) < k {
				break
			}
		}
	}
}

// stubborn repeats what failed.
type stubborn struct {
	storage.ObjectStore
	t *testing.T
}

// again makes a call until it succeeds; twice must do, as one call fails.
func again[T any](t *testing.T, run func(attempt int) (T, error)) T {
	t.Helper()
	result, err := run(0)
	if err != nil {
		var e *storage.Error
		if !errors.As(err, &e) {
			t.Fatalf("not a store's error: %v", err)
		}
		if result, err = run(1); err != nil {
			t.Fatal(err)
		}
	}
	return result
}

func (s *stubborn) build(name, content string) {
	ctx := s.t.Context()
	up := again(s.t, func(attempt int) (storage.Upload, error) {
		return s.Begin(ctx, name, storage.BeginOptions{
			Token: "token", Size: int64(len(content)), Retry: attempt > 0, Since: time.Now(),
		})
	})
	const partSize = 1 << 20
	var parts []storage.Part
	for offset := 0; offset < len(content); offset += partSize {
		parts = append(parts, again(s.t, func(int) (storage.Part, error) {
			return s.part(up, len(parts)+1, int64(offset), content[offset:min(offset+partSize, len(content))])
		}))
	}
	again(s.t, func(int) (any, error) { return nil, s.Sync(ctx, up) })
	if listed := again(s.t, func(int) ([]storage.Part, error) { return s.ListParts(ctx, up) }); !slices.Equal(listed, parts) {
		s.t.Errorf("listed %+v, committed %+v", listed, parts)
	}
	back := again(s.t, func(int) (io.ReadCloser, error) { return s.ReadBack(ctx, up, int64(len(content))) })
	if read, err := io.ReadAll(back); err != nil || string(read) != content {
		s.t.Errorf("read back %d bytes, %v", len(read), err)
	}
	_ = back.Close()
	again(s.t, func(int) (storage.ObjectInfo, error) {
		return s.Complete(ctx, up, parts, storage.CompleteOptions{
			Token: "token", Size: int64(len(content)), CRC64: crc64nvme.Checksum([]byte(content)),
		})
	})
	again(s.t, func(int) (any, error) { return nil, s.Abort(ctx, up) })
}

func (s *stubborn) part(up storage.Upload, number int, offset int64, content string) (storage.Part, error) {
	w, err := s.OpenPart(s.t.Context(), up, number, offset, int64(len(content)))
	if err != nil {
		return storage.Part{}, err
	}
	defer w.Discard()
	if _, err := w.ReadFrom(strings.NewReader(content)); err != nil {
		return storage.Part{}, err
	}
	return w.Commit(s.t.Context())
}
