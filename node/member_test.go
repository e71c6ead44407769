package node

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"godwit/actors"
	"godwit/node/mesh"
	clusterpb "godwit/protos/godwit/cluster/v1"
	pb "godwit/protos/godwit/v1"
)

// pair is what nodes of one cluster have in common.
type pair struct {
	state, key, root string
}

func newPair(t *testing.T) pair {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	if err := os.WriteFile(key, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	return pair{state: "dir://" + t.TempDir(), key: key, root: t.TempDir()}
}

func (p pair) config(name string, join ...string) Config {
	return Config{Name: name, StateStore: p.state, SecretsKeyFile: p.key, FileRoots: []string{p.root}, Join: join}
}

// gossipAddr is where others find a node that runs.
func gossipAddr(t *testing.T, n *Node) string {
	t.Helper()
	nodes, err := n.engine.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range nodes {
		if one.Name == n.cfg.Name {
			return one.GossipAddr
		}
	}
	t.Fatalf("%s is not among %v", n.cfg.Name, nodes)
	return ""
}

// untilNodes looks at the cluster through a node until it is as it should be.
func untilNodes(t *testing.T, n *Node, fine func([]actors.NodeStatus) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		nodes, err := n.engine.Nodes(ctx)
		if err == nil && fine(nodes) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s sees %v, %v", n.cfg.Name, nodes, err)
		}
	}
}

func TestNodesFormACluster(t *testing.T) {
	p := newPair(t)
	first := startNode(t, p.config("n1"))
	second := startNode(t, p.config("n2", gossipAddr(t, first)))
	for _, n := range []*Node{first, second} {
		untilNodes(t, n, func(nodes []actors.NodeStatus) bool {
			return len(nodes) == 2 && nodes[0].Shards > 0 && nodes[1].Shards > 0 && nodes[0].Shards+nodes[1].Shards == actors.Shards
		})
	}
	for i, id := range []string{"a", "b", "c", "d", "e", "f"} {
		at, other := rpc(first), rpc(second)
		if i%2 == 1 {
			at, other = other, at
		}
		no := false
		_, err := at.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Start: &no, Transfer: &pb.Transfer{
			Id: id, Source: &pb.Endpoint{Url: "https://origin.example/" + id + "?token=secret"},
			Destination: &pb.Endpoint{Url: "file://" + filepath.Join(p.root, id)}, Headers: []*pb.Header{{Name: "X-Key", Value: "secret"}},
		}}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := other.GetTransfer(t.Context(), connect.NewRequest(&pb.GetTransferRequest{Id: id}))
		if err != nil || got.Msg.GetStatus() != pb.Transfer_IDLE || strings.Contains(got.Msg.String(), "secret") {
			t.Fatalf("%v, %v", got, err)
		}
		if _, err := other.CancelTransfer(t.Context(), connect.NewRequest(&pb.CancelTransferRequest{Id: id, Reason: "enough"})); err != nil {
			t.Fatal(err)
		}
	}
	page, err := second.engine.List(t.Context(), actors.Query{Limit: 10})
	if err != nil || len(page.Transfers) != 6 {
		t.Errorf("%d listed, %v", len(page.Transfers), err)
	}
}

// TestNodesSpeakInSecret forms a cluster with certificates and a gossip key; a
// node without certificate sees the others and cannot ask them.
func TestNodesSpeakInSecret(t *testing.T) {
	p := newPair(t)
	cert, key := writeCertificate(t, t.TempDir())
	secret := func(name string, join ...string) Config {
		cfg := p.config(name, join...)
		cfg.TLSCert, cfg.TLSKey, cfg.TLSCA, cfg.GossipKeyFile = cert, key, cert, p.key
		return cfg
	}
	first := startNode(t, secret("n1"))
	second := startNode(t, secret("n2", gossipAddr(t, first)))
	untilNodes(t, second, func(nodes []actors.NodeStatus) bool {
		return len(nodes) == 2 && nodes[0].Shards > 0 && nodes[1].Shards > 0
	})
	remote := ""
	untilNodes(t, first, func(nodes []actors.NodeStatus) bool {
		remote = nodes[0].RemoteAddr
		return len(nodes) == 2 && nodes[1].Shards > 0
	})
	stranger, err := mesh.Start(mesh.Config{
		Name: "n2", Incarnation: "x", BindAddr: "127.0.0.1:0",
		Handler: func(context.Context, mesh.Request) ([]byte, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Call(t.Context(), mesh.Peer{Name: "n1", Incarnation: first.member.self.Incarnation, Addr: remote}, "status", 0, nil); !errors.Is(err, mesh.ErrUnreachable) {
		t.Errorf("a node without a certificate is answered: %v", err)
	}
}

// TestForeignersAreRefused starts nodes that do not belong to a cluster: each
// ends with an error that says what to change, and the cluster goes on.
func TestForeignersAreRefused(t *testing.T) {
	p := newPair(t)
	first := startNode(t, p.config("n1"))
	seed := gossipAddr(t, first)
	other := newPair(t)
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"another state store": {func(c *Config) { c.StateStore = other.state }, "--state-store"},
		"another secrets key": {func(c *Config) { c.SecretsKeyFile = other.key }, "secrets-key-file"},
		"another gossip key":  {func(c *Config) { c.GossipKeyFile = other.key }, "gossip key"},
		"another root":        {func(c *Config) { c.FileRoots = []string{other.root} }, "file-root"},
		"no root":             {func(c *Config) { c.FileRoots = nil }, "file-root"},
		"the same name":       {func(c *Config) { c.Name = "n1" }, "--name"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := p.config("n2", seed)
			cfg.DataDir, cfg.APIAddr, cfg.RemoteAddr, cfg.GossipAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
			cfg.Logger = testLogger(t)
			tc.change(&cfg)
			n, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err = n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %s", err, tc.want)
			}
		})
	}
	if _, err := first.engine.List(t.Context(), actors.Query{Limit: 1}); err != nil {
		t.Errorf("the cluster: %v", err)
	}
}

func TestCompareNodes(t *testing.T) {
	ours := &clusterpb.Hello{Roots: []string{"/a", "/b/"}}
	for name, tc := range map[string]struct {
		res *clusterpb.HelloResult
		key string
	}{
		"the same":        {&clusterpb.HelloResult{SameKey: true, Roots: []string{"/b", "/a/"}, Shared: []string{"/a", "/b"}}, ""},
		"another key":     {&clusterpb.HelloResult{Roots: []string{"/b", "/a"}, Shared: []string{"/a", "/b"}}, "secrets-key-file"},
		"one root less":   {&clusterpb.HelloResult{SameKey: true, Roots: []string{"/a"}, Shared: []string{"/a"}}, "file-root"},
		"one root more":   {&clusterpb.HelloResult{SameKey: true, Roots: []string{"/a", "/b", "/c"}, Shared: []string{"/a", "/b"}}, "file-root"},
		"one not shared":  {&clusterpb.HelloResult{SameKey: true, Roots: []string{"/a", "/b"}, Shared: []string{"/a"}}, "file-root"},
		"an empty answer": {&clusterpb.HelloResult{}, "secrets-key-file"},
	} {
		err := compare("n2", ours, tc.res)
		var ce *ConfigError
		if tc.key == "" && err != nil || tc.key != "" && (!errors.As(err, &ce) || ce.Key != tc.key) {
			t.Errorf("%s: %v, want %q", name, err, tc.key)
		}
	}
}

// TestMarkersAreTakenAway leaves nothing in a root, and reads nothing else.
func TestMarkersAreTakenAway(t *testing.T) {
	p := newPair(t)
	n := startNode(t, p.config("n1"))
	left, err := os.ReadDir(p.root)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, marker := range []string{"", "x", "../../etc/passwd", markerPrefix + "/../x"} {
		body, err := proto.Marshal(&clusterpb.Hello{Roots: []string{"/"}, Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.onHello(body); err == nil {
			t.Errorf("marker %q was accepted", marker)
		}
	}
}

func TestRefusesTellsAnEndFromSilence(t *testing.T) {
	n := startNode(t, Config{})
	if refuses(context.Background(), n.Addr()) {
		t.Error("a port that listens refuses")
	}
	if !refuses(context.Background(), "127.0.0.1:1") {
		t.Error("a port without a listener does not refuse")
	}
}
