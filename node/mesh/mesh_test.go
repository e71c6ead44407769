package mesh

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(peerAddr) != "" {
		servePeer()
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is far more than anything here takes.
const patience = time.Minute

// echo answers with the body and who asked for what.
func echo(_ context.Context, req Request) ([]byte, error) {
	return fmt.Appendf(nil, "%s/%s %s %d: %s", req.From, req.FromIncarnation, req.Kind, req.TopologyVersion, req.Body), nil
}

// start runs a mesh of the given name until the test ends. Edits change its
// configuration.
func start(t testing.TB, name string, handler Handler, edits ...func(*Config)) *Mesh {
	t.Helper()
	cfg := Config{
		Name: name, Incarnation: name + "-1", BindAddr: "127.0.0.1:0", Handler: handler,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Timeout: patience, DialTimeout: patience,
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	m, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// peer is how others see m.
func peer(m *Mesh) Peer {
	return Peer{Name: m.cfg.Name, Incarnation: *m.incarnation.Load(), Addr: m.Addr()}
}

func call(t testing.TB, from *Mesh, to Peer, body string) string {
	t.Helper()
	out, err := from.Call(t.Context(), to, "kind", 7, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// refused asks and wants this error.
func refused(t testing.TB, from *Mesh, to Peer, want error) {
	t.Helper()
	if _, err := from.Call(t.Context(), to, "kind", 7, nil); !errors.Is(err, want) {
		t.Fatalf("error is %v, not %v", err, want)
	}
}

func TestBothAskEachOther(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", echo)
	for range 3 {
		if got, want := call(t, a, peer(b), "hello"), "a/a-1 kind 7: hello"; got != want {
			t.Errorf("%q, not %q", got, want)
		}
		if got, want := call(t, b, peer(a), ""), "b/b-1 kind 7: "; got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestNodeAsksItself(t *testing.T) {
	a := start(t, "a", func(_ context.Context, req Request) ([]byte, error) {
		copy(req.Body, "changed")
		return req.Body, nil
	})
	body := []byte("unchanged")
	out, err := a.Call(t.Context(), peer(a), "kind", 0, body)
	if err != nil || string(out) != "changeded" || string(body) != "unchanged" {
		t.Errorf("%q, %v; the body is %q", out, err, body)
	}
	to := peer(a)
	to.Incarnation = "other"
	refused(t, a, to, ErrWrongIncarnation)
}

// By another name than it advertises, a node asks itself over the network.
func TestNodeIsReachedByAnyName(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", echo)
	for _, m := range []*Mesh{a, b} {
		_, port, _ := net.SplitHostPort(b.Addr())
		to := peer(b)
		to.Addr = net.JoinHostPort("localhost", port)
		if got := call(t, m, to, "x"); !strings.HasSuffix(got, ": x") {
			t.Error(got)
		}
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", echo)
	all(t, 256, func(i int) error {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		body := fmt.Sprint(i)
		out, err := from.Call(t.Context(), peer(to), "kind", 0, []byte(body))
		if err == nil && !strings.HasSuffix(string(out), ": "+body) {
			err = fmt.Errorf("%d is answered by %q", i, out)
		}
		return err
	})
}

// 3000 answers of 8 kB are more than the library's default takes at a time.
func TestBurst(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 8000)
	a := start(t, "a", echo)
	b := start(t, "b", func(context.Context, Request) ([]byte, error) { return big, nil }, func(c *Config) { c.MaxHandlers = 3000 })
	all(t, 3000, func(int) error {
		out, err := a.Call(t.Context(), peer(b), "kind", 0, big)
		if err == nil && !bytes.Equal(out, big) {
			err = errors.New("another answer")
		}
		return err
	})
}

func TestLargestBody(t *testing.T) {
	a, b := start(t, "a", echo), start(t, "b", func(_ context.Context, req Request) ([]byte, error) { return req.Body, nil })
	if out := call(t, a, peer(b), string(make([]byte, defaultMaxBody))); len(out) != defaultMaxBody {
		t.Errorf("%d bytes came", len(out))
	}
}

// Together they are more than a connection takes in one message, even when the
// first of them goes alone.
func TestLargeBodiesAtOnce(t *testing.T) {
	const size = maxBatch / 2
	a := start(t, "a", echo)
	b := start(t, "b", func(_ context.Context, req Request) ([]byte, error) { return fmt.Append(nil, len(req.Body)), nil },
		func(c *Config) { c.receive = 2 * maxBatch })
	all(t, 6, func(int) error {
		out, err := a.Call(t.Context(), peer(b), "kind", 0, make([]byte, size))
		if err == nil && string(out) != fmt.Sprint(size) {
			err = fmt.Errorf("%s bytes came", out)
		}
		return err
	})
}

// all runs calls at once and wants no error.
func all(t *testing.T, n int, f func(int) error) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if err := f(i); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestStartRefuses(t *testing.T) {
	taken := start(t, "taken", echo)
	_, port, _ := net.SplitHostPort(taken.Addr())
	for name, edit := range map[string]func(*Config){
		"a port that is taken":       func(c *Config) { c.BindAddr = taken.Addr() },
		"no name":                    func(c *Config) { c.Name = "" },
		"no handler":                 func(c *Config) { c.Handler = nil },
		"bodies without bound":       func(c *Config) { c.MaxBody = 1 << 30 },
		"a negative limit":           func(c *Config) { c.Timeout = -1 },
		"a wildcard only":            func(c *Config) { c.BindAddr = ":0" },
		"a malformed address":        func(c *Config) { c.AdvertiseAddr = "a:b" },
		"TLS without an authority":   func(c *Config) { c.TLS = &tls.Config{} },
		"TLS without verification":   func(c *Config) { c.TLS = newAuthority(t).config(t); c.TLS.InsecureSkipVerify = true },
		"TLS without a certificate":  func(c *Config) { c.TLS = newAuthority(t).config(t); c.TLS.Certificates = nil },
		"the same port, by wildcard": func(c *Config) { c.BindAddr, c.AdvertiseAddr = ":"+port, "127.0.0.1:1" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Name: "a", BindAddr: "127.0.0.1:0", Handler: echo}
			edit(&cfg)
			if m, err := Start(cfg); err == nil {
				m.Close()
				t.Error("started")
			}
		})
	}
}

func TestAdvertisedAddress(t *testing.T) {
	bound := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 99}
	for configured, want := range map[string]string{
		"": "10.0.0.1:99", "node:0": "node:99", "node:1": "node:1", "[::1]:0": "[::1]:99",
		"node": "", "node:x": "", ":1": "", strings.Repeat("n", 300) + ":1": "",
	} {
		if got, err := advertised(configured, bound); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", configured, got, err)
		}
	}
}

// What is logged is no more than warnings, and nothing that was sent.
func TestQuiet(t *testing.T) {
	var log strings.Builder
	loud := func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	a, b := start(t, "a", echo, loud), start(t, "b", echo)
	call(t, a, peer(b), "hello")
	b.Close()
	refused(t, a, peer(b), ErrUnreachable)
	a.Close()
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	quiet := slog.New(warnings{slog.NewTextHandler(&log, nil)}).With(slog.Int("a", 1)).WithGroup("g")
	if quiet.Enabled(t.Context(), slog.LevelInfo) || !quiet.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the level is not that of warnings")
	}
}

func TestSplitKeepsOrderAndBounds(t *testing.T) {
	for _, sizes := range [][]int{{}, {1}, {maxBatch}, {maxBatch, 1}, {1, maxBatch + 1, 1}, slices.Repeat([]int{maxBatch / 3}, 10)} {
		batch := batchOf(sizes)
		var got []int
		for _, part := range split(batch) {
			total := 0
			envelopes := part.GetMessageBatch().Envelopes
			for _, e := range envelopes {
				got = append(got, len(e.MessageData))
				total += len(e.MessageData)
			}
			if len(envelopes) > 1 && total > maxBatch {
				t.Errorf("%v: a part of %d bytes", sizes, total)
			}
		}
		if !slices.Equal(got, sizes) && len(sizes) > 0 {
			t.Errorf("%v became %v", sizes, got)
		}
	}
}
