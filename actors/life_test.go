package actors_test

import (
	"testing"
	"time"

	"godwit/transfer"
)

// TestLife follows one transfer from its creation to its result, in both kinds
// of store.
func TestLife(t *testing.T) {
	inBubble(t, 5, func(b *bubble) {
		sys := b.node()
		b.create(sys, b.spec("a"), false)
		settle(time.Minute)
		b.want(sys, "a", transfer.PhaseIdle)
		b.command(sys, "a", transfer.Start{})
		snap := b.completed(sys, "a")
		if got := snap.State.OnWire; got != 5*partSize {
			b.Errorf("%d bytes on the wire, want %d", got, 5*partSize)
		}
		if left := b.objects.Uploads(); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
	})
}
