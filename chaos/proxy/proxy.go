package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"godwit/chaos/history"
)

// Options describe a proxy.
type Options struct {
	// Server is the "http://host:port" in front of which it stands.
	Server string
	// State is "bucket/prefix" of the state store, or "bucket"; "" where there are
	// no records.
	State string
	// Plain: the server speaks HTTP, but not S3.
	Plain bool
	// AccessKey and SecretKey sign what the proxy itself asks of a store, see
	// Expire.
	AccessKey, SecretKey string
	// Seed makes the same random decisions again.
	Seed uint64
	// Clock is the time since the run began; nil counts from New.
	Clock func() time.Duration
	// Life is which process of a node lives, from 1; nil is unknown.
	Life func(node string) int
	// Record is told of each call, from several goroutines at once; nil is nobody.
	Record func(history.Event)
}

// Proxy stands between nodes and a server. Its methods are safe for concurrent
// use.
type Proxy struct {
	opts      Options
	server    *url.URL
	transport *http.Transport
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc

	mu    sync.Mutex // guards what follows
	dice  *rand.Rand
	rules []*live
	gates map[string]*gate
	// kept are copies of requests that are to come again, by key.
	kept map[string][]*copied
	// now and before are answers to who reads a record, by key.
	now, before map[string]answer
	calls       int
}

// New makes a proxy that has no address yet. The caller closes it.
func New(opts Options) (*Proxy, error) {
	server, err := url.Parse(opts.Server)
	if err != nil || server.Scheme != "http" || server.Host == "" {
		return nil, fmt.Errorf("make a proxy: %q is no http://host:port", opts.Server)
	}
	if opts.Clock == nil {
		began := time.Now()
		opts.Clock = func() time.Duration { return time.Since(began) }
	}
	if opts.Life == nil {
		opts.Life = func(string) int { return 0 }
	}
	if opts.Record == nil {
		opts.Record = func(history.Event) {}
	}
	p := &Proxy{
		opts: opts, server: server,
		// As many connections as nodes have: waiting for one would be a fault of
		// ours.
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256},
		dice:      rand.New(rand.NewPCG(opts.Seed, 0)),
		gates:     map[string]*gate{}, kept: map[string][]*copied{},
		now: map[string]answer{}, before: map[string]answer{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Set replaces all rules. Calls that are under way keep theirs; what was kept
// for later stays kept.
func (p *Proxy) Set(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	for _, r := range rules {
		p.rules = append(p.rules, &live{Rule: r})
	}
}

// Calls is how many calls have arrived so far, whatever became of them.
func (p *Proxy) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// Struck is how many calls the rules that are set have struck, in their order.
func (p *Proxy) Struck() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var counts []int
	for _, l := range p.rules {
		counts = append(counts, l.struck)
	}
	return counts
}

// Listen opens an address for a node on loopback and returns it as
// "http://host:port".
func (p *Proxy) Listen(node string) (string, error) { return p.ListenOn(node, "127.0.0.1") }

// ListenOn is Listen on another address of this machine.
func (p *Proxy) ListenOn(node, host string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gates[node] != nil {
		return "", fmt.Errorf("listen for %s: it has an address already", node)
	}
	g, err := newGate(host, func(w http.ResponseWriter, r *http.Request) { p.serve(node, w, r) })
	if err != nil {
		return "", fmt.Errorf("listen for %s: %w", node, err)
	}
	p.gates[node] = g
	return "http://" + g.addr, nil
}

// Cut is what becomes of all connections of a node.
type Cut string

const (
	// Open lets them be.
	Open Cut = "open"
	// Refused resets them and refuses new ones.
	Refused Cut = "refused"
	// Silent lets nothing pass, either way, and tells nobody. What was on its way
	// arrives when it is open again, as after a cut of a wire. Connections can be
	// made, though, which nobody answers on.
	Silent Cut = "silent"
)

// Cut cuts a node off from the server, or joins them again.
func (p *Proxy) Cut(node string, how Cut) error {
	p.mu.Lock()
	g := p.gates[node]
	p.mu.Unlock()
	if g == nil {
		return fmt.Errorf("cut %s: it has no address", node)
	}
	if err := g.set(how); err != nil {
		return fmt.Errorf("cut %s: %w", node, err)
	}
	return nil
}

// Close ends all connections.
func (p *Proxy) Close() error {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	var all error
	for _, g := range p.gates {
		all = errors.Join(all, g.close())
	}
	p.transport.CloseIdleConnections()
	return all
}

// strike counts a call and returns the rule that decides, or nil.
func (p *Proxy) strike(c *call) *Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	for _, l := range p.rules {
		if l.matches(c) && l.strikes(p.dice.Float64()) {
			return &l.Rule
		}
	}
	return &Rule{}
}

// roll is a random number below n.
func (p *Proxy) roll(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dice.IntN(n)
}

// idle waits, or returns when the client has gone or the proxy is closed.
func (p *Proxy) idle(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
}
