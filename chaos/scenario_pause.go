package chaos

import (
	"context"
	"slices"
	"time"
)

// runPause stops a node that runs transfers and lets it go on. After a short
// pause it may still own them; after a long one others do, and what it does then
// must not count: the history tells.
func runPause(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var moved takeovers
	kept := 0
	r, err := c.run(ctx, "pause", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		d := p.Pauses[i%len(p.Pauses)]
		c.Logf("pause %d: %s, which runs %d transfers, for %v", i+1, v.Name, len(v.Ran), d)
		m, err := c.Strike(v, v.Pause)
		if err != nil {
			return err
		}
		taken := c.during(ctx, d, v, m)
		c.Logf("%s goes on, %d of %d transfers were taken over", v.Name, len(taken), len(v.Ran))
		moved.add(r, v.Name, taken)
		kept += len(v.Ran) - len(taken)
		if err := v.Continue(); err != nil {
			return err
		}
		return v.AwaitReady(ctx)
	})
	moved.measure(&r, "takeover, from the beginning of a pause")
	r.Note("%d transfers were not taken over during the pause of their node", kept)
	return r, err
}

// during waits for a time and returns what was taken over meanwhile.
func (c *Cluster) during(ctx context.Context, d time.Duration, v Victim, m Moment) []Takeover {
	held, over := context.WithTimeout(ctx, d)
	defer over()
	var taken []Takeover
	for _, t := range c.Follow(held, v, m) {
		if t.Owner != "" {
			taken = append(taken, t)
		}
	}
	<-held.Done()
	return taken
}

// runPartition cuts a node that runs transfers off from all others. It keeps
// the store and the origins, so both sides may believe what they like: only one
// may write. Of three cuts one is one way only, and one takes half of the nodes
// along where there are four.
func runPartition(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var moved takeovers
	kept := 0
	r, err := c.run(ctx, "partition", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		d, oneWay, side := p.Pauses[i%len(p.Pauses)], i%3 == 1, []*Node{v.Node}
		if i%3 == 2 {
			side = c.half(v.Node)
		}
		c.Logf("partition %d: %s, which runs %d transfers, one of %d on its side, for %v, one way %v", i+1, v.Name, len(v.Ran), len(side), d, oneWay)
		m, err := c.Strike(v, func() error { return c.cutOff(ctx, side, oneWay) })
		if err != nil {
			return err
		}
		taken := c.during(ctx, d, v, m)
		moved.add(r, v.Name, onlyProgress(taken))
		kept += len(v.Ran) - len(taken)
		if err := c.links().Heal(ctx); err != nil {
			return err
		}
		healed, cancel := context.WithTimeout(ctx, endPatience)
		defer cancel()
		began := time.Now()
		if err := c.AwaitMembers(healed); err != nil {
			r.Violate("%v", err)
		}
		c.Logf("healed, the members agree after %.1f s; %d of %d transfers were taken over", time.Since(began).Seconds(), len(taken), len(v.Ran))
		return nil
	})
	moved.measure(&r, "takeover, from the cut")
	r.Note("%d transfers were not taken over while their node was cut off", kept)
	return r, err
}

// half is a node with as many others as leave the same number on either side.
func (c *Cluster) half(n *Node) []*Node {
	side := []*Node{n}
	for _, other := range c.Nodes() {
		if other != n && len(side) < len(c.Nodes())/2 {
			side = append(side, other)
		}
	}
	return side
}

// links are what holds the nodes apart, or nil.
func (c *Cluster) links() Links {
	links, _ := c.opts.Driver.(Links)
	return links
}

// cutOff makes all other nodes deaf to those of one side, and these to them
// unless the cut is one way.
func (c *Cluster) cutOff(ctx context.Context, side []*Node, oneWay bool) error {
	for _, n := range side {
		for _, other := range c.Nodes() {
			if slices.Contains(side, other) {
				continue
			}
			if _, err := c.links().Cut(ctx, n.Number, other.Number); err != nil {
				return err
			}
			if oneWay {
				continue
			}
			if _, err := c.links().Cut(ctx, other.Number, n.Number); err != nil {
				return err
			}
		}
	}
	return nil
}
