package cluster_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"godwit/cluster"
	"godwit/cluster/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a number of nodes on one network, in a bubble.
type world struct {
	t       *testing.T
	network *clustertest.Network
	nodes   map[string]*process
}

// process is one life of a node.
type process struct {
	*cluster.Cluster
	name, host string
	meta       cluster.Meta
	log        *lines

	mu        sync.Mutex
	published []cluster.Topology
}

// inBubble runs a test in virtual time, on a network whose chances follow from
// a seed. At the end all nodes end, and what still waits for a deadline of its
// own gets the time for it.
func inBubble(t *testing.T, seed uint64, test func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, network: clustertest.NewNetwork(seed), nodes: make(map[string]*process)}
		defer func() {
			for _, p := range w.nodes {
				w.crash(p)
			}
			time.Sleep(time.Minute)
		}()
		test(t, w)
	})
}

// identity is what all nodes of the tests' cluster have in common.
var identity = cluster.Meta{ClusterID: "c1", Shards: 1024, RecordFormat: 1, Version: "1.2.3", Weight: 1}

// start begins a life of a node on a host of its own and fails the test when it
// cannot.
func (w *world) start(name string, epoch uint64, change ...func(*cluster.Config)) *process {
	w.t.Helper()
	p, err := w.try(name, epoch, change...)
	if err != nil {
		w.t.Fatalf("start %s: %v", name, err)
	}
	return p
}

// try begins a life of a node called name, or name/host where it runs on another
// host than the one that follows from its name. Node n7 runs on 10.0.0.7.
func (w *world) try(name string, epoch uint64, change ...func(*cluster.Config)) (*process, error) {
	w.t.Helper()
	name, host, _ := strings.Cut(name, "/")
	host = "10.0.0." + cmp.Or(host, strings.TrimLeft(name, "n"))
	p := &process{name: name, host: host, log: new(lines), meta: identity}
	p.meta.Incarnation, p.meta.Epoch = fmt.Sprintf("%s.%d", name, epoch), epoch
	p.meta.APIAddr, p.meta.RemoteAddr = host+":7480", host+":7481"
	cfg := cluster.Config{
		Name: name, BindAddr: host + ":7482", Meta: p.meta, Seeds: []string{"10.0.0.1:7482", "10.0.0.2:7482"},
		Logger: slog.New(slog.NewTextHandler(p.log, nil)), Dial: w.network.Dialer(host), OnTopology: p.note,
	}
	for _, c := range change {
		c(&cfg)
	}
	p.meta = cfg.Meta
	transport, err := w.network.Transport(cfg.BindAddr)
	if err != nil {
		return nil, err
	}
	cfg.Transport = transport
	if listener, err := w.network.Listen(cfg.Meta.RemoteAddr); err == nil {
		go serve(listener)
	}
	if p.Cluster, err = cluster.Start(cfg); err != nil {
		w.network.Crash(host)
		return p, err
	}
	w.nodes[name+"/"+host] = p
	return p, nil
}

// serve accepts connections and holds them, saying nothing.
func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
}

// crash ends a process without a word.
func (w *world) crash(p *process) {
	w.network.Crash(p.host)
	if err := p.Close(); err != nil {
		w.t.Errorf("close %s: %v", p.name, err)
	}
	delete(w.nodes, p.name+"/"+p.host)
}

// startMany starts nodes n1 to n<n> at once.
func (w *world) startMany(n int) []*process {
	w.t.Helper()
	all := make([]*process, n)
	errs := make([]error, n)
	var starts sync.WaitGroup
	var mu sync.Mutex
	for i := range all {
		starts.Go(func() {
			one := &world{t: w.t, network: w.network, nodes: make(map[string]*process)}
			all[i], errs[i] = one.try(fmt.Sprintf("n%d", i+1), 1)
			mu.Lock()
			defer mu.Unlock()
			for key, p := range one.nodes {
				w.nodes[key] = p
			}
		})
	}
	starts.Wait()
	for i, err := range errs {
		if err != nil {
			w.t.Fatalf("start n%d: %v", i+1, err)
		}
	}
	return all
}

// within waits up to d, in virtual time, for a condition, and returns for how
// long it waited.
func (w *world) within(d time.Duration, what string, condition func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) >= d {
			for _, p := range w.nodes {
				w.t.Logf("%s sees %s", p.name, view(p.Topology()))
			}
			w.t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// all tells whether each of some nodes sees exactly the given view.
func all(nodes []*process, want string) bool {
	for _, p := range nodes {
		if view(p.Topology()) != want {
			return false
		}
	}
	return true
}

// view is a topology in short: "n1 n2:DEAD n3:DEAD,gone".
func view(t cluster.Topology) string {
	var words []string
	for _, m := range t.Members {
		word := m.Name
		if m.State != cluster.StateAlive {
			word += ":" + string(m.State)
		}
		if m.Gone {
			word += ",gone"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// names are those of nodes as view shows them when all are alive.
func names(nodes []*process) string {
	var list []string
	for _, p := range nodes {
		list = append(list, p.name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// hosts are those of nodes.
func hosts(nodes []*process) []string {
	var list []string
	for _, p := range nodes {
		list = append(list, p.host)
	}
	return list
}

// member returns what a node sees of another, the zero value when it sees none.
func (p *process) member(name string) cluster.Member {
	for _, m := range p.Topology().Members {
		if m.Name == name {
			return m
		}
	}
	return cluster.Member{}
}

// note keeps what was published.
func (p *process) note(t cluster.Topology) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = append(p.published, t)
}

// history returns what was published.
func (p *process) history() []cluster.Topology {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]cluster.Topology(nil), p.published...)
}

// failure returns the error that a node has failed with, or nil.
func (p *process) failure() error {
	select {
	case err := <-p.Failed():
		return err
	default:
		return nil
	}
}

// lines keeps a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count returns how many lines hold a text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
