package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// oneByOne is the serialized transfer group of the scenario group.
	oneByOne = "one-by-one"
	// leastMembers is how many have not ended before a kill, at least.
	leastMembers = 3
	// afterKill is how long after a kill the origin may still take a dead node's
	// sockets for connections: it learns of their end when it writes.
	afterKill = 500 * time.Millisecond
)

// serialized is what a run of group remembers.
type serialized struct {
	c *Cluster
	p Params
	// queue are the members in the order in which they were submitted.
	queue []*Job
	kills []Moment
}

// runGroup kills random nodes, and those that run a member, while a serialized
// group works its queue beside other transfers. No API tells which node has the
// group itself: it is one of three. The origins must never be seen to
// serve two of its members at a time, but for the moment after a kill, and the
// members must end in the order in which they were submitted.
func runGroup(ctx context.Context, c *Cluster, p Params) (Report, error) {
	s := &serialized{c: c, p: p}
	_, err := insist(ctx, c, "create the group", func(ctx context.Context, n *Node) (*pb.Group, error) {
		return n.CreateGroup(ctx, &pb.Group{Name: oneByOne, Behavior: pb.Group_SERIALIZED, StrictOrder: true})
	})
	if err != nil {
		return Report{}, err
	}
	var moved takeovers
	if err := s.topUp(ctx); err != nil {
		return Report{}, err
	}
	r, err := c.run(ctx, "group", p, func(ctx context.Context, r *Report, i int) error {
		if err := s.topUp(ctx); err != nil {
			return err
		}
		v, err := s.victim(ctx)
		if err != nil {
			return err
		}
		c.Logf("kill %d: %s, which runs %d transfers", i+1, v.Name, len(v.Ran))
		m, err := c.Strike(v, func() error { v.Kill(); return nil })
		if err != nil {
			return err
		}
		s.kills = append(s.kills, m)
		// Half of the time the others have to do without it for as long as it takes.
		if c.dice.IntN(2) == 0 {
			moved.add(r, v.Name, c.Follow(ctx, v, m))
		}
		return v.Restart(ctx, c.dice.IntN(4) == 0)
	})
	moved.measure(&r, "takeover, from kill")
	if err == nil {
		err = s.judge(ctx, &r)
	}
	return r, err
}

// topUp has half of all unfinished transfers in the group.
func (s *serialized) topUp(ctx context.Context) error {
	now, err := s.c.Transfers(ctx)
	if err != nil {
		return err
	}
	unfinished := 0
	for _, j := range s.queue {
		if !client.Terminal(now[j.ID].GetStatus()) {
			unfinished++
		}
	}
	for ; unfinished < max(s.p.Transfers/2, leastMembers); unfinished++ {
		j := s.c.NewJob()
		j.Group = oneByOne
		// One after the other: that is the order.
		if err := s.c.Submit(ctx, j, s.p); err != nil {
			return err
		}
		s.queue = append(s.queue, j)
	}
	return nil
}

// victim is in turn the node that runs a member, if one does, and any.
func (s *serialized) victim(ctx context.Context) (Victim, error) {
	all, err := s.c.Victims(ctx)
	if err != nil {
		return Victim{}, err
	}
	if len(all) == 0 {
		return Victim{}, fmt.Errorf("no node lives")
	}
	runs := slices.IndexFunc(all, func(v Victim) bool {
		return slices.ContainsFunc(v.Ran, func(t *pb.Transfer) bool { return t.GetGroup() == oneByOne })
	})
	if runs >= 0 && len(s.kills)%2 == 0 {
		return all[runs], nil
	}
	return all[s.c.dice.IntN(len(all))], nil
}

// span is an answer of an origin for a member.
type span struct {
	id          string
	first, last time.Time
}

// judge looks at what the origins served, and when members ended.
func (s *serialized) judge(ctx context.Context, r *Report) error {
	now, err := s.c.Transfers(ctx)
	if err != nil {
		return err
	}
	var spans []span
	for _, j := range s.queue {
		for _, one := range j.Origin.Spans(j.Path()) {
			spans = append(spans, span{j.ID, one[0], one[1]})
		}
	}
	overlaps, violations := judgeSpans(spans, s.kills)
	r.Violations = append(r.Violations, violations...)
	r.Measure("two members served at a time, after a kill", "s", overlaps)
	for i, j := range s.queue[1:] {
		before, after := now[s.queue[i].ID].GetFinishTime().AsTime(), now[j.ID].GetFinishTime().AsTime()
		if after.Before(before) {
			r.Violate("%s ended at %v, before %s at %v, which was submitted earlier", j.ID, after, s.queue[i].ID, before)
		}
	}
	r.Note("%d members were served in %d answers; two at a time: %d times just after a kill, %d times otherwise",
		len(s.queue), len(spans), len(overlaps), len(violations))
	return nil
}

// judgeSpans finds the times, in seconds, for which two members were served at
// once, and says which of them no kill explains.
func judgeSpans(spans []span, kills []Moment) (overlaps []float64, violations []string) {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	for i, a := range spans {
		for _, b := range spans[i+1:] {
			if !b.first.Before(a.last) {
				break
			}
			if a.id == b.id {
				continue
			}
			from, to := b.first, a.last
			if b.last.Before(to) {
				to = b.last
			}
			explained := slices.ContainsFunc(kills, func(m Moment) bool {
				return !from.Before(m.Began) && !to.After(m.Over.Add(afterKill))
			})
			if !explained {
				violations = append(violations, fmt.Sprintf("%s and %s were served at the same time for %v, from %s",
					a.id, b.id, to.Sub(from), from.Format("15:04:05.000")))
				continue
			}
			overlaps = append(overlaps, to.Sub(from).Seconds())
		}
	}
	return overlaps, violations
}
