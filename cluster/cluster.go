package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Cluster is this node's place among the others. Its methods may be called from
// any goroutine.
type Cluster struct {
	cfg Config
	// log logs until passing is shut.
	log     *slog.Logger
	passing *gate
	// id is this life's memberlist name, addr its gossip address.
	id, addr string
	seeds    []seed
	lives    *ledger
	gossip   *gossip
	witness  *witness
	list     *memberlist.Memberlist

	topology atomic.Pointer[Topology]
	failed   chan error

	// ctx ends with Leave or Close, and with it what publishing and wg count;
	// joins that are under way end with the transport.
	ctx            context.Context
	stop           context.CancelFunc
	publishing, wg sync.WaitGroup

	// ending lets Leave and Close happen one after the other.
	ending sync.Mutex
	// mu guards the flags, and lets updates happen one after the other.
	mu           sync.Mutex
	left, closed bool
}

// Start listens for gossip and tries once to join the seeds. It returns when the
// node is in, or after Config.JoinTimeout alone when no seed can be reached:
// joining then goes on in the background, as it does after every partition.
//
// It fails with *ForeignError or *UnintelligibleError when a seed is reached
// that does not belong together with this node, with *NameTakenError when
// another running node has its name, with ErrMetaTooLong, and with what is wrong
// with the configuration or the address.
func Start(cfg Config) (*Cluster, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	for _, addr := range cfg.Seeds {
		if err := checkSeed(addr); err != nil {
			return nil, fmt.Errorf("seed %q: %w", addr, err)
		}
	}
	c := build(cfg)
	if err := c.enter(); err != nil {
		c.abandon()
		return nil, err
	}
	c.publish()
	c.publishing.Go(c.keepPublishing)
	c.wg.Go(c.rejoin)
	return c, nil
}

func build(cfg Config) *Cluster {
	lives, passing := newLedger(), new(gate)
	logger := slog.New(gatedHandler{cfg.Logger.Handler(), passing})
	c := &Cluster{
		cfg: cfg, log: logger, passing: passing, id: newID(cfg.Name), lives: lives,
		gossip: &gossip{lives: lives, ours: cfg.Meta, log: logger, often: new(limiter)},
		failed: make(chan error, 1),
	}
	for _, addr := range cfg.Seeds {
		c.seeds = append(c.seeds, seed{configured: addr})
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.witness = newWitness(cfg.Dial, c.sameLife, lives.wake)
	return c
}

// enter listens, joins and looks whether the node belongs here. Until it does
// the others know it as one that is joining and does not count, so that a node
// with a name that is taken disturbs nobody.
func (c *Cluster) enter() error {
	if err := c.describe(c.cfg.Meta, true); err != nil {
		return err
	}
	if err := c.listen(); err != nil {
		return err
	}
	if err := c.firstJoin(); err != nil {
		return err
	}
	if err := c.nameTaken(); err != nil {
		return err
	}
	return c.announce(c.cfg.Meta)
}

func (c *Cluster) listen() error {
	conf, err := c.cfg.memberlist(c.ctx, c.id, c.gossip)
	if err != nil {
		return err
	}
	if conf.Transport == nil {
		own, err := newNetTransport(conf.BindAddr, conf.BindPort, conf.Logger)
		if err != nil {
			return err
		}
		conf.Transport = own
		if conf.BindPort == 0 {
			conf.BindPort = own.GetAutoBindPort()
		}
		if conf.AdvertisePort == 0 {
			conf.AdvertisePort = conf.BindPort
		}
	}
	if c.list, err = memberlist.Create(conf); err != nil {
		return errors.Join(fmt.Errorf("start gossip: %w", err), conf.Transport.Shutdown())
	}
	self := c.list.LocalNode()
	c.addr = net.JoinHostPort(self.Addr.String(), strconv.Itoa(int(self.Port)))
	return nil
}

// describe sets what gossip will carry.
func (c *Cluster) describe(meta Meta, joining bool) error {
	body, err := meta.encode(joining)
	if err != nil {
		return err
	}
	c.gossip.describe(body)
	return nil
}

// announce tells the others what the node says of itself. It does not wait until
// they know.
func (c *Cluster) announce(meta Meta) error {
	if err := c.describe(meta, false); err != nil {
		return err
	}
	// The error says that nobody has been told yet: gossip will.
	_ = c.list.UpdateNode(time.Nanosecond)
	return nil
}

// Update changes what the node says of itself. What all nodes have in common
// cannot change. It fails with ErrClosed after Leave or Close, and with
// ErrMetaTooLong; otherwise the others learn of it by gossip.
func (c *Cluster) Update(meta Meta) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.closed {
		return ErrClosed
	}
	if foreign := c.cfg.Meta.differs(meta, c.cfg.Name, c.addr); foreign != nil {
		return fmt.Errorf("the %s of a node cannot change from %s to %s", foreign.Field, foreign.Ours, foreign.Theirs)
	}
	return c.announce(meta)
}

// Topology returns the latest topology. The node itself is in it, unless Failed
// has an error.
func (c *Cluster) Topology() Topology { return *c.topology.Load() }

// Failed hands out at most one error, a *NameTakenError: another life of this
// node's name counts among the others. Whoever reads it must stop the node; its
// records are the other's.
func (c *Cluster) Failed() <-chan error { return c.failed }

// leaveTimeout bounds the farewell.
const leaveTimeout = 2 * time.Second

// Leave tells the others that the node goes in good order; topologies are no
// longer published. It returns when they know, at the deadline of ctx or after
// two seconds, with an error if they may not know, and does nothing when called
// again or after Close. Close has to follow.
func (c *Cluster) Leave(ctx context.Context) error {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.end(&c.left) {
		return nil
	}
	c.stop()
	c.publishing.Wait()
	deadline := time.Now().Add(leaveTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	told := c.farewell(ctx, time.Until(deadline)/2)
	patience := time.Until(deadline)
	switch {
	case ctx.Err() != nil:
		patience = 0
	case told:
		patience = min(patience, echo)
	}
	if err := c.list.Leave(max(patience, time.Millisecond)); err != nil && !told {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	return nil
}

// end sets a flag, after which no update begins, and tells whether it or that of
// a later end was set before.
func (c *Cluster) end(flag *bool) (already bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	already = *flag || c.closed
	*flag = true
	return already
}

// echo is how long gossip may still spread that the node leaves when all
// members know already.
const echo = 100 * time.Millisecond

// farewell tells each member directly, within a time, and whether all could be
// told. From gossip alone they cannot tell that the node has not died.
func (c *Cluster) farewell(ctx context.Context, within time.Duration) (told bool) {
	body, err := encodeLeaving(c.id)
	if err != nil {
		return false
	}
	others := c.lives.others(c.id)
	answers := make(chan error, len(others))
	for _, other := range others {
		node := &memberlist.Node{Name: other.id, Addr: other.ip, Port: other.port}
		c.wg.Go(func() { answers <- c.list.SendReliable(node, body) })
	}
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	told = true
	for range others {
		select {
		case err := <-answers:
			if err != nil {
				told = false
				c.log.DebugContext(ctx, "cannot say farewell", slog.String("error", err.Error()))
			}
		case <-ctx.Done():
			return false
		}
	}
	return told
}

// Close ends gossip at once and waits for what runs. Without Leave the others
// find out as they do of a death. It does nothing when called again.
func (c *Cluster) Close() error {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.end(&c.closed) {
		return nil
	}
	c.stop()
	err := c.list.Shutdown()
	c.wait()
	if err != nil {
		return fmt.Errorf("end gossip: %w", err)
	}
	return nil
}

// wait returns when all that was started has ended, and lets nothing be logged
// after it.
func (c *Cluster) wait() {
	c.publishing.Wait()
	c.wg.Wait()
	c.witness.wait()
	c.passing.shut()
}

// abandon ends what a failed Start has begun. Nobody counts this life yet, and a
// farewell only spares the others from probing it.
func (c *Cluster) abandon() {
	c.stop()
	if c.list != nil {
		_ = c.list.Leave(farewellOfFailed)
		_ = c.list.Shutdown()
	}
	c.wait()
}

// farewellOfFailed is how long a failed Start takes to say that it is gone.
const farewellOfFailed = 300 * time.Millisecond

// keepPublishing publishes topologies as they change.
func (c *Cluster) keepPublishing() {
	c.cfg.OnTopology(c.Topology())
	expiry := time.NewTicker(max(c.cfg.DeadRetention/10, time.Second))
	defer expiry.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-expiry.C:
		case <-c.lives.kick:
			rest(c.ctx, c.cfg.Debounce)
		}
		if c.ctx.Err() == nil && c.publish() {
			c.cfg.OnTopology(c.Topology())
		}
	}
}

// publish merges gossip and witness into a topology and tells whether it is
// another one than before.
func (c *Cluster) publish() bool {
	lives := c.lives.snapshot(c.cfg.DeadRetention)
	counted := current(lives)
	c.witness.watch(c.ctx, slices.DeleteFunc(slices.Clone(counted), func(l life) bool {
		return l.id == c.id || l.heard == heardLeft
	}))
	c.checkName(counted)
	now := members(lives, c.witness.sights())
	before := c.topology.Load()
	if before == nil {
		before = &Topology{}
	} else if slices.Equal(before.Members, now) {
		return false
	}
	c.topology.Store(&Topology{Version: before.Version + 1, Members: now})
	c.logChanges(before.Members, now)
	return true
}

// checkName fails this node when another life of its name counts.
func (c *Cluster) checkName(counted []life) {
	for _, l := range counted {
		if l.name == c.cfg.Name && l.id != c.id && l.heard == heardAlive {
			select {
			case c.failed <- &NameTakenError{Name: l.name, Addr: l.addr()}:
			default:
			}
		}
	}
}

// logChanges says which members are new or have changed, and which are absent.
func (c *Cluster) logChanges(before, now []Member) {
	known := make(map[string]Member)
	for _, m := range before {
		known[m.Name] = m
	}
	for _, m := range now {
		if old, ok := known[m.Name]; !ok || old.State != m.State || old.Gone != m.Gone || old.Incarnation != m.Incarnation {
			c.log.Info("member", slog.String("node", m.Name), slog.String("incarnation", m.Incarnation),
				slog.String("state", string(m.State)), slog.Bool("gone", m.Gone), slog.String("addr", m.GossipAddr))
		}
		delete(known, m.Name)
	}
	for name := range known {
		c.log.Info("member left", slog.String("node", name))
	}
}
