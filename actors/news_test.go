package actors_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestEndIsToldOnceRecorded publishes a result while its record cannot be written: if
// the node died, another would not know that the transfer had ended. Whoever asks,
// lists or watches hears of the end when it is recorded, and not before.
func TestEndIsToldOnceRecorded(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		var published, away atomic.Bool
		away.Store(true)
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if c.Op == storagetest.OpComplete {
				published.Store(true)
			}
			if c.Op == storagetest.OpSwap && strings.Contains(c.Name, "/t/") && published.Load() && away.Load() {
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(10 * time.Second)
		if !published.Load() {
			t.Fatal("nothing was published")
		}
		told := func() (asked, listed transfer.Phase) {
			page, err := sys.List(b.Context(), actors.Query{Limit: 10})
			if err != nil || len(page.Transfers) != 1 {
				t.Fatalf("%d transfers, %v", len(page.Transfers), err)
			}
			return b.get(sys, "a").State.Phase, page.Transfers[0].State.Phase
		}
		if asked, listed := told(); asked != transfer.PhaseCompleting || listed != transfer.PhaseCompleting {
			t.Errorf("asked, it is %s, listed, it is %s", asked, listed)
		}
		away.Store(false)
		b.completed(sys, "a")
		if asked, listed := told(); asked != transfer.PhaseCompleted || listed != transfer.PhaseCompleted {
			t.Errorf("asked, it is %s, listed, it is %s", asked, listed)
		}
	})
}
