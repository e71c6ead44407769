package actors_test

import (
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestPanicsRestartOneTransfer lets every place where a transfer calls out
// panic once. It starts afresh and completes; its neighbour does not notice.
func TestPanicsRestartOneTransfer(t *testing.T) {
	ops := []storagetest.Op{
		storagetest.OpBegin, storagetest.OpOpenPart, storagetest.OpReadFrom, storagetest.OpCommit,
		storagetest.OpReadBack, storagetest.OpComplete, storagetest.OpSwap,
	}
	for _, op := range ops {
		t.Run(string(op), func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				var fired atomic.Bool
				b.hook = func(c storagetest.Call) storagetest.Fault {
					if c.Op == op && aboutA(c.Name) && fired.CompareAndSwap(false, true) {
						panic("a bug in the store")
					}
					return storagetest.Fault{}
				}
				sys := b.node()
				for _, id := range []string{"a", "b"} {
					b.create(sys, b.spec(id, func(s *transfer.Spec) { s.WantSHA256 = true }), true)
				}
				began := time.Now()
				b.completed(sys, "b")
				if took := time.Since(began); took > 100*time.Millisecond {
					b.Errorf("the neighbour took %v", took)
				}
				b.completed(sys, "a")
				if !fired.Load() {
					b.Error("nothing has panicked")
				}
			})
		})
	}
	for _, answer := range []actorstest.Answer{{Panic: "a bug in the source"}, {PanicBody: "a bug in a body"}} {
		t.Run(answer.Panic+answer.PanicBody, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				var fired atomic.Bool
				b.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
					if req.URL == "https://origin.example/a" && fired.CompareAndSwap(false, true) {
						return answer
					}
					return actorstest.Answer{}
				}
				sys := b.node()
				b.create(sys, b.spec("a"), true)
				b.create(sys, b.spec("b"), true)
				b.completed(sys, "b")
				b.completed(sys, "a")
			})
		})
	}
}

// aboutA tells that a record or an object belongs to the transfer "a".
func aboutA(name string) bool {
	return name == actors.TransferKey("a") || name == "/results/a"
}

// TestPoisonIsQuarantined has a transfer that panics whenever it runs: it is
// tried a few times, later each time, then it has failed for all to see, and
// runs again when it is retried after the bug was mended.
func TestPoisonIsQuarantined(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		var mended atomic.Bool
		var tries []time.Time
		b.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
			if !mended.Load() && req.URL == "https://origin.example/a" {
				tries = append(tries, time.Now())
				return actorstest.Answer{Panic: "poison"}
			}
			return actorstest.Answer{}
		}
		b.config = func(c *actors.Config) { c.Slots = 1 }
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		b.create(sys, b.spec("b"), true)
		b.completed(sys, "b")
		snap := b.await(sys, "a")
		if snap.State.Phase != transfer.PhaseFailed || snap.State.Err.Code != transfer.CodeQuarantined {
			b.Fatalf("ended %s: %v", snap.State.Phase, snap.State.Err)
		}
		if len(tries) < 3 || len(tries) > 10 {
			b.Errorf("tried %d times", len(tries))
		}
		for i := 2; i < len(tries); i++ {
			if tries[i].Sub(tries[i-1]) < tries[i-1].Sub(tries[i-2]) {
				b.Errorf("waits between tries do not grow: %v", tries)
			}
		}
		settle(time.Hour)
		b.want(sys, "a", transfer.PhaseFailed)
		page, err := sys.List(b.Context(), actors.Query{Statuses: []string{"FAILED"}, Limit: 10})
		if err != nil || len(page.Transfers) != 1 {
			b.Fatalf("%d failed transfers are listed (%v), want 1", len(page.Transfers), err)
		}
		b.create(sys, b.spec("c"), true)
		b.completed(sys, "c")
		mended.Store(true)
		b.command(sys, "a", transfer.Retry{})
		b.completed(sys, "a")
		if left := b.objects.Uploads(); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
	})
}

// TestLooksWhileCrashed asks for a transfer that waits to be started again
// after a panic: the list must not wait for it.
func TestLooksWhileCrashed(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Panic: "poison"} }
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(200 * time.Millisecond)
		began := time.Now()
		if _, err := sys.List(b.Context(), actors.Query{Limit: 10}); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			b.Errorf("the list took %v", took)
		}
	})
}

// TestStopsWhileCrashed ends the node while a transfer waits to be started
// again.
func TestStopsWhileCrashed(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Panic: "poison"} }
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(8 * time.Second)
		began := time.Now()
		if err := sys.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			b.Errorf("stopping took %v", took)
		}
	})
}
