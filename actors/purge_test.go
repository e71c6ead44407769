package actors_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestPurgeInEachPhase deletes in each phase: what has ended is gone with all
// that it kept, and its id is free; the rest is refused.
func TestPurgeInEachPhase(t *testing.T) {
	for phase := range phases {
		t.Run(string(phase), func(t *testing.T) {
			inPhase(t, phase, func(b *bubble, sys *actors.System) {
				_, err := sys.Command(b.Context(), "a", transfer.Purge{}, "")
				if !phase.Terminal() {
					b.code(err, transfer.CodeState)
					b.want(sys, "a", phase)
					return
				}
				if err != nil {
					b.Fatal(err)
				}
				b.gone(sys, "a")
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.IfExists = transfer.IfExistsOverwrite }), true)
				b.completed(sys, "a")
			})
		})
	}
}

// gone fails the test unless nothing is left of a transfer but its result.
func (b *bubble) gone(sys *actors.System, id string) {
	b.Helper()
	_, err := sys.Get(b.Context(), id)
	b.code(err, transfer.CodeNotFound)
	if _, err := b.records.Get(b.Context(), actors.TransferKey(id)); err == nil {
		b.Errorf("the record of %s is left", id)
	}
	if left := b.objects.Uploads(); len(left) > 0 {
		b.Errorf("left behind: %v", left)
	}
	page, err := sys.List(b.Context(), actors.Query{Limit: 10})
	if err != nil || len(page.Transfers) > 0 {
		b.Errorf("listed: %d transfers, %v", len(page.Transfers), err)
	}
}

// failing is a transfer "a" that has failed with parts stored.
func (b *bubble) failing(sys *actors.System) {
	b.Helper()
	b.source.Script = func(n int, _ endpoint.Request) actorstest.Answer {
		if n > 1 {
			return actorstest.Answer{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 404, Message: "gone"}}
		}
		return actorstest.Answer{Cut: 3 * partSize}
	}
	b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
	snap := b.await(sys, "a")
	if snap.State.Phase != transfer.PhaseFailed || snap.State.Gen.Ledger.Count() == 0 {
		b.Fatalf("it is %s with %d parts", snap.State.Phase, snap.State.Gen.Ledger.Count())
	}
}

// TestPurgeRemovesKeptParts deletes a failed transfer while nothing can be
// removed, kills the node, and lets the next one end it.
func TestPurgeRemovesKeptParts(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		var away atomic.Bool
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if away.Load() && c.Op == storagetest.OpAbort {
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		b.failing(sys)
		away.Store(true)
		go func() { _, _ = sys.Command(b.Context(), "a", transfer.Purge{}, "") }()
		settle(time.Second)
		b.want(sys, "a", transfer.PhaseFailed)
		_, err := sys.Command(b.Context(), "a", transfer.Retry{}, "")
		b.code(err, transfer.CodeState)
		sys.Abandon()
		settle(time.Second)
		away.Store(false)
		sys = b.node()
		settle(time.Minute)
		b.gone(sys, "a")
	})
}

// TestRetention keeps what has ended for as long as it should, over a restart,
// and keeps what has not.
func TestRetention(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.config = func(c *actors.Config) { c.Retention = time.Hour }
		sys := b.node()
		b.create(sys, b.spec("idle"), false)
		b.create(sys, b.spec("a"), true)
		b.create(sys, b.spec("b"), true)
		b.completed(sys, "a")
		b.command(sys, "b", transfer.Cancel{})
		settle(50 * time.Minute)
		b.want(sys, "a", transfer.PhaseCompleted)
		sys.Abandon()
		sys = b.node()
		settle(5 * time.Minute)
		b.want(sys, "a", transfer.PhaseCompleted)
		settle(10 * time.Minute)
		for _, id := range []string{"a", "b"} {
			_, err := sys.Get(b.Context(), id)
			b.code(err, transfer.CodeNotFound)
		}
		b.checkResult("a")
		settle(24 * time.Hour)
		b.want(sys, "idle", transfer.PhaseIdle)
		if n := sys.Actors(); n > 0 {
			b.Errorf("%d actors are left", n)
		}
	})
}

// TestRetentionOfMany ends more in one moment than one sweep takes.
func TestRetentionOfMany(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.config = func(c *actors.Config) { c.Retention = time.Hour }
		sys := b.node()
		ids := []string{}
		for n := 0; len(ids) < 40; n++ {
			if id := fmt.Sprint("t", n); actors.ShardOf(id) == 7 {
				ids = append(ids, id)
			}
		}
		for _, id := range ids {
			b.create(sys, b.spec(id), false)
			b.command(sys, id, transfer.Cancel{})
		}
		settle(2 * time.Hour)
		page, err := sys.List(b.Context(), actors.Query{Limit: 100})
		if err != nil || len(page.Transfers) > 0 {
			b.Errorf("%d transfers are left, %v", len(page.Transfers), err)
		}
	})
}

// TestAcknowledge takes note of an end once, and lists what was not noticed.
func TestAcknowledge(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		b.create(sys, b.spec("b"), true)
		b.completed(sys, "a")
		first := b.command(sys, "a", transfer.Acknowledge{})
		settle(time.Hour)
		again := b.command(sys, "a", transfer.Acknowledge{})
		if first.State.Acknowledged.IsZero() || again.ETag != first.ETag {
			b.Errorf("acknowledged at %v, then %s after %s", first.State.Acknowledged, again.ETag, first.ETag)
		}
		page, err := sys.List(b.Context(), actors.Query{Limit: 10, Unacknowledged: true})
		if err != nil || len(page.Transfers) != 1 || page.Transfers[0].State.Spec.ID != "b" {
			b.Errorf("%d are not acknowledged, %v", len(page.Transfers), err)
		}
	})
}
