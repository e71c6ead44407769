package chaos

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Source is an origin as scenarios use it; that of endpoint/endpointtest is
// one.
type Source interface {
	// URL is the address of a path. All paths have the same content.
	URL(path string) string
	// SHA256 is the digest of that content in lower-case hex.
	SHA256() string
	// PathBytes is how many bytes of content were served for a path, repeated
	// ones included.
	PathBytes(path string) int64
	// Spans are when each answer for a path began, and when the last bytes of it
	// were handed over.
	Spans(path string) [][2]time.Time
	// AwaitRequest returns when a path was first asked for after a time.
	AwaitRequest(ctx context.Context, path string, after time.Time) (time.Time, error)
}

// Origin is a source and what it serves.
type Origin struct {
	Source
	// Size is in bytes.
	Size int64
}

// Store is where a cluster keeps its state and where results go.
type Store struct {
	Name string
	// State is the URL of the state store.
	State string
	// Env is what nodes need to reach it.
	Env []string
	// Way, if there is one, is the way of the node with that number to it, in place
	// of State and Env: each may have one of its own, where it can be disturbed.
	Way func(number int) (state string, env []string)
	// Destination is the URL of the result of that name.
	Destination func(name string) string
	// Open reads a result; fs.ErrNotExist when there is none. Remove removes it.
	Open   func(name string) (io.ReadCloser, error)
	Remove func(name string) error
}

// state is the URL of the state store as the node with that number has it.
func (s Store) state(number int) string {
	if s.Way == nil {
		return s.State
	}
	state, _ := s.Way(number)
	return state
}

// env is what that node needs to reach it.
func (s Store) env(number int) []string {
	if s.Way == nil {
		return s.Env
	}
	_, env := s.Way(number)
	return env
}

// DirStore keeps state and results in subfolders of a folder, which it makes.
// The second one is the file root that nodes need.
func DirStore(folder string) (Store, error) {
	state, files := filepath.Join(folder, "state"), filesBelow(folder)
	for _, path := range []string{state, files} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return Store{}, fmt.Errorf("make a store: %w", err)
		}
	}
	return Store{
		Name:        "dir",
		State:       "dir://" + state,
		Destination: func(name string) string { return "file://" + filepath.Join(files, name) },
		Open:        func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(files, name)) },
		Remove:      func(name string) error { return os.Remove(filepath.Join(files, name)) },
	}, nil
}

// filesBelow is the file root of all nodes of a cluster.
func filesBelow(folder string) string { return filepath.Join(folder, "files") }

// Ports are asked for below the range from which systems give ports to
// connections, so that a node finds its own free again when it restarts.
const (
	firstPort = 20000
	lastPort  = 32000
)

// reserve finds count loopback addresses whose ports are free for TCP and UDP.
func reserve(count int) ([]string, error) {
	var found []string
	for tries := 0; len(found) < count; tries++ {
		if tries > 100*count {
			return nil, fmt.Errorf("reserve %d ports: too few are free", count)
		}
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			return nil, fmt.Errorf("reserve ports: %w", err)
		}
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+n.Int64())
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		// Held until all are found, so that none is found twice.
		defer tcp.Close()
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		defer udp.Close() //nolint:errcheck // nothing was sent
		found = append(found, addr)
	}
	return found, nil
}

// idle waits, or returns ctx's error.
func idle(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
