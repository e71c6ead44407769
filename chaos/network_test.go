package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// helperEnv makes the test binary listen or dial, as "listen 10.0.0.1:80", so
// that it can be told to in a network namespace.
const helperEnv = "GODWIT_CHAOS_HELPER"

// help does what helperEnv says and returns the exit code.
func help(order string) int {
	verb, addr, _ := strings.Cut(order, " ")
	if verb == "dial" {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return 1
		}
		conn.Close()
		return 0
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("listening")
	for {
		conn, err := l.Accept()
		if err != nil {
			return 1
		}
		go func() {
			_, _ = conn.Write(make([]byte, poured)) // who only dials has gone
			conn.Close()
		}()
	}
}

// poured is how many bytes a helper that listens sends on each connection.
const poured = 128 << 10

// apart are two nodes that are held apart, and what makes one of them do what
// help knows.
func apart(t *testing.T) (c *Cluster, a, b *Node, order func(node *Node, text string) *Process) {
	t.Helper()
	n, err := NewNetwork(t.Context(), 2)
	if errors.Is(err, ErrNoNetwork) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c = &Cluster{opts: Options{Network: n}}
	for i := 1; i <= 2; i++ {
		node := &Node{Name: fmt.Sprint(i), command: append(n.command(i), self)}
		node.API, node.Remote, node.Gossip = n.addresses(i)
		c.nodes = append(c.nodes, node)
	}
	return c, c.nodes[0], c.nodes[1], func(node *Node, text string) *Process {
		p, err := Start(node.command[0], node.command[1:], []string{helperEnv + "=" + text})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		return p
	}
}

// TestNetworkCuts proves the network without nodes: what is cut does not
// arrive, one way or both, and arrives again when it is healed.
func TestNetworkCuts(t *testing.T) {
	t.Parallel()
	c, a, b, order := apart(t)
	n := c.opts.Network
	if err := order(b, "listen "+b.API).AwaitStdout(t.Context(), "listening"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"made", func() error { return nil }, true},
		{"a is deaf to b", func() error { return n.Cut(t.Context(), b, a) }, false},
		{"healed", func() error { return n.Heal(t.Context()) }, true},
		{"b is deaf to a", func() error { return c.cutOff(t.Context(), []*Node{a}, true) }, false},
		{"b is cut off as well", func() error { return c.cutOff(t.Context(), []*Node{b}, false) }, false},
		{"healed again", func() error { return n.Heal(t.Context()) }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := wait(t, order(a, "dial "+b.API))
		if (got.code == 0) != step.want {
			t.Errorf("%s: exit %d %s", step.name, got.code, got.stderr)
		}
	}
}

// TestNetworkIsBad proves loss and a slow way, and that both end.
func TestNetworkIsBad(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tc"); err != nil {
		t.Skip("there is no tc command (iproute2)")
	}
	c, a, b, order := apart(t)
	n := c.opts.Network
	if err := order(b, "listen "+b.API).AwaitStdout(t.Context(), "listening"); err != nil {
		t.Fatal(err)
	}
	fetch := func() time.Duration {
		began := time.Now()
		conn, err := net.Dial("tcp", b.API)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got, err := io.Copy(io.Discard, conn); err != nil || got != poured {
			t.Fatalf("%d bytes, %v", got, err)
		}
		return time.Since(began)
	}
	fetch()
	if err := n.Slow(t.Context(), b, 256<<10); err != nil {
		t.Fatal(err)
	}
	if took := fetch(); took < 300*time.Millisecond {
		t.Errorf("128 KiB took %v at 256 KiB a second", took)
	}
	if err := n.Lossy(t.Context(), b, 100); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, order(a, "dial "+b.API)); got.code == 0 {
		t.Error("what is lost has arrived")
	}
	if err := n.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, order(a, "dial "+b.API)); got.code != 0 {
		t.Error("what is healed does not arrive", got.stderr)
	}
	if err := n.Lossy(t.Context(), b, 30); err != nil {
		t.Fatal(err)
	}
	fetch() // late, and whole
}
