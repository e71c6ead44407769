package actors_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

func refusing(code transfer.Code, status int) actorstest.Answer {
	return actorstest.Answer{Err: &transfer.Error{Code: code, Status: status, Message: "for a test"}}
}

// TestOffline takes the network away in the middle: no retry is spent, no actor
// runs meanwhile, and it goes on by itself, over a death of the node as well.
func TestOffline(t *testing.T) {
	for name, killed := range map[string]bool{"alive": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				var down atomic.Bool
				b.source.Script = func(n int, _ endpoint.Request) actorstest.Answer {
					switch {
					case down.Load():
						return refusing(transfer.CodeOffline, 0)
					case n == 1:
						down.Store(true)
						return actorstest.Answer{Cut: 2 * partSize}
					}
					return actorstest.Answer{}
				}
				sys := b.node()
				b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Retries, s.Connections = 1, 1 }), true)
				settle(24 * time.Hour)
				snap := b.want(sys, "a", transfer.PhasePaused)
				if !slices.Equal(snap.State.Pauses, []transfer.PauseReason{transfer.PauseNoNetwork}) || snap.State.Failures > 1 {
					b.Errorf("paused because %v with %d failures", snap.State.Pauses, snap.State.Failures)
				}
				if n := sys.Actors(); n > 0 {
					b.Errorf("%d actors while there is no network", n)
				}
				if killed {
					sys.Abandon()
					sys = b.node()
					settle(time.Second)
					b.want(sys, "a", transfer.PhasePaused)
				}
				down.Store(false)
				settle(time.Minute + time.Second)
				b.want(sys, "a", transfer.PhaseCompleted)
				b.checkResult("a")
			})
		})
	}
}

// TestOfflineAndPaused pauses what has no network: it stays until its user
// resumes it.
func TestOfflineAndPaused(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		var down atomic.Bool
		down.Store(true)
		b.source.Script = func(int, endpoint.Request) actorstest.Answer {
			if down.Load() {
				return refusing(transfer.CodeOffline, 0)
			}
			return actorstest.Answer{}
		}
		sys := b.node()
		b.create(sys, b.spec("a"), true)
		settle(time.Second)
		snap := b.command(sys, "a", transfer.Pause{})
		if len(snap.State.Pauses) != 2 {
			b.Errorf("paused because %v", snap.State.Pauses)
		}
		down.Store(false)
		settle(time.Hour)
		b.want(sys, "a", transfer.PhasePaused)
		b.command(sys, "a", transfer.Resume{})
		b.completed(sys, "a")
	})
}

// TestAttentionExpires fails at its deadline what nobody attends to, over a death
// of the node.
func TestAttentionExpires(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.source.Script = func(int, endpoint.Request) actorstest.Answer { return refusing(transfer.CodeStatus, 403) }
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Recoverable, s.AttentionTTL = []int{403}, 24*time.Hour }), true)
		settle(23 * time.Hour)
		b.want(sys, "a", transfer.PhasePaused)
		_, reasons, err := sys.Explain(b.Context(), "a")
		if err != nil || !strings.Contains(strings.Join(reasons, " "), "unless somebody attends to it") {
			b.Errorf("explained by %q, %v", reasons, err)
		}
		sys.Abandon()
		sys = b.node()
		settle(30 * time.Minute)
		b.want(sys, "a", transfer.PhasePaused)
		settle(time.Hour)
		snap := b.want(sys, "a", transfer.PhaseFailed)
		b.code(snap.State.Err, transfer.CodeAttention)
	})
}

// fakeResolver answers as a test says and keeps what it was asked.
type fakeResolver struct {
	mu     sync.Mutex
	ids    []string
	bodies []string
	answer func(n int) (actors.Resolution, error)
}

func (r *fakeResolver) Resolve(_ context.Context, hook transfer.Webhook, id string, body []byte) (actors.Resolution, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hook.Secret != "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0" {
		return actors.Resolution{}, errors.New("not signed as it should be")
	}
	r.ids, r.bodies = append(r.ids, id), append(r.bodies, string(body))
	return r.answer(len(r.ids))
}

func (r *fakeResolver) asked() (ids, bodies []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids), slices.Clone(r.bodies)
}

// TestResolver heals an expired URL without anybody: the first answers do not
// help, and are no reason to ask in a loop.
func TestResolver(t *testing.T) {
	inBubble(t, 4, func(b *bubble) {
		fresh, stale, bad := "https://origin.example/a?token=SECRET", "https://origin.example/stale", "ftp://nowhere/"
		headers := []transfer.Header{{Name: "x-key", Value: "1"}}
		resolver := &fakeResolver{answer: func(n int) (actors.Resolution, error) {
			switch n {
			case 1:
				return actors.Resolution{}, errors.New("no answer")
			case 2:
				return actors.Resolution{}, nil
			case 3:
				return actors.Resolution{Found: true, URL: &bad}, nil
			case 4:
				return actors.Resolution{Found: true, URL: &stale}, nil
			}
			return actors.Resolution{Found: true, URL: &fresh, Headers: &headers}, nil
		}}
		b.config = func(c *actors.Config) { c.Resolver = resolver }
		b.source.Script = func(n int, r endpoint.Request) actorstest.Answer {
			switch {
			case n == 1:
				return actorstest.Answer{Cut: 2 * partSize}
			case r.URL != fresh:
				return refusing(transfer.CodeStatus, 403)
			}
			return actorstest.Answer{}
		}
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) {
			s.Recoverable, s.Connections = []int{403}, 1
			s.Resolver = transfer.Webhook{URL: "https://resolver.example/", Secret: "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"}
		}), true)
		settle(30 * time.Second)
		b.want(sys, "a", transfer.PhasePaused)
		if n := sys.Actors(); n > 0 {
			b.Errorf("%d actors between two questions", n)
		}
		sys.Abandon()
		sys = b.node()
		snap := b.completed(sys, "a")
		if snap.State.Restarts > 0 || !snap.State.AttentionDeadline.IsZero() {
			b.Errorf("%d restarts, deadline %v", snap.State.Restarts, snap.State.AttentionDeadline)
		}
		ids, bodies := resolver.asked()
		if len(ids) != 5 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 5 {
			b.Errorf("asked with the ids %q", ids)
		}
		if !strings.Contains(bodies[0], `"statusCode":403`) || strings.Contains(strings.Join(bodies, ""), "SECRET") {
			b.Errorf("asked %s", bodies)
		}
		last := b.source.Requests()[len(b.source.Requests())-1]
		if len(last.Headers) != 1 || last.Headers[0].Name != "X-Key" {
			b.Errorf("asked with %v", last.Headers)
		}
	})
}

// TestHistoryOfAttempts remembers the requests that opened the source, a bounded
// number of them.
func TestHistoryOfAttempts(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.source.Script = func(n int, _ endpoint.Request) actorstest.Answer {
			if n <= 20 {
				return refusing(transfer.CodeStatusRetry, 503)
			}
			return actorstest.Answer{}
		}
		sys := b.node()
		b.create(sys, b.spec("a", func(s *transfer.Spec) { s.Source, s.Retries = "https://origin.example/a?SECRET", 50 }), true)
		snap := b.completed(sys, "a")
		history := snap.State.History
		if len(history) != 16 || history[15].Status != 206 || history[15].Err != nil || history[14].Status != 503 {
			b.Fatalf("remembered: %+v", history)
		}
		for _, a := range history {
			if a.Node != "n1" || a.URL != "https://origin.example/a" || a.Time.IsZero() {
				b.Errorf("remembered: %+v", a)
			}
		}
	})
}
