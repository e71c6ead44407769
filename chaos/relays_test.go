package chaos

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"godwit/chaos/relay"
)

// relayed reserves ports that are free on a loopback address, for API, mesh and
// gossip, and joins them with the same ports of another one.
func relayed(t *testing.T, host, advertised string) (ports []string, relays []*relay.Relay) {
	t.Helper()
	found, err := reserve(3)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range found {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		r, err := relay.New(net.JoinHostPort(advertised, port), net.JoinHostPort(host, port), 1)
		if err != nil {
			t.Skipf("all of 127.0.0.0/8 must be this machine, as on Linux: %v", err)
		}
		t.Cleanup(func() { _ = r.Close() }) // its nodes have ended
		ports, relays = append(ports, port), append(relays, r)
	}
	return ports, relays
}

// TestNodesBehindRelays: nodes that listen on one address and advertise another
// one reach each other by the relays there, and by nothing else.
func TestNodesBehindRelays(t *testing.T) {
	t.Parallel()
	const nodes = 2
	store := dirStore(t, t.TempDir())
	ports, relays := make([][]string, nodes), make([][]*relay.Relay, nodes)
	for i := range nodes {
		ports[i], relays[i] = relayed(t, fmt.Sprintf("127.0.1.%d", i+1), fmt.Sprintf("127.0.2.%d", i+1))
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	var members []*Node
	var processes []*Process
	for i := range nodes {
		at := func(port int) string { return net.JoinHostPort(fmt.Sprintf("127.0.1.%d", i+1), ports[i][port]) }
		other := (i + 1) % nodes
		args := []string{
			"serve", "--name", fmt.Sprintf("n%d", i+1), "--data-dir", t.TempDir(), "--state-store", store.State, "--secrets-key-file", key,
			"--api-addr", at(0), "--remote-addr", at(1), "--gossip-addr", at(2), "--advertise", fmt.Sprintf("127.0.2.%d", i+1),
			"--join", net.JoinHostPort(fmt.Sprintf("127.0.2.%d", other+1), ports[other][2]),
		}
		p := start(t, environment(t), args...)
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(p.Stderr())
			}
		})
		members = append(members, &Node{Name: fmt.Sprintf("n%d", i+1), API: at(0)})
		processes = append(processes, p)
	}
	await := func(what string, enough func(seen map[string]Member) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for {
			seen, err := members[0].Members(ctx)
			if err == nil && enough(seen) {
				return
			}
			if slices.ContainsFunc(processes, (*Process).Ended) {
				t.Fatalf("%s: a node has ended", what)
			}
			if waited := idle(ctx, 5*glance); waited != nil {
				t.Fatalf("%s: %v; n1 sees %v, %v", what, waited, seen, err)
			}
		}
	}
	alive := func(seen map[string]Member) bool { return strings.HasSuffix(seen["n2"].State, "ALIVE") }
	await("they do not find each other", alive)
	for i, r := range relays {
		if gossip := r[2].Passed(relay.There); gossip == 0 {
			t.Errorf("n%d was told nothing by its relay", i+1)
		}
	}
	if seen, err := members[0].Members(t.Context()); err != nil || !strings.HasPrefix(seen["n2"].APIAddr, "127.0.2.2:") {
		t.Errorf("n2 is seen at %v, %v", seen["n2"], err)
	}
	// n2 hears nothing, and nobody hears n2: what it sends goes through the others'
	// relays.
	for _, r := range relays {
		for _, one := range r {
			one.Set(relay.There, relay.Way{Cut: true})
		}
	}
	await("a cut is not noticed", func(seen map[string]Member) bool { return len(seen) > 0 && !alive(seen) })
	for _, r := range relays {
		for _, one := range r {
			one.Heal()
			one.Set(relay.There, relay.Way{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.05})
		}
	}
	await("they do not find each other again", alive)
}
