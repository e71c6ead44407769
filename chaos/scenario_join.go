package chaos

import (
	"context"
	"fmt"
	"time"

	pb "godwit/protos/godwit/v1"
)

// runJoin adds nodes under load. A node that joins gets about its share of the
// shards, and nothing moves between those that were there.
func runJoin(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var shares, joined []float64
	moved := 0
	r, err := c.run(ctx, "join", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx) // only to have something that runs
		if err != nil {
			return err
		}
		before, err := c.Transfers(ctx)
		if err != nil {
			return err
		}
		n, err := c.Add()
		if err != nil {
			return err
		}
		c.Logf("join %d: %s, while %s and others run transfers", i+1, n.Name, v.Name)
		began := time.Now()
		starting, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		if err := n.Start(starting); err != nil {
			return err
		}
		share, err := c.settle(starting, n)
		if err != nil {
			return err
		}
		joined = append(joined, time.Since(began).Seconds())
		shares = append(shares, share*float64(len(c.Nodes())))
		if share < 0.5/float64(len(c.Nodes())) || share > 1.5/float64(len(c.Nodes())) {
			r.Violate("%s joined as one of %d nodes and owns %.0f %% of the shards", n.Name, len(c.Nodes()), 100*share)
		}
		after, err := c.Transfers(ctx)
		if err != nil {
			return err
		}
		to, elsewhere := c.moves(before, after, n)
		moved += to
		c.Logf("%s owns %.1f %% of the shards, %d of %d transfers moved to it", n.Name, 100*share, to, len(before))
		for _, why := range elsewhere {
			r.Violate("while %s joined: %s", n.Name, why)
		}
		return nil
	})
	r.Measure("joining until shards are settled", "s", joined)
	r.Measure("shards of a new node, 1 is a fair share", "", shares)
	r.Note("%d transfers moved to new nodes", moved)
	return r, err
}

// settle waits until shards do not move any more, and returns the share of a
// node.
func (c *Cluster) settle(ctx context.Context, n *Node) (float64, error) {
	const quiet = 10 // so many looks without a change
	last, same := -1, 0
	for {
		members, err := n.Members(ctx)
		total := 0
		for _, m := range members {
			total += m.Shards
		}
		now := members[n.Name].Shards
		if err == nil && now == last && now > 0 {
			same++
		} else {
			last, same = now, 0
		}
		if same == quiet {
			return float64(now) / float64(total), nil
		}
		if waited := idle(ctx, 5*glance); waited != nil {
			return 0, fmt.Errorf("the shards of %s do not settle: %d now (%w): %w", n.Name, now, waited, err)
		}
	}
}

// moves counts the transfers that moved to a node, and tells which moved
// elsewhere although their owner lives.
func (c *Cluster) moves(before, after map[string]*pb.Transfer, to *Node) (count int, elsewhere []string) {
	for id, was := range before {
		is := after[id].GetOwner()
		switch {
		case after[id] == nil, is.GetEpoch() == was.GetOwner().GetEpoch():
		case is.GetNode() == to.Name:
			count++
		default:
			elsewhere = append(elsewhere, fmt.Sprintf("%s moved from %s to %s", id, was.GetOwner().GetNode(), is.GetNode()))
		}
	}
	return count, elsewhere
}
