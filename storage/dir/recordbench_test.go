package dir

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"godwit/storage"
)

// fillLog writes n records of 600 bytes over 1,024 folders, in large appends
// and without syncing, and returns their keys and versions.
func fillLog(b *testing.B, r *Records, n int) ([]string, []storage.Version) {
	b.Helper()
	r.disk.sync = func(*os.File) error { return nil }
	body := []byte(strings.Repeat("x", 600))
	keys, versions := make([]string, n), make([]storage.Version, n)
	const atOnce = 1000
	for start := 0; start < n; start += atOnce {
		ops := make([]*op, 0, atOnce)
		for i := start; i < min(n, start+atOnce); i++ {
			keys[i] = fmt.Sprintf("shards/%03x/t/01JABCDEFGHJKMNPQ%09d", i*7919%1024, i)
			ops = append(ops, &op{name: "create", kind: opCreate, key: keys[i], body: body, done: make(chan struct{})})
		}
		r.queue.waiting = ops
		r.turn(lockFile(r.lock))
		for i, o := range ops {
			if o.err != nil {
				b.Fatal(o.err)
			}
			versions[start+i] = o.version
		}
	}
	r.disk.sync = syncData
	return keys, versions
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkOpen opens a store with many records and reports what its index
// takes.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			root := b.TempDir()
			r := openLog(b, root)
			fillLog(b, r, n)
			_ = r.Close()
			r = nil
			before := heap()
			var last *Records
			b.ResetTimer()
			for range b.N {
				if last != nil {
					_ = last.Close()
				}
				last = openLog(b, root)
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/float64(n), "heap-B/record")
			runtime.KeepAlive(last)
		})
	}
}

// BenchmarkList lists 1,024 folders of a store of 100,000 records, as a node
// does when it starts.
func BenchmarkList(b *testing.B) {
	r := openLog(b, b.TempDir())
	fillLog(b, r, 100_000)
	before := cpuTime(b)
	b.ResetTimer()
	for range b.N {
		for shard := range 1024 {
			keys, err := r.List(b.Context(), fmt.Sprintf("shards/%03x/t/", shard), "", 1000)
			if err != nil || len(keys) < 90 {
				b.Fatal(len(keys), err)
			}
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkGet reads records of a store of 100,000.
func BenchmarkGet(b *testing.B) {
	r := openLog(b, b.TempDir())
	keys, _ := fillLog(b, r, 100_000)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := r.Get(b.Context(), keys[i*7919%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompaction writes the log of 100,000 records anew while 16 writers
// go on, and reports the longest any of their writes took.
func BenchmarkCompaction(b *testing.B) {
	r := openLog(b, b.TempDir())
	keys, versions := fillLog(b, r, 100_000)
	var longest, under time.Duration
	b.ResetTimer()
	for range b.N {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		slowest := make([]time.Duration, 16)
		for w := range slowest {
			wg.Go(func() {
				for i := w; ; i += len(slowest) {
					select {
					case <-stop:
						return
					default:
					}
					begin := time.Now()
					var err error
					if versions[i], err = r.CompareAndSwap(b.Context(), keys[i], make([]byte, 600), versions[i]); err != nil {
						b.Error(err)
						return
					}
					slowest[w] = max(slowest[w], time.Since(begin))
				}
			})
		}
		var copied time.Time
		r.disk.step = func(step string) {
			if step == "copied" {
				copied = time.Now()
			}
		}
		if err := r.compact(); err != nil {
			b.Error(err)
		}
		under = max(under, time.Since(copied))
		close(stop)
		wg.Wait()
		for _, d := range slowest {
			longest = max(longest, d)
		}
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "slowest-ms")
	b.ReportMetric(float64(under.Microseconds())/1000, "finish-ms")
}

// BenchmarkCPU reports the processor time of one durable write.
func BenchmarkCPU(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			r := openLog(b, b.TempDir())
			body := make([]byte, 600)
			var wg sync.WaitGroup
			before := cpuTime(b)
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					key := fmt.Sprintf("shards/%03x/t/%d", w%1024, w)
					version, err := r.Create(b.Context(), key, body)
					for i := w; i < b.N && err == nil; i += writers {
						version, err = r.CompareAndSwap(b.Context(), key, body, version)
					}
					if err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/write")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
