package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	pb "godwit/protos/godwit/v1"
)

const (
	// shards is how many shards a cluster has.
	shards = 1024
	// probes is how many transfers tell which shards a node owns: enough to meet
	// most of them.
	probes = 3 * shards
	// fillers is how many transfers are created at the same time.
	fillers = 32
	// spots is how many queued transfers are looked at one by one.
	spots = 50
)

const (
	// hostConnections is how many transfers of one host a node runs at most.
	hostConnections = 32
	// scaleSize is the size of what runs, in bytes. At scaleRate it takes a
	// quarter of an hour.
	scaleSize = 16 * mib
	scaleRate = 16 << 10
)

// scaleContents are slow origins for what runs, and as the last one an origin
// for what is queued. It does not answer: should a queued transfer get a slot
// that is free, it neither ends nor takes room on the disk.
func scaleContents(p Params) []Content {
	var all []Content
	for range (p.Running + hostConnections/2 - 1) / (hostConnections / 2) {
		all = append(all, Content{Size: scaleSize, Rate: scaleRate})
	}
	return append(all, Content{Size: 1000, Latency: time.Hour})
}

// scaleArgs lets each node run as many as the dying one does, and besides as
// many of the queued ones as it runs from one host.
func scaleArgs(p Params) []string {
	return []string{"--slots", fmt.Sprint(p.Running + hostConnections)}
}

// runScale gives one node many queued transfers and a few running ones, and
// kills it. It measures how long it takes until the running ones run elsewhere,
// until all have a new owner, and what that costs in memory.
func runScale(ctx context.Context, c *Cluster, p Params) (Report, error) {
	r := Report{Scenario: fmt.Sprintf("scale, %d nodes, store %s", c.opts.Nodes, c.opts.Store.Name), Seed: c.opts.Seed, Faults: 1}
	began := time.Now()
	p.Connections = 1
	n := c.Nodes()[0]
	ran, queued, err := c.load(ctx, n, p)
	if err != nil {
		return r, err
	}
	r.Transfers = len(ran) + len(queued)
	r.memory("before", c.Live())
	v := Victim{Node: n, Ran: ran, Owned: ran}
	c.Logf("kill %s, which holds %d running and %d queued transfers, after %.0f s", n.Name, len(ran), len(queued), time.Since(began).Seconds())
	m, err := c.Strike(v, func() error { n.Kill(); return nil })
	if err != nil {
		return r, err
	}
	var moved takeovers
	var following sync.WaitGroup
	following.Go(func() { moved.add(&r, n.Name, c.Follow(ctx, v, m)) })
	owned, err := c.awaitHeld(ctx, m, len(ran)+len(queued))
	following.Wait()
	moved.measure(&r, "takeover of what ran, from kill")
	if err != nil {
		r.Violate("%v", err)
	} else {
		r.Note("all %d transfers had a new owner %.1f s after the kill", r.Transfers, owned.Seconds())
		c.checkSpots(ctx, &r, n, queued)
	}
	r.memory("after", c.Live())
	c.JudgeHistory(&r)
	c.judgeLogs(&r)
	r.Took = time.Since(began)
	return r, ctx.Err()
}

// load fills a node with transfers of its own shards and returns those that run
// and the ids of the others.
func (c *Cluster) load(ctx context.Context, n *Node, p Params) (ran []*pb.Transfer, queued []string, err error) {
	own, err := c.shardsOf(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]string, 0, p.Running+p.Queued)
	for i := 0; len(ids) < cap(ids); i++ {
		if id := fmt.Sprintf("q%07d", i); own[shardOf(id)] {
			ids = append(ids, id)
		}
	}
	running, queued := ids[:p.Running], ids[p.Running:]
	last := len(c.opts.Origins) - 1
	if err := c.createAt(ctx, n, running, p, c.opts.Origins[:last], nil); err != nil {
		return nil, nil, err
	}
	for _, id := range running {
		t, err := c.awaitRunning(ctx, n, id)
		if err != nil {
			return nil, nil, err
		}
		ran = append(ran, t)
	}
	c.Logf("%s runs %d transfers, %d more are created", n.Name, len(ran), len(queued))
	return ran, queued, c.createAt(ctx, n, queued, p, c.opts.Origins[last:], nil)
}

// awaitRunning waits until a transfer has received something.
func (c *Cluster) awaitRunning(ctx context.Context, n *Node, id string) (*pb.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for {
		t, err := n.Get(ctx, id)
		if err == nil && t.GetStatus() == pb.Transfer_RUNNING && t.GetProgress().GetBytesInFlight() > 0 {
			return t, nil
		}
		if waited := idle(ctx, glance); waited != nil {
			return nil, fmt.Errorf("%s does not run, it is %v (%w): %w", id, t.GetStatus(), waited, err)
		}
	}
}

func shardOf(id string) int { return int(xxhash.Sum64String(id) % shards) }

// shardsOf learns from the owners of idle transfers which shards a node owns.
func (c *Cluster) shardsOf(ctx context.Context, n *Node) (map[int]bool, error) {
	ids := make([]string, probes)
	for i := range ids {
		ids[i] = fmt.Sprintf("p%05d", i)
	}
	own := map[int]bool{}
	var mu sync.Mutex // guards own
	err := c.createAt(ctx, n, ids, Params{}, nil, func(t *pb.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		if t.GetOwner().GetNode() == n.Name {
			own[shardOf(t.GetId())] = true
		}
	})
	if err == nil && len(own) == 0 {
		err = errors.New("none of its shards was found")
	}
	if err != nil {
		return nil, fmt.Errorf("shards of %s: %w", n.Name, err)
	}
	c.Logf("%s owns %d shards", n.Name, len(own))
	return own, nil
}

// createAt creates transfers at one node, from origins in turn. Without origins
// they are only created, and stay idle.
func (c *Cluster) createAt(ctx context.Context, n *Node, ids []string, p Params, origins []Origin, made func(*pb.Transfer)) error {
	from := origins
	if len(from) == 0 {
		from = c.opts.Origins
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fillers)
	for i, id := range ids {
		g.Go(func() error {
			j := &Job{ID: id, Origin: from[i%len(from)]}
			t, err := n.Create(ctx, c.request(j, p), len(origins) > 0)
			if err != nil {
				return fmt.Errorf("create %s: %w", id, err)
			}
			c.accept(j)
			if made != nil {
				made(t)
			}
			return nil
		})
	}
	return g.Wait()
}

// awaitHeld waits until the living nodes hold so many transfers.
func (c *Cluster) awaitHeld(ctx context.Context, m Moment, want int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for {
		members, err := c.Members(ctx)
		held := 0
		for _, n := range c.Live() {
			held += members[n.Name].Transfers.Queued + members[n.Name].Transfers.Running
		}
		if err == nil && held >= want {
			return time.Since(m.Began), nil
		}
		if waited := idle(ctx, 5*glance); waited != nil {
			return 0, fmt.Errorf("the living nodes hold %d transfers of %d (%w): %w", held, want, waited, err)
		}
	}
}

// checkSpots asks for some of the queued transfers: their owner lives.
func (c *Cluster) checkSpots(ctx context.Context, r *Report, dead *Node, queued []string) {
	ids := slices.Clone(queued)
	c.dice.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:min(len(ids), spots)] {
		if t, err := c.Get(ctx, id); err != nil || t.GetOwner().GetNode() == dead.Name {
			r.Violate("%s is at %q after the death of %s (%v)", id, t.GetOwner().GetNode(), dead.Name, err)
		}
	}
}

// memory notes how much memory nodes have.
func (r *Report) memory(when string, nodes []*Node) {
	for _, n := range nodes {
		if now, most, err := n.Memory(); err == nil {
			r.Note("%s the kill %s has %.0f MiB resident, %.0f MiB at most", when, n.Name, float64(now)/mib, float64(most)/mib)
		}
	}
}
