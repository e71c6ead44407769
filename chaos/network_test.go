package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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
	if verb == "start" {
		p, err := Start(os.Args[0], nil, []string{helperEnv + "=listen " + addr})
		if err == nil {
			err = p.AwaitStdout(context.Background(), "listening")
		}
		fmt.Println("started", err)
		select {} // until it is killed
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
		conn.Close()
	}
}

// TestNetworkCuts proves the network without nodes: what is cut does not
// arrive, one way or both, and arrives again when it is healed.
func TestNetworkCuts(t *testing.T) {
	t.Parallel()
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
	c := &Cluster{opts: Options{Driver: n}}
	for i := 1; i <= 2; i++ {
		node := &Node{Name: fmt.Sprint(i), Number: i}
		if node.API, node.Remote, node.Gossip, err = n.Addresses(i); err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, node)
	}
	a, b := c.nodes[0], c.nodes[1]
	order := func(node *Node, text string) *Process {
		line := append(n.command(node.Number), self)
		p, err := Start(line[0], line[1:], []string{helperEnv + "=" + text})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		return p
	}
	if err := order(b, "listen "+b.API).AwaitStdout(t.Context(), "listening"); err != nil {
		t.Fatal(err)
	}
	var heal func(context.Context) error
	for _, step := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"made", func() error { return nil }, true},
		{"a is deaf to b", func() (err error) { heal, err = n.Cut(t.Context(), 2, 1); return err }, false},
		{"all is lost as well", func() (err error) { _, err = n.Lose(t.Context(), 100, 1); return err }, false},
		{"one of the two is healed", func() error { return heal(t.Context()) }, false},
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
