package actors_test

import (
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

// TestBackoff lets a source fail for ever: the waits between tries are those of
// transfer.Backoff, and the transfer fails when its budget is spent.
func TestBackoff(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var tries []time.Time
		b.source.Script = func(int, endpoint.Request) actorstest.Answer {
			tries = append(tries, time.Now())
			return actorstest.Answer{Err: transfer.Errorf(transfer.CodeConnect, "refused")}
		}
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		snap := b.await(sys, "a")
		if snap.State.Phase != transfer.PhaseFailed || snap.State.Err.Code != transfer.CodeConnect {
			b.Fatalf("ended %s: %v", snap.State.Phase, snap.State.Err)
		}
		if len(tries) != 6 {
			b.Fatalf("tried %d times, want once and 5 times again", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			if got, want := tries[i].Sub(tries[i-1]), transfer.Backoff(i, 0.5); got != want {
				b.Errorf("wait %d was %v, want %v", i, got, want)
			}
		}
	})
}

// TestRetryAfter leaves a host alone for as long as it asks, with all transfers,
// while others run.
func TestRetryAfter(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		began := time.Now()
		var early []string
		asked := false
		b.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
			if req.URL == "https://elsewhere.example/" {
				return actorstest.Answer{}
			}
			if !asked {
				asked = true
				return actorstest.Answer{Err: &transfer.Error{
					Code: transfer.CodeStatusRetry, Status: 429, RetryAfter: 90 * time.Second, Message: "too many requests",
				}}
			}
			if time.Since(began) < 90*time.Second {
				early = append(early, req.URL)
			}
			return actorstest.Answer{}
		}
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(time.Second)
		b.create(sys, b.spec("b"), true)
		b.create(sys, b.spec("c", func(s *transfer.Spec) { s.Source = "https://elsewhere.example/" }), true)
		b.completed(sys, "c")
		if took := time.Since(began); took > 2*time.Second {
			b.Errorf("the transfer from another host took %v", took)
		}
		_, reasons, err := sys.Explain(b.Context(), "b")
		if err != nil || len(reasons) == 0 {
			b.Fatalf("no reason: %v", err)
		}
		b.completed(sys, "a")
		b.completed(sys, "b")
		if len(early) > 0 {
			b.Errorf("asked again too early: %v", early)
		}
		if took := time.Since(began); took > 95*time.Second {
			b.Errorf("all took %v", took)
		}
	})
}

// TestQueuedArePassive counts actors: what waits is none, what has ended
// neither, and a command makes one for a moment.
func TestQueuedArePassive(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.config = func(c *actors.Config) { c.Slots = 2 }
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Delay: 10 * time.Second} }
		sys := b.node()
		ids := b.createMany(sys, 20)
		settle(time.Second)
		if got := sys.Actors(); got != 2 {
			b.Errorf("%d actors with 2 slots", got)
		}
		low := transfer.PriorityLow
		b.command(sys, ids[19], transfer.Update{Priority: &low})
		b.command(sys, ids[18], transfer.Pause{})
		settle(0)
		if got := sys.Actors(); got != 2 {
			b.Errorf("%d actors after commands", got)
		}
		b.command(sys, ids[18], transfer.Resume{})
		for _, id := range ids {
			b.completed(sys, id)
		}
		settle(time.Second)
		if got := sys.Actors(); got != 0 {
			b.Errorf("%d actors after all have ended", got)
		}
	})
}

// TestPriorities runs what is urgent first, and what is older first among equals.
func TestPriorities(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var order []string
		b.source.Script = func(_ int, req endpoint.Request) actorstest.Answer {
			order = append(order, req.URL[len("https://origin.example/"):])
			return actorstest.Answer{Delay: time.Second}
		}
		b.config = func(c *actors.Config) { c.Slots = 1 }
		sys := b.node()
		for _, id := range []string{"first", "low", "second", "third", "high", "raised"} {
			b.create(sys, b.spec(id, func(s *transfer.Spec) {
				switch id {
				case "low":
					s.Priority = transfer.PriorityLow
				case "high":
					s.Priority = transfer.PriorityHigh
				}
			}), true)
			settle(time.Millisecond)
		}
		high := transfer.PriorityHigh
		b.command(sys, "raised", transfer.Update{Priority: &high})
		b.await(sys, "low")
		want := []string{"first", "high", "raised", "second", "third", "low"}
		for i := range want {
			if i >= len(order) || order[i] != want[i] {
				b.Fatalf("ran in the order %v, want %v", order, want)
			}
		}
	})
}

// TestKill ends the process at many moments of a transfer: the next one goes on
// from what is stored, and never from the start.
func TestKill(t *testing.T) {
	inBubble(t, 16, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		one := func(s *transfer.Spec) { s.Connections = 1 }
		sys := b.node()
		b.create(sys, b.spec("a", one), true)
		kills := 0
		for ; kills < 100; kills++ {
			// Long enough for a checkpoint: less than that may be lost.
			settle(3700 * time.Millisecond)
			if b.get(sys, "a").State.Phase.Terminal() {
				break
			}
			sys.Abandon()
			settle(time.Second)
			sys = b.node()
		}
		snap := b.completed(sys, "a")
		if kills < 3 || snap.Epoch != uint64(kills+1) {
			b.Errorf("killed %d times, completed in epoch %d", kills, snap.Epoch)
		}
		if got := b.objects.Commits(); got > 16 {
			b.Errorf("%d parts were stored, want 16: the store lists what it has", got)
		}
		// One part in flight for each kill, and what readers had ahead of it.
		if extra := b.source.Served() - 16*partSize; extra > int64(kills)*partSize {
			b.Errorf("%d bytes were served again for %d kills", extra, kills)
		}
	})
}

// TestContentChanges while it is fetched, and again and again.
func TestContentChanges(t *testing.T) {
	for name, test := range map[string]struct {
		changes int
		want    transfer.Phase
	}{"once": {1, transfer.PhaseCompleted}, "too often": {10, transfer.PhaseFailed}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, func(b *bubble) {
				b.source.Script = func(int, endpoint.Request) actorstest.Answer {
					return actorstest.Answer{Rate: 4 * partSize, Cut: 3*partSize + 1}
				}
				sys := b.node()
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
				for range test.changes {
					settle(600 * time.Millisecond)
					b.source.Change()
				}
				snap := b.await(sys, "a")
				if snap.State.Phase != test.want {
					b.Fatalf("ended %s: %v", snap.State.Phase, snap.State.Err)
				}
				if test.want == transfer.PhaseCompleted {
					b.checkResult("a")
				} else if snap.State.Err.Code != transfer.CodeSourceChanged || b.objects.Result("/results/a") != nil {
					b.Errorf("failed with %v", snap.State.Err)
				}
				settle(time.Minute)
				if left := b.objects.Uploads(); len(left) > 0 {
					b.Errorf("left behind: %v", left)
				}
			})
		})
	}
}
