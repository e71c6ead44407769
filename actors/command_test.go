package actors_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// phases brings a transfer "a" into each phase that lasts.
var phases = map[transfer.Phase]func(b *bubble, sys *actors.System){
	transfer.PhaseIdle: func(b *bubble, sys *actors.System) { b.create(sys, b.spec("a"), false) },
	transfer.PhaseQueued: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("busy", func(s *transfer.Spec) { s.Priority = transfer.PriorityHigh }), true)
		settle(time.Millisecond)
		b.create(sys, b.spec("a"), true)
	},
	transfer.PhaseRunning: func(b *bubble, sys *actors.System) { b.create(sys, b.spec("a"), true) },
	transfer.PhaseCompleting: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("a"), true)
		settle(20 * time.Second)
	},
	transfer.PhasePaused: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("a"), true)
		settle(time.Second)
		b.command(sys, "a", transfer.Pause{})
	},
	transfer.PhaseCompleted: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("a"), true)
		b.await(sys, "a")
	},
	transfer.PhaseCanceled: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("a"), true)
		b.command(sys, "a", transfer.Cancel{By: "me", Reason: "test"})
	},
	transfer.PhaseFailed: func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("a"), true)
		b.await(sys, "a")
	},
}

// inPhase runs a test with a transfer "a" that is in the phase and stays there
// for a while.
func inPhase(t *testing.T, phase transfer.Phase, test func(b *bubble, sys *actors.System)) {
	inBubble(t, 4, func(b *bubble) {
		b.config = func(c *actors.Config) { c.Slots = 1 }
		failing := phase == transfer.PhaseFailed
		b.source.Script = func(int, endpoint.Request) actorstest.Answer {
			if failing {
				failing = false
				return actorstest.Answer{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 404, Message: "not found"}}
			}
			return actorstest.Answer{Rate: partSize}
		}
		if phase == transfer.PhaseCompleting {
			b.hook = func(c storagetest.Call) storagetest.Fault {
				if c.Op == storagetest.OpComplete {
					return storagetest.Fault{Delay: time.Minute}
				}
				return storagetest.Fault{}
			}
		}
		sys := b.node()
		phases[phase](b, sys)
		settle(time.Second)
		b.want(sys, "a", phase)
		test(b, sys)
	})
}

// TestCommandsInEachPhase gives every command in every phase: it is carried out,
// changes nothing, or is refused as a conflict.
func TestCommandsInEachPhase(t *testing.T) {
	const conflict = "conflict"
	rate := int64(4096)
	commands := map[string]transfer.Event{
		"start": transfer.Start{}, "pause": transfer.Pause{}, "resume": transfer.Resume{}, "cancel": transfer.Cancel{},
		"retry": transfer.Retry{}, "update": transfer.Update{RateLimit: &rate}, "acknowledge": transfer.Acknowledge{},
	}
	// What the transfer is right after the command.
	outcomes := map[transfer.Phase]map[string]string{
		transfer.PhaseIdle:       {"start": "RUNNING", "pause": conflict, "resume": conflict, "cancel": "CANCELED", "retry": conflict, "update": "IDLE", "acknowledge": conflict},
		transfer.PhaseQueued:     {"start": "QUEUED", "pause": "PAUSED", "resume": "QUEUED", "cancel": "CANCELED", "retry": "QUEUED", "update": "QUEUED", "acknowledge": conflict},
		transfer.PhaseRunning:    {"start": "RUNNING", "pause": "PAUSED", "resume": "RUNNING", "cancel": "CANCELED", "retry": "RUNNING", "update": "RUNNING", "acknowledge": conflict},
		transfer.PhaseCompleting: {"start": "COMPLETING", "pause": conflict, "resume": "COMPLETING", "cancel": "COMPLETING", "retry": "COMPLETING", "update": "COMPLETING", "acknowledge": conflict},
		transfer.PhasePaused:     {"start": "PAUSED", "pause": "PAUSED", "resume": "RUNNING", "cancel": "CANCELED", "retry": "PAUSED", "update": "PAUSED", "acknowledge": conflict},
		transfer.PhaseCompleted:  {"start": conflict, "pause": conflict, "resume": conflict, "cancel": "COMPLETED", "retry": conflict, "update": conflict, "acknowledge": "COMPLETED"},
		transfer.PhaseCanceled:   {"start": conflict, "pause": conflict, "resume": conflict, "cancel": "CANCELED", "retry": conflict, "update": conflict, "acknowledge": "CANCELED"},
		transfer.PhaseFailed:     {"start": conflict, "pause": conflict, "resume": conflict, "cancel": "FAILED", "retry": "RUNNING", "update": "FAILED", "acknowledge": "FAILED"},
	}
	for phase, expected := range outcomes {
		for name, want := range expected {
			t.Run(string(phase)+"/"+name, func(t *testing.T) {
				inPhase(t, phase, func(b *bubble, sys *actors.System) {
					before := b.get(sys, "a")
					_, err := sys.Command(b.Context(), "a", commands[name], "")
					if want == conflict {
						b.code(err, transfer.CodeState)
						after := b.want(sys, "a", phase)
						if after.ETag != before.ETag {
							b.Error("a refused command changed the record")
						}
						return
					}
					if err != nil {
						b.Fatal(err)
					}
					settle(time.Millisecond)
					b.want(sys, "a", transfer.Phase(want))
				})
			})
		}
	}
}

// TestPauseHoldsTheBytes pauses and resumes several times: nothing stored is
// fetched again, and nothing moves while it is paused.
func TestPauseHoldsTheBytes(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: 2 * partSize} }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
		for range 3 {
			settle(1300 * time.Millisecond)
			snap := b.command(sys, "a", transfer.Pause{})
			if !slices.Equal(snap.State.Pauses, []transfer.PauseReason{transfer.PauseApplication}) {
				b.Errorf("paused because %v", snap.State.Pauses)
			}
			served := b.source.Served()
			settle(time.Hour)
			if b.source.Served() != served {
				b.Error("bytes moved while paused")
			}
			b.command(sys, "a", transfer.Resume{})
		}
		b.completed(sys, "a")
		if got := b.objects.Commits(); got != 8 {
			b.Errorf("%d parts were stored, want 8", got)
		}
	})
}

// TestCancelRemoves cancels in each phase: nothing is published afterwards, and
// nothing is left behind.
func TestCancelRemoves(t *testing.T) {
	for _, phase := range []transfer.Phase{transfer.PhaseIdle, transfer.PhaseQueued, transfer.PhaseRunning, transfer.PhasePaused} {
		t.Run(string(phase), func(t *testing.T) {
			inPhase(t, phase, func(b *bubble, sys *actors.System) {
				snap := b.command(sys, "a", transfer.Cancel{By: "me", Reason: "enough"})
				if snap.State.CanceledBy != "me" || snap.State.CancelReason != "enough" {
					b.Errorf("canceled by %q because %q", snap.State.CanceledBy, snap.State.CancelReason)
				}
				settle(time.Hour)
				b.want(sys, "a", transfer.PhaseCanceled)
				if b.objects.Result("/results/a") != nil {
					b.Error("a canceled transfer was published")
				}
				if left := b.objects.Uploads(); len(left) > 0 {
					b.Errorf("left behind: %v", left)
				}
			})
		})
	}
}

// TestEndIsRecordedFirst cuts the store off just before the cancellation would
// be written: nobody is told of an end that a kill could undo.
func TestEndIsRecordedFirst(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		var away atomic.Bool
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if away.Load() && c.Op == storagetest.OpSwap && c.Name == actors.TransferKey("a") {
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(time.Second)
		away.Store(true)
		ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
		defer cancel()
		watch := sys.Watch(ctx, []string{"a"})
		defer watch.Close()
		if _, err := watch.Next(ctx); err != nil {
			b.Fatal(err)
		}
		go func() {
			_, err := sys.Command(ctx, "a", transfer.Cancel{}, "")
			if err == nil {
				b.Error("the command was confirmed")
			}
		}()
		for {
			snap, err := watch.Next(ctx)
			if err != nil {
				break
			}
			if snap.State.Phase.Terminal() {
				b.Fatal("an end was shown that is not recorded")
			}
		}
		away.Store(false)
		settle(time.Minute)
		b.want(sys, "a", transfer.PhaseCanceled)
	})
}

// TestETags lets commands through that name the current one only.
func TestETags(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		first := b.create(sys, b.spec("a"), false)
		low := transfer.PriorityLow
		second, err := sys.Command(b.Context(), "a", transfer.Update{Priority: &low}, first.ETag)
		if err != nil {
			b.Fatal(err)
		}
		if second.ETag == first.ETag || second.State.Spec.Priority != low {
			b.Errorf("etag %s after %s, priority %s", second.ETag, first.ETag, second.State.Spec.Priority)
		}
		_, err = sys.Command(b.Context(), "a", transfer.Start{}, first.ETag)
		b.code(err, transfer.CodeStale)
		b.want(sys, "a", transfer.PhaseIdle)
		if _, err := sys.Command(b.Context(), "a", transfer.Start{}, second.ETag); err != nil {
			b.Fatal(err)
		}
		b.completed(sys, "a")
	})
}

// TestCreateAgain creates under an id that exists: the same wish is the same
// transfer, at any time, and another one is a conflict.
func TestCreateAgain(t *testing.T) {
	for phase := range phases {
		t.Run(string(phase), func(t *testing.T) {
			inPhase(t, phase, func(b *bubble, sys *actors.System) {
				before := b.get(sys, "a")
				snap, created, err := sys.Create(b.Context(), before.State.Spec, true)
				if err != nil || created {
					b.Fatalf("created %v: %v", created, err)
				}
				if snap.State.Nonce != before.State.Nonce || snap.State.Phase != phase {
					b.Errorf("answered with another transfer, %s", snap.State.Phase)
				}
				_, _, err = sys.Create(b.Context(), b.spec("a", func(s *transfer.Spec) { s.Source = "https://origin.example/other" }), true)
				b.code(err, transfer.CodeIDConflict)
			})
		})
	}
}

// TestCreateAtOnce creates one id from many callers at the same moment: one of
// them has created it.
func TestCreateAtOnce(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		created := make(chan bool, 32)
		for range cap(created) {
			go func() {
				_, was, err := sys.Create(b.Context(), b.spec("a"), true)
				if err != nil {
					b.Error(err)
				}
				created <- was
			}()
		}
		winners := 0
		for range cap(created) {
			if <-created {
				winners++
			}
		}
		if winners != 1 {
			b.Errorf("%d have created it", winners)
		}
		b.completed(sys, "a")
	})
}

// TestDestinations refuses what is there, what another live transfer writes to,
// and what no store is for.
func TestDestinations(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		sys := b.node()
		same := func(s *transfer.Spec) { s.Destination = dest("shared") }
		b.create(sys, b.spec("a", same), false)
		_, _, err := sys.Create(b.Context(), b.spec("b", same), true)
		b.code(err, transfer.CodeDestBusy)
		_, _, err = sys.Create(b.Context(), b.spec("c", func(s *transfer.Spec) { s.Destination = dest("SHARED") }), true)
		b.code(err, transfer.CodeDestBusy)
		b.command(sys, "a", transfer.Cancel{})
		settle(0)
		b.create(sys, b.spec("b", same), true)
		b.await(sys, "b")
		settle(0) // its shard hears of its end a moment later
		_, _, err = sys.Create(b.Context(), b.spec("d", same), true)
		b.code(err, transfer.CodeDestExists)
		b.create(sys, b.spec("e", same, func(s *transfer.Spec) { s.IfExists = transfer.IfExistsSkip }), true)
		if snap := b.await(sys, "e"); !snap.State.Skipped {
			b.Error("not skipped although the destination exists")
		}
		_, _, err = sys.Create(b.Context(), b.spec("f", func(s *transfer.Spec) { s.Destination = "s3://bucket/key" }), true)
		b.code(err, transfer.CodeURLScheme)
	})
}

// TestRetryOfABusyDestination retries a failed transfer whose destination has
// another writer by now.
func TestRetryOfABusyDestination(t *testing.T) {
	inPhase(t, transfer.PhaseFailed, func(b *bubble, sys *actors.System) {
		b.create(sys, b.spec("b", func(s *transfer.Spec) { s.Destination = dest("a") }), true)
		_, err := sys.Command(b.Context(), "a", transfer.Retry{}, "")
		b.code(err, transfer.CodeDestBusy)
		b.command(sys, "b", transfer.Cancel{})
		settle(0)
		b.command(sys, "a", transfer.Retry{})
		b.completed(sys, "a")
	})
}

// TestNotFound answers for ids that nobody has created.
func TestNotFound(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		_, err := sys.Get(b.Context(), "nobody")
		b.code(err, transfer.CodeNotFound)
		_, err = sys.Command(b.Context(), "nobody", transfer.Pause{}, "")
		b.code(err, transfer.CodeNotFound)
		_, _, err = sys.Explain(b.Context(), "nobody")
		b.code(err, transfer.CodeNotFound)
		_, err = sys.Open(b.Context(), "nobody", 0)
		b.code(err, transfer.CodeNotFound)
	})
}

// TestExplain asks in each phase why the transfer does not run.
func TestExplain(t *testing.T) {
	words := map[transfer.Phase]string{
		transfer.PhaseIdle: "start it", transfer.PhaseQueued: "all slots", transfer.PhasePaused: "resume it",
		transfer.PhaseFailed: "retry it", transfer.PhaseCanceled: "canceled",
	}
	for phase := range phases {
		t.Run(string(phase), func(t *testing.T) {
			inPhase(t, phase, func(b *bubble, sys *actors.System) {
				snap, reasons, err := sys.Explain(b.Context(), "a")
				if err != nil || snap.State.Phase != phase {
					b.Fatalf("%s: %v", snap.State.Phase, err)
				}
				if want := words[phase]; !strings.Contains(strings.Join(reasons, "\n"), want) {
					b.Errorf("explained by %q, want %q", reasons, want)
				}
				if phase == transfer.PhaseFailed && !strings.Contains(reasons[len(reasons)-1], string(transfer.CodeStatus)) {
					b.Errorf("the failure is not named: %q", reasons)
				}
			})
		})
	}
}
