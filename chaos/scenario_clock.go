package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"godwit/client"
)

// jumps are what the clock of one node is made wrong by, in turn. Before each
// it is right.
var jumps = []time.Duration{5 * year, -5 * year, time.Hour, -time.Hour}

const (
	year = 365 * 24 * time.Hour
	// clockTakes is how long after a jump a node certainly knows the new time, and
	// after which what it believes shows.
	clockTakes = time.Second
)

// clockTag is the build tag of nodes whose wall clock can be made wrong.
const clockTag = "clock"

// HistoryTags are the build tags of nodes for scenarios: they write down what they
// write, and where the function that tells the time can be replaced, in assembly,
// their clocks can be made wrong.
func HistoryTags() []string {
	if clocks() {
		return []string{"history", clockTag}
	}
	return []string{"history"}
}

func clocks() bool { return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" }

// clockFile is where a node reads what its wall clock is wrong by.
func clockFile(folder, node string) string { return filepath.Join(folder, node+".clock") }

// SetClock makes the wall clock of a node wrong; 0 makes it right.
func (n *Node) SetClock(by time.Duration) error {
	path := clockFile(n.folder, n.Name)
	// Never read in part.
	err := os.WriteFile(path+".new", []byte(by.String()), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("set the clock of %s: %w", n.Name, err)
	}
	return nil
}

// runClock sets the clock of a node that runs transfers to another time and back,
// one time in two with a restart while it is wrong. No other node may take over
// from one whose clock is wrong, and nothing that has ended may be forgotten.
func runClock(ctx context.Context, c *Cluster, p Params) (Report, error) {
	if !clocks() {
		return Report{}, fmt.Errorf("%w: clocks can be made wrong on linux/amd64 only", ErrNotHere)
	}
	kept := 0
	r, err := c.run(ctx, "clock", p, func(ctx context.Context, r *Report, i int) error {
		v, err := c.Victim(ctx)
		if err != nil {
			return err
		}
		by, restart := jumps[i%len(jumps)], i%4 < 2
		c.Logf("jump %d: the clock of %s, which runs %d transfers, is wrong by %v; restarted meanwhile %v", i+1, v.Name, len(v.Ran), by, restart)
		if err := v.SetClock(by); err != nil {
			return err
		}
		if err := idle(ctx, clockTakes+p.Pauses[i%len(p.Pauses)]); err != nil {
			return err
		}
		kept += c.judgeKept(ctx, v, by, r)
		if restart {
			if _, err := c.Strike(v, func() error { v.Kill(); return v.Restart(ctx, false) }); err != nil {
				return fmt.Errorf("with a clock wrong by %v: %w", by, err)
			}
			if err := idle(ctx, clockTakes); err != nil {
				return err
			}
		}
		healed, cancel := context.WithTimeout(ctx, endPatience)
		defer cancel()
		if err := c.AwaitMembers(healed); err != nil {
			r.Violate("while the clock of %s is wrong by %v: %v", v.Name, by, err)
		}
		if err := c.judgeUse(ctx, v.Node, p); err != nil {
			r.Violate("while the clock of %s is wrong by %v: %v", v.Name, by, err)
		}
		if err := v.SetClock(0); err != nil {
			return err
		}
		return idle(ctx, clockTakes)
	})
	r.Note("%d transfers stayed with their node while its clock was wrong", kept)
	return r, err
}

// judgeKept reports transfers that changed owners because of a clock, and counts
// the others.
func (c *Cluster) judgeKept(ctx context.Context, v Victim, by time.Duration, r *Report) (kept int) {
	for _, before := range v.Owned {
		now, err := c.Get(ctx, before.GetId())
		switch {
		case err != nil:
			r.Violate("%s cannot be seen while the clock of its node is wrong by %v: %v", before.GetId(), by, err)
		case now.GetOwner().GetEpoch() != before.GetOwner().GetEpoch() && !client.Terminal(now.GetStatus()):
			r.Violate("%s was taken over from %s by %s because a clock was wrong by %v", before.GetId(), v.Name, now.GetOwner().GetNode(), by)
		default:
			kept++
		}
	}
	return kept
}

// judgeUse has a node serve requests that others must carry out.
func (c *Cluster) judgeUse(ctx context.Context, n *Node, p Params) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for range 4 {
		j := c.NewJob()
		if _, err := n.Create(ctx, c.request(j, p), true); err != nil {
			return fmt.Errorf("a transfer is created at %s: %w", n.Name, err)
		}
		c.accept(j)
	}
	for id := range c.Jobs() {
		if _, err := n.Get(ctx, id); err != nil {
			return fmt.Errorf("%s is asked for %s: %w", n.Name, id, err)
		}
	}
	return nil
}
