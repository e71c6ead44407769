package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// takeoverPatience bounds how long a takeover may take. No promise is so
// generous: what takes longer is stuck.
const takeoverPatience = 2 * time.Minute

// runPatience bounds how long a fault waits for a node to strike. Transfers may
// all have ended meanwhile.
const runPatience = 5 * time.Second

// errNothingRuns tells that there is no node to strike: more transfers are
// needed.
var errNothingRuns = errors.New("no live node runs a transfer")

// Victim is a node that a fault will strike, with what it owned just before.
type Victim struct {
	*Node
	// Ran are the transfers that it was running, Owned all that are not terminal.
	Ran, Owned []*pb.Transfer
}

// Victim waits until a live node runs transfers and returns a random such node,
// or errNothingRuns when none does for a while.
func (c *Cluster) Victim(ctx context.Context) (Victim, error) {
	for began := time.Now(); ; {
		all, err := c.Victims(ctx)
		if err != nil {
			return Victim{}, err
		}
		var running []Victim
		for _, v := range all {
			if len(v.Ran) > 0 {
				running = append(running, v)
			}
		}
		if len(running) > 0 {
			return running[c.dice.IntN(len(running))], nil
		}
		if time.Since(began) > runPatience {
			return Victim{}, errNothingRuns
		}
		if err := idle(ctx, glance); err != nil {
			return Victim{}, fmt.Errorf("%w: %w", errNothingRuns, err)
		}
	}
}

// Victims are all live nodes with what they own, in the order of their names.
func (c *Cluster) Victims(ctx context.Context) ([]Victim, error) {
	now, err := c.Transfers(ctx)
	if err != nil {
		return nil, err
	}
	jobs := c.Jobs()
	var all []Victim
	for _, n := range c.Nodes() {
		if !n.Live() {
			continue
		}
		v := Victim{Node: n}
		for id, t := range now {
			if jobs[id] == nil || t.GetOwner().GetNode() != n.Name || client.Terminal(t.GetStatus()) {
				continue
			}
			v.Owned = append(v.Owned, t)
			if t.GetStatus() == pb.Transfer_RUNNING && jobs[id].served() > 0 {
				v.Ran = append(v.Ran, t)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

// Moment is when a fault struck.
type Moment struct {
	// Began is just before, Over when it had its effect: a node that was killed
	// asks for nothing after that.
	Began, Over time.Time
}

// Strike makes a fault and remembers whom it may have cost parts in flight.
func (c *Cluster) Strike(v Victim, fault func() error) (Moment, error) {
	m := Moment{Began: time.Now()}
	err := fault()
	m.Over = time.Now()
	jobs := c.Jobs()
	for _, t := range v.Owned {
		if j := jobs[t.GetId()]; j.served() > 0 {
			c.mu.Lock()
			j.Hits++
			c.mu.Unlock()
		}
	}
	return m, err
}

// Takeover is how a transfer went on after its owner was struck.
type Takeover struct {
	ID string
	// Owner is the node that went on with it, "" when nobody did in time.
	Owner string
	// Requested is the time until a new byte was asked for, Progress until the
	// API showed progress in a new epoch; 0 when there was none before the end.
	Requested, Progress time.Duration
	// Ended tells that it became terminal.
	Ended bool
}

// Follow watches the transfers that a struck node was running until they run
// in a new epoch, or are terminal.
func (c *Cluster) Follow(ctx context.Context, v Victim, m Moment) []Takeover {
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	all := make([]Takeover, len(v.Ran))
	every := glance * time.Duration(1+len(v.Ran)/10) // as not to be a load of its own
	var g sync.WaitGroup
	for i, t := range v.Ran {
		g.Go(func() { all[i] = c.follow(ctx, t, m, every) })
	}
	g.Wait()
	return all
}

func (c *Cluster) follow(ctx context.Context, before *pb.Transfer, m Moment, every time.Duration) Takeover {
	asking, stop := context.WithCancel(ctx)
	defer stop()
	j := c.Jobs()[before.GetId()]
	asked := make(chan time.Duration, 1)
	go func() {
		at, err := j.Origin.AwaitRequest(asking, j.Path(), m.Over)
		if err != nil {
			at = m.Began
		}
		asked <- at.Sub(m.Began)
	}()
	t := c.watch(ctx, before, m, every)
	if t.Ended {
		stop() // nothing more will be asked for
	}
	// What makes progress was asked for, but before the fault was known to be over
	// where that takes long to hear of, as with containers.
	defer time.AfterFunc(time.Second, stop).Stop()
	t.Requested = <-asked
	return t
}

// watch asks the API until the transfer shows progress in a new epoch.
func (c *Cluster) watch(ctx context.Context, before *pb.Transfer, m Moment, every time.Duration) Takeover {
	t := Takeover{ID: before.GetId()}
	var first int64
	for idle(ctx, every) == nil {
		now, err := c.look(ctx, t.ID)
		if err != nil {
			continue
		}
		t.Ended = client.Terminal(now.GetStatus())
		bytes := now.GetProgress().GetBytesOnWire() + now.GetProgress().GetBytesInFlight()
		switch {
		case now.GetOwner().GetEpoch() <= before.GetOwner().GetEpoch():
		case t.Owner == "":
			t.Owner, first = now.GetOwner().GetNode(), bytes
		case bytes > first:
			t.Progress = time.Since(m.Began)
		}
		if t.Progress > 0 || t.Ended {
			return t
		}
	}
	return t
}

// look is Get that does not wait for a node which itself waits for a dead one.
func (c *Cluster) look(ctx context.Context, id string) (*pb.Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.Get(ctx, id)
}

// onlyProgress forgets when bytes were asked for: an owner that still runs may
// have done it.
func onlyProgress(all []Takeover) []Takeover {
	for i := range all {
		all[i].Requested = 0
	}
	return all
}

// takeovers collects what was measured.
type takeovers struct {
	requested, progress []float64
	ended               int
}

// add adds takeovers and reports those that did not happen.
func (s *takeovers) add(r *Report, of string, all []Takeover) {
	for _, t := range all {
		switch {
		case t.Ended && t.Requested+t.Progress == 0:
			s.ended++
		case t.Owner == "" && !t.Ended:
			r.Violate("%s was not taken over from %s within %v", t.ID, of, takeoverPatience)
		}
		if t.Requested > 0 {
			s.requested = append(s.requested, t.Requested.Seconds())
		}
		if t.Progress > 0 {
			s.progress = append(s.progress, t.Progress.Seconds())
		}
	}
}

// measure puts them into a report.
func (s *takeovers) measure(r *Report, name string) {
	r.Measure(name+" to the first new request", "s", s.requested)
	r.Measure(name+" to progress in the API", "s", s.progress)
	if s.ended > 0 {
		r.Note("%d transfers ended before anything more was seen to be fetched", s.ended)
	}
}
