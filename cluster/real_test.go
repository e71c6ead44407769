package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"godwit/cluster"
)

// onSockets starts a node on real sockets of 127.0.0.1 that ends with the test.
// Its topologies arrive in the channel.
func onSockets(t *testing.T, name string, seeds []string, change ...func(*cluster.Config)) (*cluster.Cluster, *port, <-chan cluster.Topology) {
	t.Helper()
	listener := listening(t)
	topologies := make(chan cluster.Topology, 1024)
	cfg := cluster.Config{
		Name: name, BindAddr: "127.0.0.1:0", Seeds: seeds, Meta: identity, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		OnTopology: func(t cluster.Topology) { topologies <- t },
	}
	cfg.Meta.Incarnation, cfg.Meta.Epoch, cfg.Meta.RemoteAddr = name+".1", 1, listener.Addr().String()
	for _, c := range change {
		c(&cfg)
	}
	c, err := cluster.Start(cfg)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return c, listener, topologies
}

// port is a listener whose connections break when it closes, as those of a
// process do that ends.
type port struct {
	net.Listener
	// visited is closed when somebody has connected.
	visited chan struct{}
}

func listening(t *testing.T) *port {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{Listener: listener, visited: make(chan struct{})}
	go p.accept()
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *port) accept() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for first := true; ; first = false {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if first {
			close(p.visited)
		}
	}
}

// patience is when a test that waits in real time gives up.
const patience = time.Minute

// until reads topologies until one has the view.
func until(t *testing.T, topologies <-chan cluster.Topology, want string) cluster.Topology {
	t.Helper()
	last := ""
	late := time.After(patience)
	for {
		select {
		case topology := <-topologies:
			if last = view(topology); last == want {
				return topology
			}
		case <-late:
			t.Fatalf("the last topology is %s, not %s", last, want)
		}
	}
}

// seedOf returns the gossip address of a node.
func seedOf(c *cluster.Cluster) string { return c.Topology().Members[0].GossipAddr }

func TestOnSocketsAKillIsSeen(t *testing.T) {
	key := secured(strings.Repeat("k", 32))
	n1, _, seen1 := onSockets(t, "n1", nil, key)
	n2, listener2, seen2 := onSockets(t, "n2", []string{seedOf(n1)}, key)
	_, _, seen3 := onSockets(t, "n3", []string{seedOf(n1), seedOf(n1)}, key)
	for _, seen := range []<-chan cluster.Topology{seen1, seen2, seen3} {
		until(t, seen, "n1 n2 n3")
	}
	listener2.Close()
	if err := n2.Close(); err != nil {
		t.Error(err)
	}
	until(t, seen1, "n1 n2:DEAD,gone n3")
	until(t, seen3, "n1 n2:DEAD,gone n3")
}

// TestOnSocketsTheListenerIsTheProof: gossip still says that the node is alive.
func TestOnSocketsTheListenerIsTheProof(t *testing.T) {
	n1, _, seen1 := onSockets(t, "n1", nil)
	_, listener2, seen2 := onSockets(t, "n2", []string{seedOf(n1)})
	until(t, seen1, "n1 n2")
	until(t, seen2, "n1 n2")
	select {
	case <-listener2.visited:
	case <-time.After(patience):
		t.Fatal("nobody connects to n2")
	}
	addr := listener2.Addr().String()
	listener2.Close()
	until(t, seen1, "n1 n2:DEAD,gone")
	again, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Skipf("the port is taken: %v", err)
	}
	defer again.Close()
	until(t, seen1, "n1 n2")
}

func TestOnSocketsByNameAndLeave(t *testing.T) {
	n1, _, seen1 := onSockets(t, "n1", nil)
	_, port, err := net.SplitHostPort(seedOf(n1))
	if err != nil {
		t.Fatal(err)
	}
	n2, listener2, seen2 := onSockets(t, "n2", []string{"localhost:" + port}, func(c *cluster.Config) { c.AdvertiseAddr = "localhost:0" })
	until(t, seen1, "n1 n2")
	until(t, seen2, "n1 n2")
	if err := n2.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := n2.Close(); err != nil {
		t.Error(err)
	}
	listener2.Close()
	until(t, seen1, "n1")
}

func TestOnSocketsRefusals(t *testing.T) {
	n1, _, _ := onSockets(t, "n1", nil, secured(strings.Repeat("k", 32)))
	for name, change := range map[string]func(*cluster.Config){
		"another key":   secured(strings.Repeat("x", 32)),
		"no key":        func(*cluster.Config) {},
		"another label": func(c *cluster.Config) { c.Label, c.Key = "x", []byte(strings.Repeat("k", 32)) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cluster.Config{Name: "n2", BindAddr: "127.0.0.1:0", Seeds: []string{seedOf(n1)}, Meta: identity}
			change(&cfg)
			_, err := cluster.Start(cfg)
			var unintelligible *cluster.UnintelligibleError
			if !errors.As(err, &unintelligible) {
				t.Errorf("start: %v", err)
			}
		})
	}
	t.Run("another state store", func(t *testing.T) {
		cfg := cluster.Config{Name: "n2", BindAddr: "127.0.0.1:0", Seeds: []string{seedOf(n1)}, Meta: identity, Key: []byte(strings.Repeat("k", 32))}
		cfg.Meta.ClusterID = "c2"
		_, err := cluster.Start(cfg)
		var foreign *cluster.ForeignError
		if !errors.As(err, &foreign) || foreign.Node != "n1" || foreign.Addr != seedOf(n1) {
			t.Errorf("start: %v", err)
		}
	})
	t.Run("the address is taken", func(t *testing.T) {
		if _, err := cluster.Start(cluster.Config{Name: "n2", BindAddr: seedOf(n1), Meta: identity}); err == nil {
			t.Error("it started")
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		listener := listening(t)
		listener.Close()
		c, err := cluster.Start(cluster.Config{Name: "n2", BindAddr: ":0", AdvertiseAddr: "127.0.0.1:0", Seeds: []string{listener.Addr().String()}, Meta: identity})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOnSocketsCloseEndsEverything(t *testing.T) {
	n1, _, _ := onSockets(t, "n1", nil)
	for i := range 5 {
		c, err := cluster.Start(cluster.Config{
			Name: fmt.Sprintf("m%d", i), BindAddr: "127.0.0.1:0", Seeds: []string{seedOf(n1)}, Meta: identity,
			RejoinInterval: 10 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = c.Leave(ctx) // it may not have told anybody
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
