package mesh

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

func TestHandlersErrorIsTold(t *testing.T) {
	long := strings.Repeat("ü", maxErrorText)
	a := start(t, "a", echo)
	b := start(t, "b", func(_ context.Context, req Request) ([]byte, error) {
		switch req.Kind {
		case "panic":
			panic("a bug")
		case "binary":
			return nil, errors.New("bad \xff text")
		case "long":
			return nil, errors.New("x" + long)
		case "large":
			return make([]byte, 101), nil
		default:
			return nil, errors.New("no such kind")
		}
	}, func(c *Config) { c.MaxBody = 100 })
	for kind, want := range map[string]string{
		"other":  "no such kind",
		"binary": "bad  text",
		"long":   "x" + long[:maxErrorText-2],
		"large":  "an answer of 101 bytes, of 100",
		"panic":  "internal error",
	} {
		var remote *RemoteError
		if _, err := a.Call(t.Context(), peer(b), kind, 0, nil); !errors.As(err, &remote) || remote.Message != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestUnknownOutcomeIsAnError(t *testing.T) {
	var remote *RemoteError
	if _, err := outcome(&clusterpb.Response{Outcome: 99}); !errors.As(err, &remote) {
		t.Error(err)
	}
}

// The deadline ends both the call and the handler, and leaves nothing behind.
func TestDeadline(t *testing.T) {
	ended := make(chan error, 1)
	a := start(t, "a", echo, func(c *Config) { c.Timeout = 100 * time.Millisecond })
	b := start(t, "b", func(ctx context.Context, _ Request) ([]byte, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}, func(c *Config) { c.ClockSkew = time.Millisecond })
	// A call that has its time at all reaches the handler sooner or later.
	for reached := false; !reached; {
		_, err := a.Call(t.Context(), peer(b), "kind", 0, nil)
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrStale) && !isRemote(err) {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the handler ended by %v", err)
			}
			reached = true
		default:
		}
	}
	nothingWaits(t, a)
}

func isRemote(err error) bool {
	var remote *RemoteError
	return errors.As(err, &remote)
}

func nothingWaits(t *testing.T, m *Mesh) {
	t.Helper()
	m.calls.mu.Lock()
	defer m.calls.mu.Unlock()
	if n := len(m.calls.waiting); n > 0 {
		t.Errorf("%d calls wait", n)
	}
}

func TestCancelledCall(t *testing.T) {
	a := start(t, "a", echo)
	begun, finish := make(chan struct{}), make(chan struct{})
	b := start(t, "b", func(context.Context, Request) ([]byte, error) {
		close(begun)
		<-finish
		return nil, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := a.Call(ctx, peer(b), "kind", 0, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(finish)
	nothingWaits(t, a)
	// Such a context sends nothing: the handler would close begun again.
	if _, err := a.Call(ctx, peer(b), "kind", 0, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCallRefuses(t *testing.T) {
	a := start(t, "a", echo, func(c *Config) { c.MaxBody = 10 })
	b := start(t, "b", echo)
	for _, tc := range []struct {
		name string
		to   Peer
		kind string
		body string
		want error
	}{
		{"a large body", peer(b), "kind", strings.Repeat("x", 11), ErrTooLarge},
		{"an address without port", Peer{Addr: "host"}, "kind", "", ErrInvalid},
		{"an address of no port", Peer{Addr: "host:0"}, "kind", "", ErrInvalid},
		{"no host", Peer{Addr: ":1"}, "kind", "", ErrInvalid},
		{"a kind that is not text", peer(b), "\xff", "", ErrInvalid},
		{"a long kind", peer(b), strings.Repeat("k", maxWord+1), "", ErrInvalid},
		{"a name that is not text", Peer{Name: "\xff", Addr: b.Addr()}, "kind", "", ErrInvalid},
		{"another name", Peer{Name: "c", Incarnation: "b-1", Addr: b.Addr()}, "kind", "", ErrWrongIncarnation},
		{"another life", Peer{Name: "b", Incarnation: "b-0", Addr: b.Addr()}, "kind", "", ErrWrongIncarnation},
	} {
		if _, err := a.Call(t.Context(), tc.to, tc.kind, 0, []byte(tc.body)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := a.Call(t.Context(), peer(b), "kind", 0, bytes.Repeat([]byte("x"), 10)); err != nil {
		t.Errorf("a body of just the limit: %v", err)
	}
}

func TestSetIncarnation(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", echo)
	before := peer(b)
	call(t, a, before, "")
	b.SetIncarnation("b-2")
	refused(t, a, before, ErrWrongIncarnation)
	call(t, a, peer(b), "")
	if got, want := call(t, b, peer(a), "x"), "b/b-2 kind 7: x"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestBusy(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	a := start(t, "a", echo)
	b := start(t, "b", func(context.Context, Request) ([]byte, error) {
		begun <- struct{}{}
		<-finish
		return nil, nil
	}, func(c *Config) { c.MaxHandlers = 2 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		all(t, 2, func(int) error {
			_, err := a.Call(t.Context(), peer(b), "kind", 0, nil)
			return err
		})
	}()
	<-begun
	<-begun
	refused(t, a, peer(b), ErrBusy)
	close(finish)
	<-done
	go func() { <-begun }()
	call(t, a, peer(b), "the slots are free again")
}

// Requests that were held up longer than clocks may disagree are not begun.
func TestStaleRequest(t *testing.T) {
	begun := make(chan string, 1)
	a := start(t, "a", func(_ context.Context, req Request) ([]byte, error) {
		begun <- req.Kind
		return nil, nil
	})
	call(t, a, peer(a), "in time") // what lateness is measured by
	<-begun
	for kind, lateness := range map[string]time.Duration{"stale": a.cfg.ClockSkew + time.Second, "late": time.Second} {
		done := make(chan answer, 1)
		req := a.request(t.Context(), peer(a), kind, 0, nil)
		req.SentMs -= req.TimeoutMs + lateness.Milliseconds()
		if err := a.wire.send(actor.NewPID(a.Addr(), gateName), req, a.self, func(l *link) { a.calls.add(req.GetId(), l, done) }); err != nil {
			t.Fatal(err)
		}
		_, err := outcome((<-done).response)
		if kind == "stale" && !errors.Is(err, ErrStale) || kind == "late" && err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if kind := <-begun; kind != "late" || len(begun) > 0 {
		t.Errorf("%s was begun", kind)
	}
}

func TestWhenHandlersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Mesh{cfg: Config{ClockSkew: 5 * time.Second}}
		now := time.Now()
		for _, tc := range []struct {
			deadline, ends time.Duration
			late           bool
		}{
			{3 * time.Second, 3 * time.Second, false},
			{time.Millisecond, time.Millisecond, false},
			{0, 5 * time.Second, false},
			{-3 * time.Second, 2 * time.Second, false},
			{-5 * time.Second, 0, true},
			{-time.Hour, 5*time.Second - time.Hour, true},
		} {
			at, late := m.ends(&clusterpb.Request{DeadlineUnixMs: now.Add(tc.deadline).UnixMilli()}, now)
			if at.Sub(now) != tc.ends || late != tc.late {
				t.Errorf("%v: ends after %v, late %v", tc.deadline, at.Sub(now), late)
			}
		}
	})
}

func TestRequestOfAnEndlessContext(t *testing.T) {
	a := start(t, "a", echo)
	b := start(t, "b", func(ctx context.Context, _ Request) ([]byte, error) {
		if _, ok := ctx.Deadline(); !ok {
			return nil, errors.New("no deadline")
		}
		return nil, nil
	})
	call(t, a, peer(b), "")
}
