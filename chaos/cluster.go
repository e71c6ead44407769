package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/chaos/history"
	"godwit/client"
)

// startPatience bounds how long nodes may take to become ready.
const startPatience = 90 * time.Second

// Options describe a cluster.
type Options struct {
	// Binary is the godwit to run. One built with the tag "history" lets the
	// cluster's state writes be judged.
	Binary string
	// Folder holds everything that nodes and harness write.
	Folder string
	// Nodes are named n1, n2 and so on. One alone is told of no cluster.
	Nodes int
	Store Store
	// Origins serve what is transferred, each transfer from one of them.
	Origins []Origin
	// Fars take uploads, each in its way; none for scenarios without uploads.
	Fars []Kind
	// Seed makes the same decisions again. What processes do is not decided by it.
	Seed uint64
	// Args are more arguments of every node.
	Args []string
	// Driver runs the nodes; nil runs them on loopback.
	Driver Driver
	// Recorder takes what happens to the nodes; nil records nothing.
	Recorder *history.Recorder
	// Logf tells progress; nil is silent.
	Logf func(format string, args ...any)
}

// Cluster is a set of nodes with a common store, and the transfers that were
// submitted to them. Its methods are safe for concurrent use, but scenarios
// decide in one goroutine only.
type Cluster struct {
	opts Options
	// dice are for the decisions of scenarios.
	dice *mathrand.Rand
	// doomed tells that a failpoint is set, and any node may die there.
	doomed atomic.Bool

	mu    sync.Mutex // guards what follows
	nodes []*Node
	jobs  map[string]*Job
	route *mathrand.Rand // which node is asked
	last  int            // number of the last job
	// explained are parts of log lines that a scenario causes on purpose.
	explained []string
	// restored tells that the store was put back to what it was, so that what writes
	// replace may be older than the histories.
	restored bool
}

// StartCluster starts all nodes and returns when they are ready. The caller
// closes the cluster; it is to be closed after an error too, unless it is nil.
func StartCluster(ctx context.Context, opts Options) (*Cluster, error) {
	if opts.Logf == nil {
		opts.Logf = func(string, ...any) {}
	}
	if opts.Driver == nil {
		opts.Driver = Loopback{}
	}
	c := &Cluster{
		opts: opts, jobs: map[string]*Job{},
		dice: mathrand.New(mathrand.NewPCG(opts.Seed, 1)), route: mathrand.New(mathrand.NewPCG(opts.Seed, 2)),
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	for range opts.Nodes {
		if _, err := c.Add(); err != nil {
			return nil, err
		}
	}
	c.Logf("seed %d: %d nodes start in %s", opts.Seed, opts.Nodes, opts.Folder)
	if err := c.each(ctx, c.Nodes(), (*Node).Start); err != nil {
		return c, err
	}
	return c, c.awaitBalance(ctx)
}

// awaitBalance waits until every node has its share of the shards. Nodes are
// ready before: what moves then would count as moved by the first fault.
func (c *Cluster) awaitBalance(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		balanced := true
		for _, n := range c.Nodes() {
			members, err := n.Members(ctx)
			total := 0
			for _, m := range members {
				total += m.Shards
				balanced = balanced && m.Shards > shards/len(c.Nodes())/2
			}
			balanced = balanced && err == nil && total == shards && len(members) == len(c.Nodes())
		}
		if balanced {
			return nil
		}
		if waited := idle(ctx, glance); waited != nil {
			return fmt.Errorf("the shards of the first nodes do not settle: %w", waited)
		}
	}
}

// prepare makes the files that all nodes share.
func (c *Cluster) prepare() error {
	if err := os.MkdirAll(filesBelow(c.opts.Folder), 0o700); err != nil {
		return fmt.Errorf("start a cluster: %w", err)
	}
	if _, err := os.Stat(c.keyFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(c.keyFile(), []byte(rand.Text() + rand.Text())[:32], 0o600); err != nil {
		return fmt.Errorf("start a cluster: %w", err)
	}
	return nil
}

// failpointFile is where nodes read at which point one of them is to die.
func (c *Cluster) failpointFile() string { return filepath.Join(c.opts.Folder, "failpoint") }

// poisonFile is where nodes read which records they are to spoil.
func (c *Cluster) poisonFile() string { return filepath.Join(c.opts.Folder, "poison") }

func (c *Cluster) keyFile() string { return filepath.Join(c.opts.Folder, "secrets.key") }

// Add makes one more node, which the caller starts. Nodes that run already do
// not know it until it has joined them.
func (c *Cluster) Add() (*Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := len(c.nodes) + 1
	name := fmt.Sprintf("n%d", number)
	n := &Node{
		Name: name, Number: number, folder: c.opts.Folder, driver: c.opts.Driver, binary: c.opts.Binary,
		rec: c.opts.Recorder, doomed: &c.doomed,
		Log: filepath.Join(c.opts.Folder, name+".log"), History: filepath.Join(c.opts.Folder, name+".history"),
	}
	var err error
	if n.API, n.Remote, n.Gossip, err = c.opts.Driver.Addresses(number); err != nil {
		return nil, err
	}
	n.env = append([]string{
		"HOME=" + c.opts.Folder, "XDG_DATA_HOME=" + c.opts.Folder, "AWS_EC2_METADATA_DISABLED=true",
		"GODWIT_HISTORY_FILE=" + n.History, "GODWIT_FAILPOINT_FILE=" + c.failpointFile(),
		"GODWIT_CLOCK_FILE=" + clockFile(c.opts.Folder, name), "GODWIT_POISON_FILE=" + c.poisonFile(),
	}, c.opts.Store.env(number)...)
	if n.Client, err = client.New(client.Config{Servers: []string{n.URL()}, CallTimeout: 10 * time.Second}); err != nil {
		return nil, err
	}
	c.nodes = append(c.nodes, n)
	// All of the first nodes are told of each other.
	for _, other := range c.nodes {
		if other.process() == nil {
			other.args = c.args(other)
		}
	}
	return n, nil
}

// args is the command line of a node; mu is held.
func (c *Cluster) args(n *Node) []string {
	args := []string{
		"serve", "--name", n.Name, "--api-addr", n.API, "--state-store", c.opts.Store.state(n.Number),
		"--file-root", filesBelow(c.opts.Folder), "--secrets-key-file", c.keyFile(),
		"--egress-allow", "127.0.0.0/8", "--log-level", "debug",
	}
	if len(c.nodes) > 1 {
		var others []string
		for _, other := range c.nodes {
			if other != n {
				others = append(others, other.Gossip)
			}
		}
		args = append(args, "--remote-addr", n.Remote, "--gossip-addr", n.Gossip, "--join", strings.Join(others, ","))
	}
	args = append(args, c.opts.Driver.Args()...)
	return append(args, c.opts.Args...)
}

// each does something with nodes at the same time.
func (c *Cluster) each(ctx context.Context, nodes []*Node, do func(*Node, context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		g.Go(func() error { return do(n, ctx) })
	}
	return g.Wait()
}

// Close kills all nodes.
func (c *Cluster) Close() {
	for _, n := range c.Nodes() {
		n.Kill()
	}
}

// Logf tells progress.
func (c *Cluster) Logf(format string, args ...any) { c.opts.Logf(format, args...) }

// Nodes are all nodes, dead ones too.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Node returns the node of that name, or nil.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.Nodes() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Live are the nodes that run and are not paused, in random order.
func (c *Cluster) Live() []*Node {
	live := slices.DeleteFunc(c.Nodes(), func(n *Node) bool { return !n.Live() })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.route.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	return live
}

// Tails are the ends of all logs.
func (c *Cluster) Tails() string {
	var all []string
	for _, n := range c.Nodes() {
		all = append(all, n.Tail())
	}
	return strings.Join(all, "\n")
}

// insist asks live nodes until one answers. A request that is refused for what it
// says is refused for good.
func insist[T any](ctx context.Context, c *Cluster, what string, ask func(context.Context, *Node) (T, error)) (T, error) {
	for {
		answer, err := anywhere(ctx, c, ask)
		if err == nil {
			return answer, nil
		}
		var refused *client.Error
		if errors.As(err, &refused) && refused.Field != "" && !refused.Retryable || idle(ctx, 5*glance) != nil {
			return answer, fmt.Errorf("%s: %w", what, err)
		}
	}
}

// anywhere asks live nodes in random order until one answers.
func anywhere[T any](ctx context.Context, c *Cluster, ask func(context.Context, *Node) (T, error)) (T, error) {
	var none T
	var last error
	for _, n := range c.Live() {
		answer, err := ask(ctx, n)
		if err == nil {
			return answer, nil
		}
		last = fmt.Errorf("%s: %w", n.Name, err)
		if ctx.Err() != nil {
			return none, last
		}
	}
	if last == nil {
		last = errors.New("no node lives")
	}
	return none, last
}
