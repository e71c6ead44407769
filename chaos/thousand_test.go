package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// TestThousand submits a thousand transfers at once to a node with a small
// budget. All complete, a list pages through each of them once, and memory stays
// under the budget, 64 MiB, and 2 KB for each queued transfer.
func TestThousand(t *testing.T) {
	transfers := 1000
	if testing.Short() {
		transfers = 100
	}
	const budget = 256 << 20
	s := serve(t, nil, "--memory-budget", "256M", "--log-level", "info")
	random := rand.New(rand.NewPCG(1, 1000))
	origins := make([]*endpointtest.Origin, 16)
	for i := range origins {
		size := int64(64<<10) << (i % 5)
		origins[i] = endpointtest.New(t, endpointtest.Options{Seed: uint64(i), Size: size - random.Int64N(size/4)})
	}
	submit, ctx := errgroup.WithContext(t.Context())
	submit.SetLimit(16)
	for i := range transfers {
		id := fmt.Sprintf("t%04d", i)
		submit.Go(func() error {
			_, err := s.Create(ctx, download(id, origins[i%len(origins)].URL("/"+id), s.file(id)), true)
			return err
		})
	}
	if err := submit.Wait(); err != nil {
		t.Fatal(err)
	}
	s.list(transfers)
	for i := range transfers {
		id := fmt.Sprintf("t%04d", i)
		if last := s.ended(id); last.GetStatus() != pb.Transfer_COMPLETED {
			t.Errorf("%v", last)
		}
		matches(t, s.file(id), origins[i%len(origins)].Content())
	}
	s.list(transfers)
	if found := files(t, s.files); len(found) != transfers {
		t.Errorf("%d files, want %d", len(found), transfers)
	}
	s.healthy()
	peak, ok := peakMemory(t, s.Pid())
	if !ok {
		t.Skip("the peak of memory can be read on Linux only")
	}
	bound := int64(budget + 64<<20 + 2000*transfers)
	t.Logf("peak memory %.1f MiB, bound %.1f MiB", float64(peak)/(1<<20), float64(bound)/(1<<20))
	if peak > bound {
		t.Errorf("peak memory is %d bytes, the bound %d", peak, bound)
	}
}

// list pages through all transfers in small pages and fails unless each is
// there once.
func (s *server) list(want int) {
	s.t.Helper()
	seen := map[string]bool{}
	for t, err := range s.List(s.t.Context(), &pb.ListTransfersRequest{PageSize: 37}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if seen[t.GetId()] {
			s.t.Fatalf("%s is listed twice", t.GetId())
		}
		seen[t.GetId()] = true
	}
	if len(seen) != want {
		s.t.Fatalf("%d transfers are listed, want %d", len(seen), want)
	}
}

// peakMemory is the most resident memory that a process had, in bytes.
func peakMemory(t *testing.T, pid int) (int64, bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10, true
		}
	}
	return 0, false
}
