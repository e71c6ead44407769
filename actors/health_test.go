package actors_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

const lease = "nodes/n1"

// TestLeaseNotRenewable takes the lease's record away while transfers run: the
// node stops everything, writes nothing, and goes on in another incarnation
// once the lease can be written again.
func TestLeaseNotRenewable(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		var away, watched atomic.Bool
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if away.Load() && c.Name == lease {
				return storagetest.Refused()
			}
			if watched.Load() && away.Load() && c.Op != storagetest.OpGet {
				b.Errorf("%s %s after the node was fenced", c.Op, c.Name)
			}
			return storagetest.Fault{}
		}
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize / 4} }
		b.config = func(c *actors.Config) { c.Slots = 2 }
		sys := b.node()
		for _, id := range []string{"a", "b", "c"} {
			b.create(sys, b.spec(id, func(s *transfer.Spec) { s.Connections = 1 }), true)
		}
		settle(10 * time.Second)
		away.Store(true)
		settle(12 * time.Second)
		watched.Store(true)
		served := b.source.Served()
		settle(time.Minute)
		if now := b.source.Served(); now != served {
			b.Errorf("%d bytes were read by a fenced node", now-served)
		}
		_, err := sys.Get(b.Context(), "a")
		b.code(err, transfer.CodeShuttingDown)
		away.Store(false)
		settle(10 * time.Second)
		for _, id := range []string{"a", "b", "c"} {
			if snap := b.completed(sys, id); snap.Epoch != 2 {
				b.Errorf("%s completed in epoch %d, want 2", id, snap.Epoch)
			}
		}
		if got := b.meter.count("received"); got > 24*partSize+4*partSize {
			b.Errorf("received %d bytes for %d", got, 24*partSize)
		}
		if left := b.objects.Uploads(); len(left) > 0 {
			b.Errorf("left behind: %v", left)
		}
	})
}

// TestLooksWhileReloading asks a node that reads its records again after it was
// fenced: what it has not read yet is neither unknown nor left out.
func TestLooksWhileReloading(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var away, slow atomic.Bool
		b.hook = func(c storagetest.Call) storagetest.Fault {
			switch {
			case away.Load() && c.Name == lease:
				return storagetest.Refused()
			case slow.Load() && c.Op == storagetest.OpList:
				return storagetest.Fault{Delay: time.Second}
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		b.create(sys, b.spec("a"), false)
		away.Store(true)
		settle(12 * time.Second)
		_, err := sys.List(b.Context(), actors.Query{Limit: 10})
		b.code(err, transfer.CodeShuttingDown)
		slow.Store(true)
		away.Store(false)
		for range 30 {
			settle(time.Second)
			if _, err := sys.Get(b.Context(), "a"); err != nil {
				b.code(err, transfer.CodeShuttingDown)
				_, _, err = sys.Create(b.Context(), b.spec("b"), false)
				b.code(err, transfer.CodeShuttingDown)
			}
			if page, err := sys.List(b.Context(), actors.Query{Limit: 10}); err != nil {
				b.code(err, transfer.CodeShuttingDown)
			} else if len(page.Transfers) != 1 {
				b.Fatalf("%d transfers are listed, want 1", len(page.Transfers))
			}
		}
		settle(time.Minute)
		b.get(sys, "a")
	})
}

// TestLeaseTaken starts a second process under the same name: the first one
// ends, and says why.
func TestLeaseTaken(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		first := b.node()
		settle(10 * time.Second)
		second := b.node()
		select {
		case err := <-first.Failed():
			b.code(err, transfer.CodeNotOwner)
		case <-time.After(time.Minute):
			b.Fatal("the first process did not notice")
		}
		_, err := first.Get(b.Context(), "a")
		b.code(err, transfer.CodeShuttingDown)
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		defer cancel()
		if err := first.Stop(ctx); err != nil {
			b.Errorf("it has no lease to release, yet stopping waits for one: %v", err)
		}
		settle(time.Minute)
		select {
		case err := <-second.Failed():
			b.Errorf("the second process failed: %v", err)
		default:
		}
		b.create(second, b.spec("a"), true)
		b.completed(second, "a")
	})
}

// TestLeaseTakenWhileStopping stops a node whose lease another process has taken
// a moment ago: it finds out only when it wants to release it.
func TestLeaseTakenWhileStopping(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		first := b.node()
		b.node()
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		defer cancel()
		if err := first.Stop(ctx); err != nil {
			b.Errorf("stopping waits for a lease that is another's: %v", err)
		}
	})
}

// TestLeaseReplyLost loses replies to renewals, so that the node does not know
// its own lease: it looks, and stays.
func TestLeaseReplyLost(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		var lost atomic.Int32
		b.hook = func(c storagetest.Call) storagetest.Fault {
			switch {
			case c.Name != lease:
			case c.Op == storagetest.OpSwap && lost.CompareAndSwap(0, 1):
				return storagetest.LostReply()
			case c.Op == storagetest.OpGet && lost.CompareAndSwap(1, 2):
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		settle(time.Minute)
		if lost.Load() != 2 {
			b.Fatal("no reply was lost")
		}
		select {
		case err := <-sys.Failed():
			b.Fatalf("the node gave up: %v", err)
		default:
		}
		b.create(sys, b.spec("a"), true)
		if snap := b.completed(sys, "a"); snap.Epoch != 1 {
			b.Errorf("completed in epoch %d, want 1", snap.Epoch)
		}
	})
}

func (b *bubble) lease() *recordpb.Lease {
	b.Helper()
	rec, err := b.records.Get(b.Context(), lease)
	if err != nil {
		b.Fatal(err)
	}
	var l recordpb.Lease
	if err := proto.Unmarshal(rec.Body, &l); err != nil {
		b.Fatal(err)
	}
	return &l
}

// TestStopReleases ends a node in the middle of its work: records and lease are
// released, and the next incarnation fetches nothing again that was stored.
func TestStopReleases(t *testing.T) {
	for name, limits := range map[string]storage.Limits{"folder": fileLimits(), "objects": s3Limits()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 8, func(b *bubble) {
				b.objects = actorstest.NewObjects(limits)
				b.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
				sys := b.node()
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Connections = 1 }), true)
				settle(3100 * time.Millisecond)
				commits := b.objects.Commits()
				began := time.Now()
				if err := sys.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
				if took := time.Since(began); took > 2*time.Second {
					b.Errorf("stopping took %v", took)
				}
				if !b.lease().Released {
					b.Error("the lease was not released")
				}
				rec, err := b.records.Get(b.Context(), actors.TransferKey("a"))
				if err != nil {
					b.Fatal(err)
				}
				envelope(func(env *recordpb.Envelope, _ *recordpb.Transfer) {
					if !env.Owner.Released {
						b.Error("the record was not released")
					}
				})(rec.Body)
				if commits == 0 {
					b.Fatal("nothing was stored before the stop")
				}
				sys = b.node()
				b.completed(sys, "a")
				if got := b.objects.Commits(); got != 8 {
					b.Errorf("%d parts were stored, want each of 8 once", got)
				}
			})
		})
	}
}

// TestStopWhileRenewing ends a node while its lease is being written, and while
// the store refuses to write it for some time.
func TestStopWhileRenewing(t *testing.T) {
	faults := map[string]storagetest.Fault{"slow": {Delay: 900 * time.Millisecond}, "refused": storagetest.Refused()}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				since := time.Now()
				b.hook = func(c storagetest.Call) storagetest.Fault {
					if at := time.Since(since); c.Name == lease && c.Op == storagetest.OpSwap && at < 5*time.Second {
						return fault
					}
					return storagetest.Fault{}
				}
				sys := b.node()
				settle(3600 * time.Millisecond)
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				defer cancel()
				if err := sys.Stop(ctx); err != nil {
					b.Fatal(err)
				}
				if !b.lease().Released {
					b.Error("the lease was not released")
				}
				select {
				case err := <-sys.Failed():
					b.Errorf("the node failed: %v", err)
				default:
				}
			})
		})
	}
}

// TestStopTwice is harmless.
func TestStopTwice(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		sys := b.node()
		if err := sys.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		err := sys.Stop(b.Context())
		b.code(err, transfer.CodeShuttingDown)
		_, err = sys.Get(b.Context(), "a")
		b.code(err, transfer.CodeShuttingDown)
	})
}

// TestStartGivesUp ends with the context when the store does not answer.
func TestStartGivesUp(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if c.Op == storagetest.OpList {
				return storagetest.Refused()
			}
			return storagetest.Fault{}
		}
		ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
		defer cancel()
		if _, err := b.tryNode(ctx); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("error %v, want the context's", err)
		}
		pass(time.Minute)
	})
}
