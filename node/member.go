package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"

	"godwit/actors"
	"godwit/cluster"
	"godwit/node/mesh"
)

const (
	// holdTime is how long a node that comes back after a crash is given
	// nothing: one that goes up and down must not move its shards each time.
	holdTime = 5 * time.Second
	// established is how much older than us a member must be for the cluster to
	// have gone on without us.
	established = 10 * time.Second
	// refusedTwice is the pause before a port is tried again that refused.
	refusedTwice = 50 * time.Millisecond
	// dialTimeout bounds one look at a port.
	dialTimeout = time.Second
)

// member is a node's place in its cluster: it tells gossip and messages who the
// node is, and the actors who is there.
type member struct {
	node   *Node
	mesh   *mesh.Mesh
	gossip *cluster.Cluster
	system atomic.Pointer[actors.System]

	mu   sync.Mutex
	self actors.Self
	// admitted: the node holds its lease and can be given work. held: it has come
	// back and is given nothing yet; leaving: it is about to end.
	admitted, held, leaving bool
	// holding is the incarnation whose hold has begun.
	holding string
	known   map[string]actors.Member

	// topology is the latest, for a system that starts after it came.
	topology *actors.Topology

	clusterID string
	announce  chan struct{}
	done      chan struct{}
	ending    sync.Once
	loops     sync.WaitGroup
}

var _ actors.Peers = (*member)(nil)

// openMember begins to listen for other nodes. It returns nil for a node that
// has none: that of a person at a terminal, and one that was told nothing of a
// cluster while others have the usual ports.
func (n *Node) openMember(incarnation string) (*member, error) {
	if n.role.foreground {
		return nil, nil
	}
	m := &member{node: n, known: map[string]actors.Member{}, announce: make(chan struct{}, 1), done: make(chan struct{})}
	config, err := n.cert.peerConfig()
	if err != nil {
		return nil, err
	}
	m.mesh, err = mesh.Start(mesh.Config{
		Name: n.cfg.Name, Incarnation: incarnation, BindAddr: n.cfg.RemoteAddr,
		AdvertiseAddr: n.cfg.advertised(n.cfg.RemoteAddr), TLS: config, Logger: n.cfg.Logger,
		Handler: m.handle,
	})
	switch {
	case err == nil:
		return m, nil
	case n.cfg.alone() && errors.Is(err, syscall.EADDRINUSE):
		n.cfg.Logger.Warn("other nodes cannot join this one: its port is taken", slog.String("remote_addr", n.cfg.RemoteAddr))
		return nil, nil
	}
	return nil, &ConfigError{Key: "remote-addr", Message: "cannot be used", Err: err}
}

// handle answers other nodes.
func (m *member) handle(ctx context.Context, req mesh.Request) ([]byte, error) {
	if req.Kind == kindHello {
		return m.node.onHello(req.Body)
	}
	if system := m.system.Load(); system != nil {
		return system.Serve(ctx, req.From, req.Kind, req.Body)
	}
	return actors.ServeBefore(req.Kind)
}

// Call implements [actors.Peers].
func (m *member) Call(ctx context.Context, to actors.Member, kind string, version uint64, body []byte) ([]byte, error) {
	answer, err := m.mesh.Call(ctx, mesh.Peer{Name: to.Name, Incarnation: to.Incarnation, Addr: to.RemoteAddr}, kind, version, body)
	for _, harmless := range []error{mesh.ErrStale, mesh.ErrWrongIncarnation, mesh.ErrBusy, mesh.ErrTooLarge, mesh.ErrInvalid} {
		if errors.Is(err, harmless) {
			return nil, fmt.Errorf("%w: %w", actors.ErrNotCarriedOut, err)
		}
	}
	return answer, err
}

// became takes in who the node is now. It does not wait.
func (m *member) became(self actors.Self) {
	m.mu.Lock()
	m.self = self
	m.held = self.CameBack
	m.mu.Unlock()
	m.mesh.SetIncarnation(self.Incarnation)
	m.node.readiness.drain(self.Role.Draining)
	m.tell()
}

// tell has others told, soon.
func (m *member) tell() {
	select {
	case m.announce <- struct{}{}:
	default:
	}
}

// meta is what the node says of itself.
func (m *member) meta() cluster.Meta {
	m.mu.Lock()
	defer m.mu.Unlock()
	cfg := &m.node.cfg
	return cluster.Meta{
		Incarnation: m.self.Incarnation, Epoch: m.self.Epoch, Version: cfg.Version, Weight: 1,
		APIAddr: cfg.advertised(m.node.Addr()), RemoteAddr: m.mesh.Addr(),
		Draining: m.self.Role.Draining || m.leaving, Cordoned: m.self.Role.Cordoned, Held: m.held || !m.admitted,
		ClusterID: m.clusterID, Shards: actors.Shards, RecordFormat: actors.RecordFormat,
	}
}

// join joins the cluster and makes sure that the node belongs to it. It has no
// lease yet: what is refused here has disturbed nobody.
func (m *member) join(ctx context.Context, clusterID string, self actors.Self) error {
	m.clusterID, m.self = clusterID, self
	cfg := &m.node.cfg
	var err error
	m.gossip, err = cluster.Start(cluster.Config{
		Name: cfg.Name, BindAddr: cfg.GossipAddr, AdvertiseAddr: cfg.advertised(cfg.GossipAddr), Seeds: cfg.Join,
		Key: m.node.gossipKey, Meta: m.meta(), Logger: cfg.Logger.With(slog.String("component", "cluster")),
		OnTopology: m.onTopology, ProbeInterval: cfg.GossipProbeInterval, ProbeTimeout: cfg.GossipProbeTimeout, SuspicionMult: cfg.GossipSuspicion,
	})
	switch {
	case err == nil:
		m.loops.Go(m.keepAnnouncing)
		return m.greet(ctx)
	case cfg.alone() && errors.Is(err, syscall.EADDRINUSE):
		cfg.Logger.WarnContext(ctx, "other nodes cannot join this one: its port is taken", slog.String("gossip_addr", cfg.GossipAddr))
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return &ConfigError{Key: "gossip-addr", Message: "cannot be used", Err: err}
	}
	return fmt.Errorf("join the cluster: %w", err)
}

// admit gives the system its topology, and lets the node be given work.
func (m *member) admit(system *actors.System) {
	if m.gossip == nil {
		m.system.Store(system)
		system.SetAlone()
		return
	}
	m.mu.Lock()
	m.admitted = true
	m.system.Store(system)
	if m.topology != nil {
		system.SetTopology(*m.topology)
	} // otherwise the first one is about to come
	m.mu.Unlock()
	m.tell()
}

// keepAnnouncing tells others whenever the node is somebody else.
func (m *member) keepAnnouncing() {
	for {
		select {
		case <-m.done:
			return
		case <-m.announce:
		}
		if err := m.gossip.Update(m.meta()); err != nil && !errors.Is(err, cluster.ErrClosed) {
			m.node.cfg.Logger.Error("the others were not told of a change", slog.Any("error", err))
		}
		m.hold()
	}
}

// hold ends the hold of this incarnation after a while, or at once where nobody
// has done the node's work meanwhile.
func (m *member) hold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	incarnation := m.self.Incarnation
	switch {
	case !m.held || m.holding == incarnation:
	case m.missed():
		m.holding = incarnation
		time.AfterFunc(holdTime, func() { m.release(incarnation) })
	default:
		m.held = false
		m.tell()
	}
}

// release ends the hold of an incarnation, if the node still is that one.
func (m *member) release(incarnation string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.self.Incarnation == incarnation {
		m.held = false
		m.tell()
	}
}

// missed tells whether the cluster has gone on without this node.
func (m *member) missed() bool {
	ours, err := ulid.Parse(m.self.Incarnation)
	if err != nil {
		return false
	}
	for _, other := range m.gossip.Topology().Members {
		theirs, err := ulid.Parse(other.Incarnation)
		if err == nil && other.Name != m.node.cfg.Name && other.State != cluster.StateDead &&
			theirs.Timestamp().Add(established).Before(ours.Timestamp()) {
			return true
		}
	}
	return false
}

// onTopology hands a topology on, and ends what is left of messages to members
// that are gone.
func (m *member) onTopology(t cluster.Topology) {
	out := actors.Topology{Version: t.Version}
	counts := map[cluster.State]int{cluster.StateAlive: 0, cluster.StateDraining: 0, cluster.StateSuspect: 0, cluster.StateDead: 0}
	now := map[string]actors.Member{}
	for _, theirs := range t.Members {
		counts[theirs.State]++
		one := actors.Member{
			Name: theirs.Name, Incarnation: theirs.Incarnation, Epoch: theirs.Epoch,
			APIAddr: theirs.APIAddr, RemoteAddr: theirs.RemoteAddr, GossipAddr: theirs.GossipAddr,
			Version: theirs.Version, State: actors.MemberState(theirs.State), Draining: theirs.Draining,
			Cordoned: theirs.Cordoned, Held: theirs.Held, Weight: theirs.Weight, Gone: theirs.Gone,
		}
		out.Members = append(out.Members, one)
		now[one.Name] = one
	}
	for name, before := range m.known {
		if after, ok := now[name]; !ok || after.Incarnation != before.Incarnation || after.State == actors.MemberDead {
			m.mesh.Forget(before.RemoteAddr)
		}
	}
	m.known = now
	for state, n := range counts {
		m.node.metrics.members.WithLabelValues(string(state)).Set(float64(n))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.topology = &out
	if system := m.system.Load(); system != nil {
		system.SetTopology(out)
	}
}

// leave tells the others that the node gives away what it has.
func (m *member) leave() {
	m.mu.Lock()
	m.leaving = true
	m.mu.Unlock()
	m.tell()
}

// close leaves the cluster for good.
func (m *member) close(ctx context.Context) error {
	var err error
	m.ending.Do(func() {
		close(m.done)
		m.loops.Wait()
		if m.gossip != nil {
			err = errors.Join(m.gossip.Leave(ctx), m.gossip.Close())
		}
		m.mesh.Close()
	})
	return err
}

// failed delivers why the node must end, if gossip knows.
func (m *member) failed() <-chan error {
	if m == nil || m.gossip == nil {
		return nil
	}
	return m.gossip.Failed()
}

// refuses tells whether a port refuses connections, twice: the proof that no
// process listens there any more. No answer proves nothing.
func refuses(ctx context.Context, addr string) bool {
	for try := range 2 {
		if try > 0 {
			timer := time.NewTimer(refusedTwice)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return false
			}
		}
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return true
}

// advertised is a listener's address as others reach it.
func (c *Config) advertised(addr string) string {
	if c.Advertise == "" {
		return addr
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(c.Advertise, port)
}

// alone tells that the node was told nothing of a cluster.
func (c *Config) alone() bool {
	return len(c.Join) == 0 && c.Advertise == "" &&
		cmp.Or(c.RemoteAddr, DefaultRemoteAddr) == DefaultRemoteAddr &&
		cmp.Or(c.GossipAddr, DefaultGossipAddr) == DefaultGossipAddr
}
