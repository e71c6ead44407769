package chaos

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// runKill kills a node that runs transfers and waits until they run elsewhere
// before it restarts the node; one time in four it restarts at once, and one
// in four with an empty data folder.
func runKill(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var moved, back takeovers
	r, err := c.run(ctx, "kill", p, func(ctx context.Context, r *Report, i int) error {
		atOnce := c.dice.IntN(4) == 0 || len(c.Nodes()) == 1
		fresh := c.dice.IntN(4) == 0
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		c.Logf("kill %d: %s, which runs %d transfers; restart at once %v, with an empty folder %v", i+1, v.Name, len(v.Ran), atOnce, fresh)
		m, err := c.Strike(v, func() error { v.Kill(); return nil })
		if err != nil {
			return err
		}
		if atOnce {
			if err := v.Restart(ctx, fresh); err != nil {
				return err
			}
			back.add(r, v.Name, c.Follow(ctx, v, m))
			return nil
		}
		moved.add(r, v.Name, c.Follow(ctx, v, m))
		return v.Restart(ctx, fresh)
	})
	moved.measure(&r, "takeover, from kill")
	back.measure(&r, "restarted at once, from kill")
	return r, err
}

// runRestartAll kills all nodes at once and restarts them one after the other.
func runRestartAll(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var back takeovers
	r, err := c.run(ctx, "restart-all", p, func(ctx context.Context, r *Report, i int) error {
		if _, err := c.Victim(ctx); err != nil { // only to wait until something runs
			return err
		}
		all, err := c.Victims(ctx)
		if err != nil {
			return err
		}
		c.Logf("kill %d: all %d nodes", i+1, len(all))
		struck := make([]Moment, len(all))
		var g errgroup.Group
		for i, v := range all {
			g.Go(func() (err error) {
				struck[i], err = c.Strike(v, func() error { v.Kill(); return nil })
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		g = errgroup.Group{}
		for i, at := range c.dice.Perm(len(all)) {
			g.Go(func() error {
				if err := idle(ctx, time.Duration(i)*200*time.Millisecond); err != nil {
					return err
				}
				// A node may wait for another before it is ready.
				return all[at].Start(ctx)
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i, v := range all {
			back.add(r, v.Name, c.Follow(ctx, v, struck[i]))
		}
		return nil
	})
	back.measure(&r, "all restarted, from kill")
	return r, err
}
