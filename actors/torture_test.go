package actors_test

import (
	"fmt"
	"io"
	"testing"

	"godwit/actors"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// tortured is a transfer of several parts with a digest, small enough to be
// repeated a few hundred times.
func tortured(w *world) transfer.Spec {
	spec := w.spec("tortured")
	spec.WantSHA256 = true
	spec.PartSize = torturePart(w.scheme)
	return spec
}

// torturePart is small, but not smaller than the store takes.
func torturePart(scheme string) int64 {
	if scheme == "file" {
		return 64 << 10
	}
	return 5 << 20
}

// tortureSize makes a few parts, the last one short.
func tortureSize(scheme string) int64 {
	if scheme == "file" {
		return 3*torturePart(scheme) + 5
	}
	return torturePart(scheme) + 5
}

// TestTorture lets the k-th call to any store fail, for all k, in four ways.
// Whatever fails, the transfer ends right and leaves nothing behind.
func TestTorture(t *testing.T) {
	modes := map[string]storagetest.Fault{
		"refused":      storagetest.Refused(),
		"lost request": storagetest.LostRequest(),
		"lost reply":   storagetest.LostReply(),
		"conflict":     {Kind: "conflicting operation"},
	}
	for _, scheme := range []string{"file", "s3"} {
		for name, fault := range modes {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				t.Parallel()
				for k := 1; torture(t, scheme, k, fault); k++ {
				}
			})
		}
	}
}

// torture runs one transfer whose k-th call fails; false when there is no k-th.
func torture(t *testing.T, scheme string, k int, fault storagetest.Fault) bool {
	w := newWorld(t, scheme, tortureSize(scheme))
	armed := 0
	faults := &storagetest.Faults{}
	faults.Hook = func(c storagetest.Call) storagetest.Fault {
		if c.Op == storagetest.OpList || c.Name == "nodes/n1" || c.Name == "cluster" {
			return storagetest.Fault{}
		}
		if armed++; armed == k {
			t.Logf("call %d: %s %s", k, c.Op, c.Name)
			return fault
		}
		return storagetest.Fault{}
	}
	sys := w.node(faults)
	defer sys.Abandon()
	spec := tortured(w)
	if _, _, err := sys.Create(t.Context(), spec, true); err != nil {
		// The user was told; asking again must work.
		if _, _, err = sys.Create(t.Context(), spec, true); err != nil {
			t.Fatalf("call %d: create twice: %v", k, err)
		}
	}
	checkOutcome(t, w, sys, k)
	return armed >= k && !t.Failed()
}

// checkOutcome waits for the end and judges it.
func checkOutcome(t *testing.T, w *world, sys *actors.System, k int) {
	t.Helper()
	snap := w.await(sys, "tortured")
	if snap.State.Phase != transfer.PhaseCompleted {
		t.Fatalf("call %d: ended %s: %v", k, snap.State.Phase, snap.State.Err)
	}
	want, err := io.ReadAll(w.origin.Content().Reader(0))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.result("tortured"); string(got) != string(want) {
		t.Fatalf("call %d: result has %d bytes, want %d, or differs", k, len(got), len(want))
	}
	if snap.State.SHA256 != w.origin.SHA256() {
		t.Fatalf("call %d: sha256 %s, want %s", k, snap.State.SHA256, w.origin.SHA256())
	}
	if litter := w.litter(); len(litter) > 0 {
		t.Fatalf("call %d: left behind: %v", k, litter)
	}
}

// TestTortureKill kills the node at the k-th call, for all k, and starts it
// again over what it left.
func TestTortureKill(t *testing.T) {
	for _, scheme := range []string{"file", "s3"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			for k := 1; tortureKill(t, scheme, k); k++ {
			}
		})
	}
}

func tortureKill(t *testing.T, scheme string, k int) bool {
	w := newWorld(t, scheme, tortureSize(scheme))
	never := make(chan struct{})
	reached := make(chan string, 1)
	armed := 0
	faults := &storagetest.Faults{}
	faults.Hook = func(c storagetest.Call) storagetest.Fault {
		if c.Op == storagetest.OpList || c.Name == "nodes/n1" || c.Name == "cluster" {
			return storagetest.Fault{}
		}
		if armed++; armed < k {
			return storagetest.Fault{}
		}
		if armed == k {
			reached <- fmt.Sprint(c.Op, " ", c.Name)
		}
		// From here on the process does not exist any more.
		return storagetest.Fault{Until: never, Kind: "store unavailable"}
	}
	sys := w.node(faults)
	created := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		_, _, err := sys.Create(t.Context(), tortured(w), true)
		created <- err
		watch := sys.Watch(t.Context(), []string{"tortured"})
		defer watch.Close()
		for {
			if _, err := watch.Next(t.Context()); err != nil {
				close(ended)
				return
			}
		}
	}()
	more := true
	select {
	case at := <-reached:
		t.Logf("kill at call %d: %s", k, at)
	case <-ended:
		more = false
	}
	sys.Abandon()
	again := w.node(nil)
	defer again.Abandon()
	if _, _, err := again.Create(t.Context(), tortured(w), true); err != nil {
		t.Fatalf("kill at call %d: the same command again: %v", k, err)
	}
	checkOutcome(t, w, again, k)
	return more && !t.Failed()
}
