package clustertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Latency is how long a packet takes, and each half of a dial.
const Latency = time.Millisecond

// backlog is how many packets or connections wait at a port before more are
// lost or refused.
const backlog = 1024

// Network connects hosts, each known by its IP address. All of its methods may
// be called from any goroutine.
type Network struct {
	mu sync.Mutex
	// changed is closed and replaced when hosts are parted or connected.
	changed chan struct{}
	random  *rand.Rand
	ports   map[string]*port
	conns   map[*conn]bool
	// group is the side of a partition that a host is on, 0 by default.
	group  map[string]int
	paused map[string]bool
	loss   float64
	last   int
	// traffic is what packets and connections have carried, without headers.
	packets, bytes int64
}

// port is an address where somebody listens.
type port struct {
	incoming chan net.Conn
	closed   chan struct{}
	packet   func(from string, body []byte)
}

// NewNetwork returns an empty network whose chances follow from a seed.
func NewNetwork(seed uint64) *Network {
	return &Network{
		changed: make(chan struct{}),
		random:  rand.New(rand.NewPCG(seed, seed)),
		ports:   make(map[string]*port),
		conns:   make(map[*conn]bool),
		group:   make(map[string]int),
		paused:  make(map[string]bool),
	}
}

// Partition parts the given groups of hosts from each other; hosts in none of
// them are one more group. Connections across stand and carry nothing.
func (n *Network) Partition(groups ...[]string) {
	n.change(func() {
		clear(n.group)
		for i, hosts := range groups {
			for _, host := range hosts {
				n.group[host] = i + 1
			}
		}
	})
}

// Heal ends a partition.
func (n *Network) Heal() { n.change(func() { clear(n.group) }) }

// Pause takes hosts off the network; nothing reaches or leaves them until Resume.
func (n *Network) Pause(hosts ...string) {
	n.change(func() {
		for _, host := range hosts {
			n.paused[host] = true
		}
	})
}

// Resume brings paused hosts back.
func (n *Network) Resume(hosts ...string) {
	n.change(func() {
		for _, host := range hosts {
			delete(n.paused, host)
		}
	})
}

// Drop loses the given share of packets from now on: 0.1 loses a tenth.
func (n *Network) Drop(share float64) { n.change(func() { n.loss = share }) }

// Crash ends all processes of a host: its ports close, its connections break,
// and dialling it is refused. It says nothing to the programs themselves.
func (n *Network) Crash(host string) {
	n.mu.Lock()
	shut := maps.Clone(n.ports)
	maps.DeleteFunc(shut, func(addr string, _ *port) bool { return hostOf(addr) != host })
	n.mu.Unlock()
	for addr, p := range shut {
		n.shut(addr, p)
	}
	n.mu.Lock()
	broken := slices.Collect(maps.Keys(n.conns))
	n.mu.Unlock()
	for _, c := range broken {
		if c.host == host {
			c.abort()
		}
	}
}

// Traffic returns how many packets were sent so far, and how many bytes in
// packets and connections together.
func (n *Network) Traffic() (packets, bytes int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packets, n.bytes
}

func (n *Network) change(how func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	how()
	close(n.changed)
	n.changed = make(chan struct{})
}

// link tells whether two hosts reach each other, and returns a channel that is
// closed when that may have changed.
func (n *Network) link(from, to string) (up bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.linked(from, to), n.changed
}

func (n *Network) linked(from, to string) bool {
	return !n.paused[from] && !n.paused[to] && n.group[from] == n.group[to]
}

// open takes an address.
func (n *Network) open(addr string, packet func(string, []byte)) (*port, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ports[addr] != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, syscall.EADDRINUSE)
	}
	p := &port{incoming: make(chan net.Conn, backlog), closed: make(chan struct{}), packet: packet}
	n.ports[addr] = p
	return p, nil
}

// shut gives an address back and breaks the connections that nobody has
// accepted.
func (n *Network) shut(addr string, p *port) {
	n.mu.Lock()
	held := n.ports[addr] == p
	if held {
		close(p.closed)
		delete(n.ports, addr)
	}
	n.mu.Unlock()
	for held {
		select {
		case waiting := <-p.incoming:
			waiting.(*conn).abort()
		default:
			return
		}
	}
}

// send carries a packet, or loses it.
func (n *Network) send(from, to string, body []byte) {
	n.mu.Lock()
	n.packets++
	n.bytes += int64(len(body))
	arrives := n.linked(hostOf(from), hostOf(to)) && n.random.Float64() >= n.loss
	n.mu.Unlock()
	if !arrives {
		return
	}
	body = slices.Clone(body)
	time.AfterFunc(Latency, func() {
		n.mu.Lock()
		p := n.ports[to]
		n.mu.Unlock()
		if p != nil && p.packet != nil {
			p.packet(from, body)
		}
	})
}

// Dialer returns a function that connects from a host. A port where nobody
// listens refuses; a host that cannot be reached answers nothing until ctx ends.
func (n *Network) Dialer(host string) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		to := hostOf(addr)
		arrived := time.NewTimer(2 * Latency)
		defer arrived.Stop()
		select {
		case <-arrived.C:
		case <-ctx.Done():
			return nil, dialError(ctx)
		}
		for {
			up, changed := n.link(host, to)
			if up {
				return n.connect(host, addr)
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, dialError(ctx)
			}
		}
	}
}

// dialError is what the net package says when a dial ends with its context.
func dialError(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		err = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

func (n *Network) connect(host, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.ports[addr]
	if p == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	n.last++
	near, far := newPair(n, net.JoinHostPort(host, strconv.Itoa(1<<16+n.last)), addr)
	select {
	case p.incoming <- far:
	default:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	n.conns[near], n.conns[far] = true, true
	return near, nil
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		panic("clustertest: " + err.Error())
	}
	return host
}

// address implements net.Addr.
type address struct{ network, text string }

// Network implements net.Addr.
func (a address) Network() string { return a.network }

func (a address) String() string { return a.text }
