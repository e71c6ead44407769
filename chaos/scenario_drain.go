package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	pb "godwit/protos/godwit/v1"
)

// around is how long the API is used before and after a drain.
const around = 500 * time.Millisecond

// drainPromise is how long a drain may take.
const drainPromise = 30 * time.Second

// runDrain drains a node that runs transfers, in turn by SIGTERM, after which
// it restarts, and by command. All the while the API of the others is used, and
// no call may fail.
func runDrain(ctx context.Context, c *Cluster, p Params) (Report, error) {
	var moved takeovers
	var drains []float64
	calls := 0
	r, err := c.run(ctx, "drain", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		drain, back := c.drainByCommand, func(ctx context.Context, n *Node) error { return c.Operate(ctx, "uncordon", n) }
		if i%2 == 0 {
			drain, back = c.drainByTerm, func(ctx context.Context, n *Node) error { return n.Start(ctx) }
		}
		c.Logf("drain %d: %s, which runs %d transfers", i+1, v.Name, len(v.Ran))
		stop := c.useOthers(ctx, v.Node)
		if err := idle(ctx, around); err != nil {
			return err
		}
		var watching sync.WaitGroup
		var after []Takeover
		m, err := c.Strike(v, func() error {
			began := Moment{Began: time.Now()}
			watching.Go(func() { after = onlyProgress(c.Follow(ctx, v, began)) })
			return drain(ctx, v.Node, r)
		})
		watching.Wait()
		waited := idle(ctx, around)
		n, failures := stop()
		err = errors.Join(err, waited)
		moved.add(r, v.Name, after)
		if err != nil {
			return err
		}
		took := m.Over.Sub(m.Began)
		drains = append(drains, took.Seconds())
		c.Logf("%s is drained after %.1f s, %d calls to the others, %d failed", v.Name, took.Seconds(), n, len(failures))
		if p.Strict && took > drainPromise {
			r.Violate("the drain of %s took %v", v.Name, took)
		}
		for _, f := range failures {
			r.Violate("during the drain of %s: %v", v.Name, f)
		}
		calls += n
		return back(ctx, v.Node)
	})
	r.Measure("drain", "s", drains)
	moved.measure(&r, "hand-over, from the beginning of a drain")
	r.Note("%d calls were made to other nodes during drains", calls)
	return r, err
}

// drainByTerm returns when the process has ended.
func (c *Cluster) drainByTerm(ctx context.Context, n *Node, r *Report) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	code, err := n.Terminate(ctx)
	if code != 0 {
		r.Violate("%s was asked to end and did with exit code %d", n.Name, code)
	}
	return err
}

// drainByCommand returns when the command has.
func (c *Cluster) drainByCommand(ctx context.Context, n *Node, r *Report) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	if err := c.Operate(ctx, "drain", n); err != nil {
		return err
	}
	if members, err := c.Members(ctx); err != nil || members[n.Name].State != "DRAINING" {
		r.Violate("%s is drained and shown as %q (%v)", n.Name, members[n.Name].State, err)
	}
	if n.ready(ctx) {
		r.Violate("%s is drained and says that it is ready", n.Name)
	}
	return nil
}

// useOthers calls the API of all live nodes but one, over and over. The
// function that it returns ends that, and tells how many calls there were and
// which failed.
func (c *Cluster) useOthers(ctx context.Context, but *Node) (stop func() (int, []error)) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex // guards what follows
	var calls int
	var failures []error
	ids := slices.Sorted(maps.Keys(c.Jobs()))
	var users sync.WaitGroup
	for _, n := range c.Live() {
		if n == but {
			continue
		}
		users.Go(func() {
			for i := 0; idle(ctx, glance) == nil; i++ {
				_, err := n.Get(ctx, ids[i%len(ids)])
				if err == nil && i%10 == 0 {
					_, err = n.firstPage(ctx)
				}
				if ctx.Err() != nil {
					return // the failure is ours
				}
				mu.Lock()
				calls++
				if err != nil {
					failures = append(failures, fmt.Errorf("%s: %w", n.Name, err))
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []error) {
		cancel()
		users.Wait()
		return calls, failures
	}
}

// firstPage lists transfers, but not all.
func (n *Node) firstPage(ctx context.Context) (*pb.Transfer, error) {
	for t, err := range n.List(ctx, &pb.ListTransfersRequest{PageSize: 10}) {
		return t, err
	}
	return nil, nil
}
