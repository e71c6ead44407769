package actors_test

import (
	"testing"
	"time"

	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// TestCancelWhilePublishing cancels when the result is being published: a
// success stays one, a certain failure ends the transfer without another try,
// over a death of the node as well.
func TestCancelWhilePublishing(t *testing.T) {
	for name, test := range map[string]struct {
		fails, killed bool
		want          transfer.Phase
	}{
		"succeeds":        {false, false, transfer.PhaseCompleted},
		"fails":           {true, false, transfer.PhaseCanceled},
		"killed, fails":   {true, true, transfer.PhaseCanceled},
		"killed succeeds": {false, true, transfer.PhaseCompleted},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 2, func(b *bubble) {
				b.hook = func(c storagetest.Call) storagetest.Fault {
					switch {
					case c.Op != storagetest.OpComplete:
						return storagetest.Fault{}
					case test.fails:
						return storagetest.Fault{Delay: time.Minute, Kind: storage.ErrPartLost}
					}
					return storagetest.Fault{Delay: time.Minute}
				}
				sys := b.node()
				b.create(sys, b.spec("a"), true)
				settle(10 * time.Second)
				snap := b.command(sys, "a", transfer.Cancel{By: "me", Reason: "enough"})
				if snap.State.Phase != transfer.PhaseCompleting || !snap.State.CancelWanted {
					b.Fatalf("answered with %s, cancel wanted: %v", snap.State.Phase, snap.State.CancelWanted)
				}
				if test.killed {
					sys.Abandon()
					settle(time.Second)
					sys = b.node()
				}
				snap = b.await(sys, "a")
				if snap.State.Phase != test.want {
					b.Fatalf("it is %s, want %s", snap.State.Phase, test.want)
				}
				if by := snap.State.CanceledBy; (by == "me") != (test.want == transfer.PhaseCanceled) {
					b.Errorf("canceled by %q", by)
				}
				settle(time.Hour)
				if left := b.objects.Uploads(); len(left) > 0 {
					b.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// TestAnotherURL changes the URL of a paused transfer: the same content goes on
// where it was, and other content begins again without being counted as a
// change.
func TestAnotherURL(t *testing.T) {
	for name, changed := range map[string]bool{"same content": false, "other content": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 6, func(b *bubble) {
				b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
				sys := b.node()
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
				settle(2500 * time.Millisecond)
				before := b.command(sys, "a", transfer.Pause{})
				if changed {
					b.source.Change()
				}
				url := "https://other.example/b"
				b.command(sys, "a", transfer.Update{Source: &url, SetHeaders: []transfer.Header{{Name: "X-Key", Value: "new"}}})
				b.command(sys, "a", transfer.Resume{})
				snap := b.completed(sys, "a")
				if before.State.Gen.Ledger.Count() == 0 {
					b.Fatal("paused before anything was stored")
				}
				if restarted := snap.State.Restarts > 0; restarted != changed || snap.State.Changes > 0 {
					b.Errorf("%d restarts, %d changes", snap.State.Restarts, snap.State.Changes)
				}
				last := b.source.Requests()[len(b.source.Requests())-1]
				if last.URL != url || len(last.Headers) != 1 || last.Headers[0].Value != "new" {
					b.Errorf("asked %s with %v", last.URL, last.Headers)
				}
			})
		})
	}
}
