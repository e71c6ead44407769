package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
)

// The defaults of Config.
const (
	DefaultLabel            = "godwit"
	DefaultProbeInterval    = 500 * time.Millisecond
	DefaultProbeTimeout     = 250 * time.Millisecond
	DefaultSuspicionMult    = 4
	DefaultGossipInterval   = 100 * time.Millisecond
	DefaultPushPullInterval = 10 * time.Second
	DefaultRejoinInterval   = 3 * time.Second
	DefaultJoinTimeout      = 3 * time.Second
	DefaultDebounce         = 50 * time.Millisecond
	DefaultDeadRetention    = 10 * time.Minute
)

// Config is what Start needs to know. Only Name, BindAddr and Meta are
// required.
type Config struct {
	// Name is stable and unlike those of others: letters, digits, dots, dashes.
	Name string
	// BindAddr is host:port to listen on, for UDP and TCP; port 0 takes a free
	// one. AdvertiseAddr is host:port as others reach it, by default the same; it
	// is required where BindAddr is [::].
	BindAddr, AdvertiseAddr string
	// Seeds are host:port of any nodes of the cluster; this node may be among
	// them. A host name stands for all its addresses.
	Seeds []string
	// Key encrypts gossip: 32 bytes, or none.
	Key []byte
	// Label marks gossip of this kind of cluster, DefaultLabel when empty.
	Label string
	// Meta is what the node says of itself at first.
	Meta Meta
	// Logger may be nil.
	Logger *slog.Logger
	// OnTopology, when set, is called with the first topology and after each
	// change, always from the same goroutine, the first time perhaps before Start
	// has returned. While it runs, changes are put together. Leave and Close wait
	// for it, so it must not call them.
	OnTopology func(Topology)

	// A member is probed every ProbeInterval; one that does not answer within it,
	// ProbeTimeout for UDP, is suspected, and given up after SuspicionMult probe
	// intervals, more in a cluster of more than ten.
	ProbeInterval, ProbeTimeout time.Duration
	SuspicionMult               int
	// News is passed on every GossipInterval; everything is compared with one
	// other member every PushPullInterval.
	GossipInterval, PushPullInterval time.Duration
	// RejoinInterval is how often, on average, seeds and remembered peers that
	// are not alive are joined.
	RejoinInterval time.Duration
	// JoinTimeout bounds the attempt to join that Start makes.
	JoinTimeout time.Duration
	// Debounce is how long changes are collected before they are published.
	Debounce time.Duration
	// DeadRetention is how long a dead member stays in topologies.
	DeadRetention time.Duration

	// Transport replaces UDP and TCP, Dial the connections of the witness.
	Transport memberlist.Transport
	Dial      func(ctx context.Context, addr string) (net.Conn, error)
}

// withDefaults checks a configuration and fills in what it leaves open.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" || strings.ContainsAny(c.Name, idMark+"/ ") {
		return c, fmt.Errorf("%q cannot be the name of a node", c.Name)
	}
	if len(c.Key) != 0 && len(c.Key) != 32 {
		return c, fmt.Errorf("a gossip key has 32 bytes, not %d", len(c.Key))
	}
	if len(c.Label) > memberlist.LabelMaxSize {
		return c, fmt.Errorf("a gossip label has at most %d bytes, not %d", memberlist.LabelMaxSize, len(c.Label))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnTopology == nil {
		c.OnTopology = func(Topology) {}
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	c.Label = cmp.Or(c.Label, DefaultLabel)
	c.ProbeInterval = cmp.Or(c.ProbeInterval, DefaultProbeInterval)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, DefaultProbeTimeout)
	c.SuspicionMult = cmp.Or(c.SuspicionMult, DefaultSuspicionMult)
	c.GossipInterval = cmp.Or(c.GossipInterval, DefaultGossipInterval)
	c.PushPullInterval = cmp.Or(c.PushPullInterval, DefaultPushPullInterval)
	c.RejoinInterval = cmp.Or(c.RejoinInterval, DefaultRejoinInterval)
	c.JoinTimeout = cmp.Or(c.JoinTimeout, DefaultJoinTimeout)
	c.Debounce = cmp.Or(c.Debounce, DefaultDebounce)
	c.DeadRetention = cmp.Or(c.DeadRetention, DefaultDeadRetention)
	return c, nil
}

// streamTimeout bounds dialling, and then reading and writing, when everything
// is compared with another member.
const streamTimeout = 2 * time.Second

// memberlist translates a checked configuration for a life called id.
func (c Config) memberlist(ctx context.Context, id string, g *gossip) (*memberlist.Config, error) {
	out := memberlist.DefaultLANConfig()
	out.Name = id
	var err error
	if out.BindAddr, out.BindPort, err = splitAddr(ctx, c.BindAddr); err != nil {
		return nil, fmt.Errorf("gossip address: %w", err)
	}
	out.AdvertisePort = out.BindPort
	if c.AdvertiseAddr != "" {
		if out.AdvertiseAddr, out.AdvertisePort, err = splitAddr(ctx, c.AdvertiseAddr); err != nil {
			return nil, fmt.Errorf("advertised gossip address: %w", err)
		}
	} else if out.BindAddr == "::" && c.Transport == nil {
		return nil, errors.New("gossip address: listening on [::] needs an address to advertise")
	}
	out.Label, out.SecretKey = c.Label, c.Key
	out.ProbeInterval, out.ProbeTimeout = c.ProbeInterval, c.ProbeTimeout
	out.SuspicionMult, out.SuspicionMaxTimeoutMult = c.SuspicionMult, suspicionMaxMult
	out.GossipInterval, out.PushPullInterval = c.GossipInterval, c.PushPullInterval
	out.TCPTimeout, out.AwarenessMaxMultiplier = streamTimeout, 4
	out.RetransmitMult = retransmitMult
	// Packets hold a few hundred bytes, and compressing each costs more than all
	// else does.
	out.EnableCompression = false
	out.Delegate, out.Events, out.Merge, out.Alive = g, g, g, g
	out.Logger = log.New(&logWriter{log: g.log, often: g.often}, "", 0)
	out.Transport = c.Transport
	return out, nil
}

// retransmitMult is how often each node passes news on, times the logarithm of
// the number of nodes. memberlist's default of 4 leaves out one of five nodes
// in every few dozen changes, until everything is compared; this costs nothing
// while there is no news.
const retransmitMult = 10

// suspicionMaxMult is by how much a suspicion that nobody else confirms is
// longer than one that others do. More would let a death that few see go
// unnoticed for longer than a lease lasts.
const suspicionMaxMult = 3

// splitAddr returns IP and port of host:port; a host name is looked up, IPv4
// first, and an empty one stands for all addresses.
func splitAddr(ctx context.Context, addr string) (ip string, port int, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no port number", service)
	}
	if host == "" {
		return "0.0.0.0", int(number), nil
	}
	if net.ParseIP(host) != nil {
		return host, int(number), nil
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", 0, err
	}
	for _, ip := range ips {
		if net.ParseIP(ip).To4() != nil {
			return ip, int(number), nil
		}
	}
	return ips[0], int(number), nil
}

// newID returns the memberlist name of a new life. Ten characters of base 32
// hold 50 random bits.
func newID(name string) string {
	return name + idMark + strings.ToLower(rand.Text()[:10])
}
