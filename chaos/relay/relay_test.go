package relay_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"godwit/chaos/relay"
)

const patience = 20 * time.Second

// echo answers what it is sent, by TCP and UDP on one port.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		packets.Close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := packets.ReadFrom(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				packets.WriteTo(b[:n], from)
			}
		}
	}()
	return l.Addr().String()
}

func start(t *testing.T, target string) *relay.Relay {
	t.Helper()
	r, err := relay.New("127.0.0.1:0", target, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStreamsPassWholeAndInOrder(t *testing.T) {
	r := start(t, echo(t))
	r.Set(relay.There, relay.Way{Latency: 2 * time.Millisecond, Jitter: 5 * time.Millisecond, Rate: 16 << 20, Loss: 1, Duplicate: 1})
	c := dial(t, "tcp", r.Addr())
	var want strings.Builder
	for i := range 20_000 {
		fmt.Fprintln(&want, i)
	}
	go func() {
		io.WriteString(c, want.String())
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != want.String() {
		t.Errorf("%d bytes of %d, %v", len(got), want.Len(), err)
	}
	if r.Passed(relay.There) != int64(want.Len()) || r.Passed(relay.Back) != int64(want.Len()) {
		t.Errorf("passed %d there and %d back", r.Passed(relay.There), r.Passed(relay.Back))
	}
}

func TestDelays(t *testing.T) {
	r := start(t, echo(t))
	for name, w := range map[string]relay.Way{
		"latency": {Latency: 30 * time.Millisecond},
		"rate":    {Rate: 100}, // three bytes
	} {
		for _, network := range []string{"tcp", "udp"} {
			for _, d := range []relay.Direction{relay.There, relay.Back} {
				r.Heal()
				r.Set(d, w)
				c, began := dial(t, network, r.Addr()), time.Now()
				if _, err := io.WriteString(c, "abc"); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAtLeast(c, make([]byte, 10), 3); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < 30*time.Millisecond {
					t.Errorf("%s, %s, direction %d: answered after %v", name, network, d, took)
				}
			}
		}
	}
}

// A cut way holds what is sent on connections, and is not noticed.
func TestCutStream(t *testing.T) {
	for _, d := range []relay.Direction{relay.There, relay.Back} {
		r := start(t, echo(t))
		r.Set(d, relay.Way{Cut: true})
		c := dial(t, "tcp", r.Addr())
		if _, err := io.WriteString(c, "abc"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if n, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("direction %d: %q, %v", d, b[:n], err)
		}
		if passed := r.Passed(relay.There); (passed == 0) != (d == relay.There) {
			t.Errorf("direction %d: %d bytes passed there", d, passed)
		}
		r.Heal()
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadAtLeast(c, b, 3); err != nil || string(b[:n]) != "abc" {
			t.Errorf("direction %d, healed: %q, %v", d, b[:n], err)
		}
	}
}

func TestReset(t *testing.T) {
	r := start(t, echo(t))
	c := dial(t, "tcp", r.Addr())
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAtLeast(c, make([]byte, 10), 3); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the end: %v", err)
	}
}

// A target that does not listen is not hidden.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := start(t, l.Addr().String())
	c, err := net.DialTimeout("tcp", r.Addr(), patience)
	if err == nil { // else it was told already
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(make([]byte, 10))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

// exchange sends numbered packets and returns which came back, in order: all
// until there are so many, and what comes right after.
func exchange(t *testing.T, r *relay.Relay, count, least int) []string {
	t.Helper()
	c := dial(t, "udp", r.Addr())
	for i := range count {
		if _, err := fmt.Fprint(c, i); err != nil {
			t.Fatal(err)
		}
	}
	var came []string
	b := make([]byte, 100)
	for {
		if len(came) >= least {
			if err := c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		n, err := c.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return came
		}
		if err != nil {
			t.Fatal(err)
		}
		came = append(came, string(b[:n]))
	}
}

func TestPackets(t *testing.T) {
	const count = 100
	sent := make([]string, count)
	for i := range sent {
		sent[i] = fmt.Sprint(i)
	}
	for name, tc := range map[string]struct {
		way relay.Way
		// least and most are how many come back.
		least, most int
		reordered   bool
	}{
		"all":        {relay.Way{}, count, count, false},
		"lossy":      {relay.Way{Loss: 0.5}, 25, 75, false},
		"lost":       {relay.Way{Loss: 1}, 0, 0, false},
		"cut":        {relay.Way{Cut: true}, 0, 0, false},
		"duplicates": {relay.Way{Duplicate: 1}, 2 * count, 2 * count, false},
		"reordered":  {relay.Way{Reorder: 0.1}, count, count, true},
		"jitter":     {relay.Way{Jitter: 50 * time.Millisecond}, count, count, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, echo(t))
			r.Set(relay.There, tc.way)
			came := exchange(t, r, count, tc.least)
			if len(came) < tc.least || len(came) > tc.most {
				t.Errorf("%d came back", len(came))
			}
			if ordered := slices.IsSortedFunc(came, func(a, b string) int { return slices.Index(sent, a) - slices.Index(sent, b) }); ordered == tc.reordered {
				t.Errorf("in order: %v", ordered)
			}
		})
	}
}
