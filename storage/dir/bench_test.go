package dir_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"godwit/storage"
	"godwit/storage/dir"
)

// BenchmarkRecords writes durable records of 1 KiB: each writer swaps its own
// key. "one" puts all keys into one folder, "many" spreads them over 64.
func BenchmarkRecords(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		for _, folders := range []int{1, 64} {
			b.Run(fmt.Sprintf("swap/writers=%d/folders=%d", writers, folders), func(b *testing.B) {
				benchmarkSwap(b, writers, folders)
			})
		}
		b.Run(fmt.Sprintf("create/writers=%d", writers), func(b *testing.B) {
			benchmarkCreate(b, writers)
		})
	}
}

func benchmarkSwap(b *testing.B, writers, folders int) {
	records := openRecords(b, b.TempDir())
	body := make([]byte, 1024)
	versions := make([]storage.Version, writers)
	key := func(w int) string { return fmt.Sprintf("shards/%03d/t/%d", w%folders, w) }
	inParallel(b, writers, writers, func(w, _ int) (err error) {
		versions[w], err = records.Create(b.Context(), key(w), body)
		return err
	})
	b.ResetTimer()
	inParallel(b, writers, b.N, func(w, _ int) (err error) {
		versions[w], err = records.CompareAndSwap(b.Context(), key(w), body, versions[w])
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func benchmarkCreate(b *testing.B, writers int) {
	records := openRecords(b, b.TempDir())
	body := make([]byte, 1024)
	b.ResetTimer()
	inParallel(b, writers, b.N, func(w, i int) error {
		_, err := records.Create(b.Context(), fmt.Sprintf("shards/%03d/t/%d.%d", i%64, w, i), body)
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// inParallel shares n calls out among the workers, worker w getting every n-th.
func inParallel(b *testing.B, workers, n int, run func(worker, i int) error) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := run(w, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkObject builds, syncs and publishes one object of 512 MiB from
// memory, as a download at full speed does.
func BenchmarkObject(b *testing.B) {
	const size = 512 << 20
	for _, streams := range []int{1, 4} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			objects := openObjects(b)
			b.SetBytes(size)
			for i := range b.N {
				buildObject(b, objects, filepath.Join(b.TempDir(), fmt.Sprint(i)), size, streams)
			}
		})
	}
}

// BenchmarkSmallObjects publishes objects of 64 KiB, 16 at a time.
func BenchmarkSmallObjects(b *testing.B) {
	objects, folder := openObjects(b), b.TempDir()
	b.ResetTimer()
	inParallel(b, 16, b.N, func(_, i int) error {
		buildObject(b, objects, filepath.Join(folder, fmt.Sprint(i)), 64<<10, 1)
		return nil
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

func buildObject(b *testing.B, objects *dir.Objects, name string, size int64, streams int) {
	ctx := b.Context()
	up, err := objects.Begin(ctx, name, storage.BeginOptions{Token: "bench", Size: size})
	if err != nil {
		b.Fatal(err)
	}
	partSize := min(size, objects.Limits().Preferred)
	parts := make([]storage.Part, size/partSize)
	inParallel(b, streams, len(parts), func(_, i int) error {
		w, err := objects.OpenPart(ctx, up, i+1, int64(i)*partSize, partSize)
		if err != nil {
			return err
		}
		defer w.Discard()
		if _, err := w.ReadFrom(zeros{}); err != nil {
			return err
		}
		parts[i], err = w.Commit(ctx)
		return err
	})
	opts := storage.CompleteOptions{Token: "bench", Size: size}
	for _, part := range parts {
		opts.CRC64 = storage.CombineCRC64(opts.CRC64, part.CRC64, part.Size)
	}
	if _, err := objects.Complete(ctx, up, parts, opts); err != nil {
		b.Fatal(err)
	}
}

// zeros is a source that costs nothing, giving 64 KiB a read as a socket does.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return min(len(p), 64<<10), nil }
