package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	clusterpb "godwit/protos/godwit/cluster/v1"
)

// Two nodes that take over from each other must read each other's secrets and
// write to the same folders. A node that starts asks every member whether that
// is so, and does not run if it is not: it would fail what others had begun.

const (
	kindHello = "hello"
	// helloTimeout bounds asking one member.
	helloTimeout = 3 * time.Second
	// helloName binds the sealed text to its purpose, helloText is what is sealed.
	helloName, helloText = "hello", "godwit"
	// markerPrefix begins the names of files by which a folder is recognized.
	markerPrefix = ".godwit-hello-"
)

// greet says hello to every member. Its error says what to change on this node;
// members that do not answer are passed over.
func (m *member) greet(ctx context.Context) error {
	n := m.node
	sealed, err := n.sealer.Seal(helloName, []byte(helloText))
	if err != nil {
		return err
	}
	hello := &clusterpb.Hello{Sealed: sealed, Roots: n.cfg.FileRoots, Marker: markerPrefix + m.self.Incarnation}
	remove, err := layMarkers(hello)
	defer remove()
	if err != nil {
		return err
	}
	body, err := proto.Marshal(hello)
	if err != nil {
		return err
	}
	for _, other := range m.gossip.Topology().Members {
		if other.Name == n.cfg.Name || other.State == "DEAD" {
			continue
		}
		var res clusterpb.HelloResult
		if err := m.sayHello(ctx, actors.Member{Name: other.Name, Incarnation: other.Incarnation, RemoteAddr: other.RemoteAddr}, body, &res); err != nil {
			n.cfg.Logger.WarnContext(ctx, "a member was not asked whether it has the same key and file roots",
				slog.String("node", other.Name), slog.Any("error", err))
			continue
		}
		if err := compare(other.Name, hello, &res); err != nil {
			return err
		}
	}
	return nil
}

func (m *member) sayHello(ctx context.Context, to actors.Member, body []byte, res *clusterpb.HelloResult) error {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	answer, err := m.Call(ctx, to, kindHello, 0, body)
	if err != nil {
		return err
	}
	return proto.Unmarshal(answer, res)
}

// layMarkers puts a file into each root, and returns what takes them away.
func layMarkers(hello *clusterpb.Hello) (remove func(), err error) {
	var laid []string
	remove = func() {
		for _, path := range laid {
			_ = os.Remove(path)
		}
	}
	for _, root := range hello.GetRoots() {
		path := filepath.Join(root, hello.GetMarker())
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return remove, &ConfigError{Key: "file-root", Message: "cannot be written to", Err: err}
		}
		laid = append(laid, path)
		if err := f.Close(); err != nil {
			return remove, &ConfigError{Key: "file-root", Message: "cannot be written to", Err: err}
		}
	}
	return remove, nil
}

// compare says in what a member differs that must be the same.
func compare(node string, hello *clusterpb.Hello, res *clusterpb.HelloResult) error {
	if !res.GetSameKey() {
		return wrong("secrets-key-file", "node %s has another secrets key: give all nodes the same file", node)
	}
	ours, theirs := cleaned(hello.GetRoots()), cleaned(res.GetRoots())
	for _, root := range ours {
		if !slices.Contains(theirs, root) {
			return wrong("file-root", "node %s does not have %s: give all nodes the same folders", node, root)
		}
		if !slices.Contains(cleaned(res.GetShared()), root) {
			return wrong("file-root", "%s is another folder on node %s: share it between the nodes, for example by NFS", root, node)
		}
	}
	for _, root := range theirs {
		if !slices.Contains(ours, root) {
			return wrong("file-root", "node %s has %s and this one does not: give all nodes the same folders", node, root)
		}
	}
	return nil
}

func cleaned(roots []string) []string {
	out := make([]string, len(roots))
	for i, root := range roots {
		out[i] = filepath.Clean(root)
	}
	return out
}

// onHello answers a node that starts.
func (n *Node) onHello(body []byte) ([]byte, error) {
	var hello clusterpb.Hello
	if err := proto.Unmarshal(body, &hello); err != nil {
		return nil, errors.New("the request is not readable")
	}
	text, err := n.sealer.Open(helloName, hello.GetSealed())
	res := &clusterpb.HelloResult{SameKey: err == nil && string(text) == helloText, Roots: n.cfg.FileRoots}
	if !strings.HasPrefix(hello.GetMarker(), markerPrefix) || filepath.Base(hello.GetMarker()) != hello.GetMarker() {
		return nil, fmt.Errorf("%q is no name of a marker", hello.GetMarker())
	}
	ours := cleaned(n.cfg.FileRoots)
	for _, root := range cleaned(hello.GetRoots()) {
		if _, err := os.Lstat(filepath.Join(root, hello.GetMarker())); err == nil && slices.Contains(ours, root) {
			res.Shared = append(res.Shared, root)
		}
	}
	return proto.Marshal(res)
}
