package actors_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"godwit/actors"
	"godwit/actors/actorstest"
	"godwit/endpoint"
	"godwit/transfer"
)

// town is a cluster in a bubble: nodes over one store, with messages that can be
// cut off and a topology that the test writes.
type town struct {
	*bubble
	mu      sync.Mutex
	systems map[string]*actors.System
	members map[string]*actors.Member
	// cut drops messages between two nodes.
	cut func(from, to string) bool
	// refused breaks the connection before a message is sent.
	refused func(to, kind string) bool
	// arrives is told of every message before it is served.
	arrives func(to, kind string)
	// calls counts the messages of each kind.
	calls   map[string]int
	version uint64
}

func inTown(t *testing.T, parts, nodes int, test func(c *town)) {
	t.Helper()
	inBubble(t, parts, func(b *bubble) {
		c := &town{bubble: b, systems: map[string]*actors.System{}, members: map[string]*actors.Member{}, calls: map[string]int{}}
		for i := range nodes {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		test(c)
	})
}

// neighbours are the messages that one node sends.
type neighbours struct {
	town *town
	name string
}

func (n neighbours) Call(ctx context.Context, to actors.Member, kind string, _ uint64, body []byte) ([]byte, error) {
	c := n.town
	c.mu.Lock()
	target, member := c.systems[to.Name], c.members[to.Name]
	c.calls[kind]++
	lost, arrives := c.cut != nil && c.cut(n.name, to.Name), c.arrives
	refused := c.refused != nil && c.refused(to.Name, kind)
	c.mu.Unlock()
	switch {
	case lost:
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case refused, target == nil || member.Incarnation != to.Incarnation:
		return nil, fmt.Errorf("node %s: %w", to.Name, actors.ErrNotCarriedOut)
	}
	if arrives != nil {
		arrives(to.Name, kind)
	}
	return target.Serve(ctx, n.name, kind, body)
}

// start starts a node, and tells all others.
func (c *town) start(name string) *actors.System {
	c.Helper()
	sys := c.launch(name)
	c.mu.Lock()
	c.systems[name] = sys
	c.mu.Unlock()
	c.tell()
	if err := sys.AwaitLoaded(c.Context()); err != nil {
		c.Fatal(err)
	}
	return sys
}

func (c *town) launch(name string) *actors.System {
	c.Helper()
	old := c.config
	c.config = func(cfg *actors.Config) {
		if old != nil {
			old(cfg)
		}
		cfg.Node, cfg.Peers, cfg.Incarnation = name, neighbours{c, name}, name+"/"+cfg.Incarnation
		cfg.Became = func(self actors.Self) { c.became(name, self) }
		cfg.HandoverGrace = 2 * time.Second
		cfg.Refuses = func(context.Context, string) bool { return false }
	}
	defer func() { c.config = old }()
	return c.node()
}

// became is what gossip would do with what a node says of itself.
func (c *town) became(name string, self actors.Self) {
	c.mu.Lock()
	m := &actors.Member{Name: name, Incarnation: self.Incarnation, Epoch: self.Epoch, State: actors.MemberAlive, RemoteAddr: name}
	if self.Role.Draining {
		m.State = actors.MemberDraining
	}
	m.Cordoned = self.Role.Cordoned
	c.members[name] = m
	c.mu.Unlock()
	c.tell()
}

// tell gives all nodes the topology as it is.
func (c *town) tell() { c.tellBut("") }

// tellBut leaves out one node.
func (c *town) tellBut(blind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	t := actors.Topology{Version: c.version}
	for _, m := range c.members {
		t.Members = append(t.Members, *m)
	}
	slices.SortFunc(t.Members, func(a, b actors.Member) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for name, sys := range c.systems {
		if name != blind {
			sys.SetTopology(t)
		}
	}
}

// kill ends a node as kill -9 does; others find its port closed if they have
// the proof, and miss it otherwise.
func (c *town) kill(name string, proof bool) {
	c.Helper()
	c.fall(name, proof)
	c.tell()
}

// fall is kill, but that nobody is told.
func (c *town) fall(name string, proof bool) {
	c.Helper()
	c.mu.Lock()
	sys := c.systems[name]
	delete(c.systems, name)
	c.members[name].State, c.members[name].Gone = actors.MemberDead, proof
	c.mu.Unlock()
	sys.Abandon()
}

// any is a node that runs, not always the same.
func (c *town) any(i int) *actors.System {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.systems {
		names = append(names, name)
	}
	slices.Sort(names)
	return c.systems[names[i%len(names)]]
}

// slow serves each connection one part a second.
func (c *town) slow() {
	c.source.Script = func(int, endpoint.Request) actorstest.Answer { return actorstest.Answer{Rate: partSize} }
}

func (c *town) createMany(n int, change ...func(*transfer.Spec)) []string {
	c.Helper()
	var ids []string
	for i := range n {
		id := fmt.Sprintf("t%03d", i)
		c.create(c.any(i), c.spec(id, change...), true)
		ids = append(ids, id)
	}
	return ids
}

func oneConnection(s *transfer.Spec) { s.Connections = 1 }

// owners counts transfers by the node that has them.
func (c *town) owners(ids []string) map[string]int {
	c.Helper()
	out := map[string]int{}
	for i, id := range ids {
		out[c.get(c.any(i), id).Node]++
	}
	return out
}

func TestClusterRunsWhatAnyNodeAccepts(t *testing.T) {
	inTown(t, 3, 3, func(c *town) {
		ids := c.createMany(60)
		for i, id := range ids {
			c.completed(c.any(i+1), id)
		}
		if owners := c.owners(ids); len(owners) != 3 {
			c.Errorf("owned by %v, want all three", owners)
		}
		for i := range 3 {
			page, err := c.any(i).List(c.Context(), actors.Query{Limit: 25})
			if err != nil || len(page.Transfers) != 25 || page.Next == nil {
				c.Fatalf("%d listed, %v", len(page.Transfers), err)
			}
			seen := len(page.Transfers)
			for page.Next != nil {
				if page, err = c.any(i+1).List(c.Context(), actors.Query{Limit: 25, After: *page.Next}); err != nil {
					c.Fatal(err)
				}
				seen += len(page.Transfers)
			}
			if seen != 60 {
				c.Errorf("%d listed in all pages, want 60", seen)
			}
		}
		if got := c.meter.count("received"); got != 60*3*partSize {
			c.Errorf("received %d bytes for %d", got, 60*3*partSize)
		}
	})
}

func TestClusterKilledOwner(t *testing.T) {
	inTown(t, 8, 3, func(c *town) {
		c.slow()
		ids := c.createMany(12, oneConnection)
		settle(4500 * time.Millisecond)
		mine := c.owners(ids)["n2"]
		before := time.Now()
		c.kill("n2", true)
		settle(time.Second)
		for i, id := range ids {
			if snap := c.want(c.any(i), id, transfer.PhaseRunning); snap.Node == "n2" {
				c.Errorf("%s is still shown on n2 after %v", id, time.Since(before))
			}
		}
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
		if got, most := c.meter.count("received"), (12*8+2*mine)*partSize; got > most {
			c.Errorf("received %d bytes, at most %d are explained by %d transfers of a killed node", got, most, mine)
		}
		if left := c.objects.Uploads(); len(left) > 0 {
			c.Errorf("left behind: %v", left)
		}
	})
}

// TestClusterLostSight has a node disappear without proof that it ended: its
// files wait for its lease, and objects in a store that refuses stale owners do
// not.
func TestClusterLostSight(t *testing.T) {
	for name, fenced := range map[string]bool{"file": false, "fenced store": true} {
		t.Run(name, func(t *testing.T) {
			inTown(t, 8, 0, func(c *town) {
				if fenced {
					c.objects = actorstest.NewObjects(s3Limits())
				}
				for i := range 3 {
					c.start(fmt.Sprintf("n%d", i+1))
				}
				c.slow()
				ids := c.createMany(12, oneConnection)
				settle(2500 * time.Millisecond)
				var lost []string
				for i, id := range ids {
					if c.get(c.any(i), id).Node == "n3" {
						lost = append(lost, id)
					}
				}
				c.kill("n3", false)
				settle(9 * time.Second)
				for i, id := range lost {
					snap := c.get(c.any(i), id)
					if taken := snap.Node != "n3"; taken != fenced {
						c.Errorf("%s is shown on %s after 9 s", id, snap.Node)
					}
				}
				settle(10 * time.Second)
				for i, id := range ids {
					if snap := c.completed(c.any(i), id); snap.Node == "n3" {
						c.Errorf("%s completed on a dead node", id)
					}
				}
			})
		})
	}
}

// TestClusterDrain drains a node under load: nobody notices, and nothing is
// fetched twice but the part in flight.
func TestClusterDrain(t *testing.T) {
	inTown(t, 8, 3, func(c *town) {
		c.slow()
		ids := c.createMany(12, oneConnection)
		settle(3500 * time.Millisecond)
		mine := c.owners(ids)["n1"]
		var calls sync.WaitGroup
		for i, id := range ids {
			calls.Go(func() {
				for range 50 {
					if _, err := c.any(i+1).Get(c.Context(), id); err != nil {
						c.Errorf("get during a drain: %v", err)
					}
					pass(20 * time.Millisecond)
				}
			})
		}
		began := time.Now()
		n, err := c.any(1).Drain(c.Context(), "n1")
		if err != nil || n.Shards != 0 || n.State != actors.MemberDraining {
			c.Fatalf("drained: %+v, %v", n, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			c.Errorf("the drain took %v", took)
		}
		calls.Wait()
		if owners := c.owners(ids); owners["n1"] != 0 {
			c.Errorf("owned by %v after a drain", owners)
		}
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
		if got, want := c.meter.count("received"), 12*8*partSize; got != want || mine == 0 {
			c.Errorf("received %d bytes for %d of 12 files, %d of them moved", got, want, mine)
		}
		if n, err := c.any(2).Cordon(c.Context(), "n1", false); err != nil {
			c.Fatalf("%+v, %v", n, err)
		}
		settle(2 * time.Second)
		nodes, err := c.any(0).Nodes(c.Context())
		if err != nil || nodes[0].Shards == 0 || nodes[0].State != actors.MemberAlive {
			c.Errorf("after uncordon: %+v, %v", nodes, err)
		}
	})
}

// TestClusterJoin adds a node under load: it takes its share, nothing is fetched
// twice, and meanwhile every call is answered.
func TestClusterJoin(t *testing.T) {
	inTown(t, 8, 2, func(c *town) {
		c.slow()
		ids := c.createMany(30, oneConnection)
		settle(3500 * time.Millisecond)
		var calls sync.WaitGroup
		for i, id := range ids {
			calls.Go(func() {
				for range 50 {
					if _, err := c.any(i).Get(c.Context(), id); err != nil {
						c.Errorf("get while a node joins: %v", err)
					}
					pass(20 * time.Millisecond)
				}
			})
		}
		calls.Go(func() {
			for range 20 {
				if page, err := c.any(0).List(c.Context(), actors.Query{Limit: 100}); err != nil || len(page.Transfers) != 30 {
					c.Errorf("list while a node joins: %d transfers, %v", len(page.Transfers), err)
				}
				pass(50 * time.Millisecond)
			}
		})
		c.start("n3")
		settle(time.Second)
		calls.Wait()
		moved := c.owners(ids)["n3"]
		if moved == 0 || moved > 20 {
			c.Errorf("%d of 30 transfers moved", moved)
		}
		nodes, err := c.any(0).Nodes(c.Context())
		total := 0
		for _, n := range nodes {
			total += n.Shards
			if n.Shards < 250 {
				c.Errorf("%s has %d shards", n.Name, n.Shards)
			}
		}
		if err != nil || total != actors.Shards {
			c.Errorf("%d shards in all, %v", total, err)
		}
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
		if got, want := c.meter.count("received"), 30*8*partSize; got != want {
			c.Errorf("received %d bytes for %d, %d transfers moved", got, want, moved)
		}
	})
}

// TestClusterJoinWithQueue moves transfers that wait for a slot: the node that
// gave them away keeps no slot for them.
func TestClusterJoinWithQueue(t *testing.T) {
	inTown(t, 4, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.Slots = 2 }
		c.start("n1")
		c.slow()
		ids := c.createMany(40, oneConnection)
		settle(2500 * time.Millisecond)
		c.start("n2")
		c.start("n3")
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}

// TestClusterRestart ends all nodes at once and starts them again, one of them
// never: what it had goes on once its lease has run out.
func TestClusterRestart(t *testing.T) {
	inTown(t, 8, 3, func(c *town) {
		c.slow()
		ids := c.createMany(12, oneConnection)
		settle(3500 * time.Millisecond)
		for _, name := range []string{"n1", "n2", "n3"} {
			c.kill(name, false)
		}
		c.mu.Lock()
		c.members = map[string]*actors.Member{}
		c.mu.Unlock()
		c.start("n2")
		c.start("n1")
		settle(25 * time.Second)
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}

// TestClusterWatchFollows watches from a node that runs nothing of it, while
// the transfer moves twice.
func TestClusterWatchFollows(t *testing.T) {
	inTown(t, 20, 3, func(c *town) {
		c.slow()
		c.create(c.any(0), c.spec("w", oneConnection), true)
		settle(2 * time.Second)
		first := c.get(c.any(0), "w").Node
		var at *actors.System
		for _, name := range []string{"n1", "n2", "n3"} {
			if name != first {
				at = c.systems[name]
			}
		}
		watch := at.Watch(c.Context(), []string{"w"})
		defer watch.Close()
		nodes, killed := []string{}, false
		var last actors.Snapshot
		for {
			snap, err := watch.Next(c.Context())
			if err != nil {
				break
			}
			if snap.Epoch < last.Epoch || snap.Epoch == last.Epoch && snap.OnWire < last.OnWire {
				c.Errorf("epoch %d with %d bytes comes after epoch %d with %d", snap.Epoch, snap.OnWire, last.Epoch, last.OnWire)
			}
			last = snap
			if !slices.Contains(nodes, snap.Node) {
				nodes = append(nodes, snap.Node)
			}
			if !killed && snap.State.Done() > 3*partSize {
				killed = true
				c.kill(first, true)
			}
			if snap.State.Phase.Terminal() && snap.State.Phase != transfer.PhaseCompleted {
				c.Fatalf("ended %s: %v", snap.State.Phase, snap.State.Err)
			}
		}
		if len(nodes) != 2 {
			c.Errorf("seen on %v", nodes)
		}
		c.checkResult("w")
	})
}

// TestClusterCommandsAnywhere gives commands to a node that does not own the
// transfer, on condition and without.
func TestClusterCommandsAnywhere(t *testing.T) {
	inTown(t, 8, 3, func(c *town) {
		c.slow()
		ids := c.createMany(6, oneConnection)
		settle(2 * time.Second)
		for i, id := range ids {
			snap := c.command(c.any(i), id, transfer.Pause{})
			if snap.State.Phase != transfer.PhasePaused {
				c.Fatalf("%s is %s", id, snap.State.Phase)
			}
			_, err := c.any(i+1).Command(c.Context(), id, transfer.Resume{}, `"0-0"`)
			c.code(err, transfer.CodeStale)
			source := "https://mirror.example/x?token=secret"
			headers := []transfer.Header{{Name: "X-Key", Value: "v"}}
			c.command(c.any(i+1), id, transfer.Update{Source: &source, Headers: &headers})
			if got, err := c.any(i+2).Command(c.Context(), id, transfer.Resume{}, c.get(c.any(i), id).ETag); err != nil {
				c.Fatalf("%v %v", got, err)
			}
			_, reasons, err := c.any(i+2).Explain(c.Context(), id)
			if err != nil || len(reasons) == 0 {
				c.Errorf("explained as %v, %v", reasons, err)
			}
		}
		_, err := c.any(0).Get(c.Context(), "nobody")
		c.code(err, transfer.CodeNotFound)
		_, _, err = c.any(1).Create(c.Context(), c.spec("t000", func(s *transfer.Spec) { s.Retries = 7 }), true)
		if !errors.Is(err, &transfer.Error{Code: transfer.CodeIDConflict}) && !errors.Is(err, &transfer.Error{Code: transfer.CodeDestExists}) {
			c.Errorf("another transfer under one id: %v", err)
		}
	})
}

// TestClusterWithoutAnybody drains all nodes: what they had is still shown, with
// the reason why it does not run, and goes on when one may work again.
func TestClusterWithoutAnybody(t *testing.T) {
	inTown(t, 8, 2, func(c *town) {
		c.slow()
		c.create(c.any(0), c.spec("a", oneConnection), true)
		settle(2 * time.Second)
		for _, name := range []string{"n1", "n2"} {
			if _, err := c.any(0).Cordon(c.Context(), name, true); err != nil {
				c.Fatal(err)
			}
		}
		settle(2 * time.Second)
		c.want(c.any(0), "a", transfer.PhaseQueued)
		_, reasons, err := c.any(1).Explain(c.Context(), "a")
		if err != nil || !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, "cordoned") }) {
			c.Errorf("explained as %v, %v", reasons, err)
		}
		if _, err := c.any(0).Cordon(c.Context(), "n2", false); err != nil {
			c.Fatal(err)
		}
		c.completed(c.any(0), "a")
	})
}

// TestClusterHostLimit has three nodes fetch from one host: together they open
// no more connections than it takes.
func TestClusterHostLimit(t *testing.T) {
	inTown(t, 8, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.HostConnections, cfg.Slots = 6, 32 }
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.slow()
		ids := c.createMany(40)
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
		if _, most := c.source.Active(); most > 6 {
			c.Errorf("%d connections at a time to a host that takes 6", most)
		}
	})
}

// TestClusterHostLimitOfTheDead kills a node that had all connections to a host:
// what it ran needs not wait for its leases.
func TestClusterHostLimitOfTheDead(t *testing.T) {
	inTown(t, 8, 0, func(c *town) {
		c.config = func(cfg *actors.Config) { cfg.HostConnections, cfg.Slots = 4, 32 }
		for i := range 3 {
			c.start(fmt.Sprintf("n%d", i+1))
		}
		c.slow()
		ids := c.createMany(12, oneConnection)
		settle(3 * time.Second)
		running := map[string]int{}
		for i, id := range ids {
			if snap := c.get(c.any(i), id); snap.State.Phase == transfer.PhaseRunning {
				running[snap.Node]++
			}
		}
		busiest := slices.MaxFunc(slices.Collect(maps.Keys(running)), func(a, b string) int { return running[a] - running[b] })
		c.kill(busiest, true)
		settle(time.Second)
		now := 0
		for i, id := range ids {
			if c.get(c.any(i), id).State.Phase == transfer.PhaseRunning {
				now++
			}
		}
		if now < 3 {
			c.Errorf("%d run a second after the death of %s, which ran %d of 4", now, busiest, running[busiest])
		}
		for i, id := range ids {
			c.completed(c.any(i), id)
		}
	})
}

// TestClusterRetryAfter has a host ask one node to leave it alone: the others do
// so too, those that did not use it before as well.
func TestClusterRetryAfter(t *testing.T) {
	inTown(t, 4, 3, func(c *town) {
		var refused atomic.Int32
		c.source.Script = func(int, endpoint.Request) actorstest.Answer {
			if refused.Add(1) == 1 {
				return actorstest.Answer{Err: &transfer.Error{Code: transfer.CodeStatusRetry, Status: 429, RetryAfter: 30 * time.Second}}
			}
			return actorstest.Answer{}
		}
		settle(5 * time.Second)
		c.create(c.any(0), c.spec("first", oneConnection), true)
		settle(2 * time.Second)
		ids := c.createMany(12, oneConnection)
		settle(25 * time.Second)
		if n := len(c.source.Requests()); n != 1 {
			c.Errorf("%d requests to a host that wants to be left alone", n)
		}
		for i, id := range append(ids, "first") {
			c.completed(c.any(i), id)
		}
	})
}
