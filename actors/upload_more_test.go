package actors_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/storage/storagetest"
	"godwit/transfer"
	"godwit/transfer/group"
)

// TestUploadPriorities runs what is urgent first, and lets two uploads go to one
// URL.
func TestUploadPriorities(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 2, func(b *bubble, far *actorstest.Far) {
		config := b.config
		b.config = func(c *actors.Config) {
			config(c)
			c.Slots = 1
		}
		var order []string
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Op == actorstest.FarSend {
				order = append(order, c.URL[len("https://far.example/"):])
			}
			return actorstest.FarFault{Rate: chunk}
		}
		sys := b.node()
		for _, id := range []string{"first", "low", "second", "high"} {
			b.create(sys, outgoing(id, putAs(id), func(s *transfer.Spec) {
				s.Priority = map[string]transfer.Priority{"low": transfer.PriorityLow, "high": transfer.PriorityHigh}[id]
				if s.Priority == "" {
					s.Priority = transfer.PriorityDefault
				}
			}), true)
			settle(time.Millisecond)
		}
		b.create(sys, outgoing("same", putAs("low"), func(s *transfer.Spec) { s.Priority = transfer.PriorityLow }), true)
		b.await(sys, "same")
		if got := strings.Join(order, " "); got != "first high second low low" {
			b.Errorf("sent in the order %s", got)
		}
	})
}

// TestUploadResolver asks for another URL when the far side refuses, and goes on
// there with the session it has.
func TestUploadResolver(t *testing.T) {
	inUpload(t, transfer.ProtocolRange, 4, func(b *bubble, far *actorstest.Far) {
		fresh := "https://far.example/fresh?token=SECRET2"
		resolver := &fakeResolver{answer: func(int) (actors.Resolution, error) { return actors.Resolution{Found: true, URL: &fresh}, nil }}
		config := b.config
		b.config = func(c *actors.Config) {
			config(c)
			c.Resolver = resolver
		}
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.URL != fresh {
				return actorstest.FarFault{Err: &transfer.Error{Code: transfer.CodeStatus, Status: 403, Message: "expired"}}
			}
			return actorstest.FarFault{}
		}
		sys := b.node()
		b.create(sys, outgoing("a", func(s *transfer.Spec) {
			s.Recoverable = []int{403}
			s.Resolver = transfer.Webhook{URL: "https://resolver.example/", Secret: "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"}
		}), true)
		snap := b.await(sys, "a")
		if snap.State.Phase != transfer.PhaseCompleted || len(far.Arrived(fresh)) != 1 {
			b.Fatalf("%s: %v", snap.State.Phase, snap.State.Err)
		}
		_, bodies := resolver.asked()
		if text := strings.Join(bodies, ""); !strings.Contains(text, "https://far.example/put") || strings.Contains(text, "SECRET") {
			b.Errorf("asked %s", text)
		}
	})
}

// TestUploadRetryAfter leaves a far side alone for as long as it asks, with all
// uploads and downloads of its host.
func TestUploadRetryAfter(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 1, func(b *bubble, far *actorstest.Far) {
		began, early := time.Now(), 0
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Index == 2 {
				return actorstest.FarFault{Err: &transfer.Error{
					Code: transfer.CodeStatusRetry, Status: 503, RetryAfter: 90 * time.Second, Message: "busy",
				}}
			}
			if c.Index > 2 && time.Since(began) < 90*time.Second {
				early++
			}
			return actorstest.FarFault{}
		}
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		settle(time.Second)
		b.create(sys, outgoing("b", putAs("b")), true)
		b.await(sys, "a")
		b.await(sys, "b")
		if early > 0 || time.Since(began) > 95*time.Second {
			b.Errorf("%d requests came too early, all took %v", early, time.Since(began))
		}
	})
}

// TestTurnDoesNotCutAPost takes the turn back while a request is made that must
// not be made twice: it comes to its end. What can go on waits.
func TestTurnDoesNotCutAPost(t *testing.T) {
	for name, test := range map[string]struct {
		protocol transfer.Protocol
		change   func(*transfer.Spec)
		during   transfer.Phase
	}{
		"post":    {transfer.ProtocolPost, posting, transfer.PhaseRunning},
		"session": {transfer.ProtocolTus, func(*transfer.Spec) {}, transfer.PhaseQueued},
	} {
		t.Run(name, func(t *testing.T) {
			inUploadTown(t, test.protocol, 6, 1, func(c *town, far *actorstest.Far) {
				c.group(group.Spec{Name: "q", Behavior: group.Serialized})
				c.create(c.any(0), outgoing("a", test.change, putAs("a"), ofGroup("q")), true)
				settle(2500 * time.Millisecond)
				paused, going := true, false
				c.change("q", group.Change{Paused: &paused})
				settle(time.Second)
				c.want(c.any(0), "a", test.during)
				c.change("q", group.Change{Paused: &going})
				if extra := c.sentAll(far, []string{"a"}); extra > chunk {
					c.Errorf("%d bytes were sent twice", extra)
				}
				if name == "post" && far.Count(actorstest.FarSend) != 1 {
					c.Errorf("%d requests were made", far.Count(actorstest.FarSend))
				}
			})
		})
	}
}

// TestStopBeforeThePost stops the node while the record is written that the
// request is about to be made: it was not, so the next life makes it.
func TestStopBeforeThePost(t *testing.T) {
	inUpload(t, transfer.ProtocolPost, 2, func(b *bubble, far *actorstest.Far) {
		probed := false
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			probed = true
			return actorstest.FarFault{}
		}
		b.hook = func(c storagetest.Call) storagetest.Fault {
			if probed && c.Op == storagetest.OpSwap && strings.HasSuffix(c.Name, "/t/a") {
				return storagetest.Fault{Delay: time.Second}
			}
			return storagetest.Fault{}
		}
		sys := b.node()
		b.create(sys, outgoing("a", posting), true)
		settle(500 * time.Millisecond)
		if err := sys.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		if n := far.Count(actorstest.FarSend); n != 0 {
			b.Fatalf("%d requests were made", n)
		}
		sys = b.node()
		b.sent(sys, far, "a")
	})
}

// TestStopWhileProbing makes no session that would be in no record.
func TestStopWhileProbing(t *testing.T) {
	inUpload(t, transfer.ProtocolTus, 2, func(b *bubble, far *actorstest.Far) {
		config := b.config
		b.config = func(c *actors.Config) {
			config(c)
			c.HandoverGrace = 2 * time.Second
		}
		far.Script = func(c actorstest.FarCall) actorstest.FarFault {
			if c.Op == actorstest.FarProbe {
				return actorstest.FarFault{Delay: time.Second}
			}
			return actorstest.FarFault{}
		}
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		settle(500 * time.Millisecond)
		if err := sys.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
		if n := far.Count(actorstest.FarOpen); n != 0 {
			b.Errorf("%d sessions were made", n)
		}
		sys = b.node()
		b.sent(sys, far, "a")
	})
}

// TestUploadWithoutASender fails where a node sends none.
func TestUploadWithoutASender(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 1, func(b *bubble, _ *actorstest.Far) {
		b.config = nil
		sys := b.node()
		b.create(sys, outgoing("a"), true)
		b.code(b.await(sys, "a").State.Err, transfer.CodeUploadProtocol)
	})
}

// connecting notes how many connections uploads are given.
type connecting struct {
	*actorstest.Far
	asked, room atomic.Int64
}

func (c *connecting) Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	c.asked.Store(int64(u.Connections))
	c.room.Store(int64(u.MostConnections()))
	return c.Far.Send(ctx, u, from, p)
}

// TestUploadConnections leaves the number to the protocol unless the user says
// one: some waste what is in flight when a node dies.
func TestUploadConnections(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 1, func(b *bubble, far *actorstest.Far) {
		noting := &connecting{Far: far}
		b.config = func(c *actors.Config) { c.Uploads, c.HostConnections = noting, 7 }
		sys := b.node()
		for _, n := range []int{0, 1, 5} {
			id := fmt.Sprint("of-", n)
			b.create(sys, outgoing(id, func(s *transfer.Spec) { s.Connections = n }), true)
			b.await(sys, id)
			if noting.asked.Load() != int64(n) || noting.room.Load() != 7 {
				b.Errorf("%d connections, %d at most, for %d", noting.asked.Load(), noting.room.Load(), n)
			}
		}
	})
}

// TestUploadSharesAHost bounds the connections of an upload by its share of the
// host.
func TestUploadSharesAHost(t *testing.T) {
	inUpload(t, transfer.ProtocolPut, 1, func(b *bubble, far *actorstest.Far) {
		config := b.config
		b.config = func(c *actors.Config) {
			config(c)
			c.HostConnections = 2
		}
		far.Script = func(actorstest.FarCall) actorstest.FarFault { return actorstest.FarFault{Rate: chunk} }
		sys := b.node()
		for _, id := range []string{"a", "b", "c", "d"} {
			b.create(sys, outgoing(id, putAs(id)), true)
		}
		settle(500 * time.Millisecond)
		if n := far.Count(actorstest.FarSend); n != 2 {
			b.Errorf("%d are sent at a time to a host that takes 2", n)
		}
		for _, id := range []string{"a", "b", "c", "d"} {
			b.await(sys, id)
		}
	})
}
