package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/client"
	"godwit/node"
	pb "godwit/protos/godwit/v1"
)

const (
	// groupMembers is how many transfers a completion group has.
	groupMembers = 6
	// deathPatience bounds how long a node may take to reach the point where it
	// dies, and a group to end.
	deathPatience = time.Minute
	// afterEnd is how long a node may take to die after its group was seen to
	// have ended: some points are just there.
	afterEnd = 2 * time.Second
	// shortWait and longWait are pauses between attempts that the harness does not
	// sit out, the latter in every tenth round: it is more than the plan's first.
	shortWait = time.Second
	longWait  = 10 * time.Second
)

// completeContents are small: what a death costs is far below what spills.
func completeContents(p Params) []Content {
	return []Content{{Size: 40_001, Rate: p.Rate}, {Size: 300_007, Rate: p.Rate}, {Size: 700_001, Rate: p.Rate}}
}

// troubles are how the receiver meets deliveries, one row a round.
var troubles = [][]reply{nil, {dropped}, {refused}, {refused, dropped, refused}}

// completions is what a run of complete remembers.
type completions struct {
	c        *Cluster
	p        Params
	receiver *receiver
	points   []string
	hooks    []*hook
	// died and missed count, for each point, nodes that died there and rounds in
	// which none did.
	died, missed map[string]int
	// delivered is from a death until the next delivery, ended until the group
	// was seen to have ended, both in seconds.
	delivered, ended []float64
	// wait is how long a task may wait for its next attempt, nudges how often the
	// harness asked for it.
	wait   time.Duration
	nudges int
}

// runComplete has completion groups fire while a node dies at each of the steps
// to the delivered task, one step a round. The receiver drops answers and refuses
// deliveries. Each group's task must be one, told to its receiver under one id,
// whatever dies.
func runComplete(ctx context.Context, c *Cluster, p Params) (Report, error) {
	hooks, err := startReceiver()
	if err != nil {
		return Report{}, err
	}
	defer hooks.server.Close() //nolint:errcheck // nobody waits for an answer
	p.Transfers = 0            // members of groups are all there is
	s := &completions{c: c, p: p, receiver: hooks, points: node.Points(), died: map[string]int{}, missed: map[string]int{}}
	r, err := c.run(ctx, "complete", p, s.round)
	if err != nil {
		return r, err
	}
	s.judgeTasks(ctx, &r)
	s.tell(&r)
	return r, nil
}

// round is one group, and one death on its way.
func (s *completions) round(ctx context.Context, r *Report, i int) error {
	point := s.points[s.at(i)]
	h, err := s.submit(ctx, i)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	deaths := s.c.deaths(watching)
	if err := os.WriteFile(s.c.failpointFile(), []byte(point), 0o600); err != nil {
		return fmt.Errorf("set a failpoint: %w", err)
	}
	defer func() { _ = os.Remove(s.c.failpointFile()) }() // it is gone if a node died
	s.receiver.expect(h)
	_, err = insist(ctx, s.c, "enable "+h.group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.EnableCompletionGroup(ctx, h.group)
	})
	if err != nil {
		return err
	}
	if s.wait = shortWait; i%10 == 9 {
		s.wait = longWait
	}
	d := s.awaitDeath(ctx, h, deaths)
	atOnce := s.c.dice.IntN(2) == 0
	if d.node == nil {
		s.missed[point]++
		s.c.Logf("round %d: no node died at %s", i+1, point)
	} else {
		s.died[point]++
		s.c.Logf("round %d: %s died at %s; restart at once %v", i+1, d.node.Name, point, atOnce)
	}
	if d.node != nil && atOnce {
		if err := d.node.Start(ctx); err != nil {
			return err
		}
	}
	if err := s.awaitEnd(ctx, h); err != nil {
		r.Violate("%v", err)
	}
	if d.node == nil {
		return ctx.Err()
	}
	s.measure(h, d)
	if !atOnce {
		return d.node.Start(ctx)
	}
	return ctx.Err()
}

// at is the number of the point of a round. Every second one comes first, so that
// a short run has nodes of members, groups and tasks die.
func (s *completions) at(i int) int { return 2 * i % len(s.points) }

// submit makes a group with its members. In some rounds all have ended before it
// is enabled, in others some wait to be started by that. The first points are
// only reached in the latter.
func (s *completions) submit(ctx context.Context, i int) (*hook, error) {
	group := fmt.Sprintf("g%05d", i+1)
	var jobs []*Job
	var ids []string
	early := i%2 == 1 && s.at(i) > 1
	for k := range groupMembers {
		j := s.c.NewJob()
		j.Completion, j.Idle = group, !early && k%2 == 0
		jobs, ids = append(jobs, j), append(ids, j.ID)
	}
	h := s.receiver.add(group, ids, slices.Clone(troubles[i%len(troubles)]))
	s.hooks = append(s.hooks, h)
	_, err := insist(ctx, s.c, "create "+group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.CreateCompletionGroup(ctx, &pb.CompletionGroup{Id: group, Webhook: s.receiver.webhook(h)})
	})
	if err != nil {
		return nil, err
	}
	g, submitting := errgroup.WithContext(ctx)
	for _, j := range jobs {
		g.Go(func() error { return s.c.Submit(submitting, j, s.p) })
	}
	if err := g.Wait(); err != nil || !early {
		return h, err
	}
	ending, cancel := context.WithTimeout(ctx, deathPatience)
	defer cancel()
	_, err = s.c.Await(ending)
	return h, err
}

// death is a node that ended without being asked.
type death struct {
	node *Node
	at   time.Time
}

// deaths tells of live nodes that end, until ctx does.
func (c *Cluster) deaths(ctx context.Context) <-chan death {
	live := c.Live()
	found := make(chan death, len(live))
	for _, n := range live {
		p := n.process()
		go func() {
			if _, err := p.Wait(ctx); err == nil {
				found <- death{n, time.Now()}
			}
		}()
	}
	return found
}

// awaitDeath returns the node that died, or none once its group has ended and
// nobody died of that.
func (s *completions) awaitDeath(ctx context.Context, h *hook, deaths <-chan death) death {
	patience := time.NewTimer(deathPatience)
	defer patience.Stop()
	look := time.NewTicker(5 * glance)
	defer look.Stop()
	for over := false; ; {
		select {
		case d := <-deaths:
			return d
		case <-look.C:
			if !over && s.look(ctx, h) {
				over = true
				patience.Reset(afterEnd)
			}
		case <-patience.C:
			return death{}
		case <-ctx.Done():
			return death{}
		}
	}
}

// awaitEnd returns when the group is DONE.
func (s *completions) awaitEnd(ctx context.Context, h *hook) error {
	ctx, cancel := context.WithTimeout(ctx, deathPatience)
	defer cancel()
	for !s.look(ctx, h) {
		if err := idle(ctx, 2*glance); err != nil {
			return fmt.Errorf("group %s does not end: %w", h.group, err)
		}
	}
	return nil
}

// look tells whether a group has ended. A task that would wait for long is
// delivered again at once.
func (s *completions) look(ctx context.Context, h *hook) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // a node may wait for the dead one
	defer cancel()
	g, err := anywhere(ctx, s.c, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
		return n.CompletionGroup(ctx, h.group)
	})
	if err != nil || client.CompletionEnded(g.GetStatus()) {
		return err == nil
	}
	if g.GetTask().GetId() == "" {
		return false
	}
	t, err := anywhere(ctx, s.c, func(ctx context.Context, n *Node) (*pb.Task, error) { return n.Task(ctx, g.GetTask().GetId()) })
	if err == nil && t.GetStatus() == pb.Task_PENDING && time.Until(t.GetNextAttemptTime().AsTime()) > s.wait {
		_, err = anywhere(ctx, s.c, func(ctx context.Context, n *Node) (*pb.Task, error) { return n.RedeliverTask(ctx, t.GetId()) })
		if err == nil {
			s.nudges++
		}
	}
	return false
}

// measure notes how long it took from a death until something came, and until
// the group had ended.
func (s *completions) measure(h *hook, d death) {
	s.ended = append(s.ended, time.Since(d.at).Seconds())
	s.c.Logf("%s ended %.1f s after the death", h.group, time.Since(d.at).Seconds())
	for _, one := range s.receiver.deliveries(h) {
		if one.at.After(d.at) {
			s.delivered = append(s.delivered, one.at.Sub(d.at).Seconds())
			return
		}
	}
}

// judgeTasks holds groups, tasks and deliveries against each other.
func (s *completions) judgeTasks(ctx context.Context, r *Report) {
	tasks, err := insist(ctx, s.c, "list tasks", func(ctx context.Context, n *Node) (map[string][]*pb.Task, error) {
		found := map[string][]*pb.Task{}
		for t, err := range n.Tasks(ctx) {
			if err != nil {
				return nil, err
			}
			found[t.GetCompletionGroup()] = append(found[t.GetCompletionGroup()], t)
		}
		return found, nil
	})
	if err != nil {
		r.Violate("%v", err)
	}
	for _, h := range s.hooks {
		g, err := insist(ctx, s.c, "get "+h.group, func(ctx context.Context, n *Node) (*pb.CompletionGroup, error) {
			return n.CompletionGroup(ctx, h.group)
		})
		if err != nil || g.GetStatus() != pb.CompletionGroup_DONE || g.GetMembers().GetCompleted() != groupMembers {
			r.Violate("group %s is %v (%v)", h.group, g, err)
		}
		own := tasks[h.group]
		if len(own) != 1 || own[0].GetId() != g.GetTask().GetId() || own[0].GetStatus() != pb.Task_SUCCEEDED {
			r.Violate("group %s shows the task %q, the store has %v", h.group, g.GetTask().GetId(), own)
		}
		for _, wrong := range s.receiver.judge(h, g.GetTask().GetId()) {
			r.Violate("%s", wrong)
		}
		delete(tasks, h.group)
	}
	for group, own := range tasks {
		r.Violate("%d tasks belong to %q, which is no group", len(own), group)
	}
	for _, stray := range s.receiver.astray() {
		r.Violate("a delivery went astray: %s", stray)
	}
}

// tell puts into the report what was counted.
func (s *completions) tell(r *Report) {
	s.receiver.mu.Lock()
	defer s.receiver.mu.Unlock()
	deliveries, repeated := 0, 0
	ids := map[string]bool{}
	answers := map[reply]int{}
	for _, h := range s.hooks {
		for _, d := range h.deliveries {
			ids[d.id] = true
			answers[d.reply]++
		}
		deliveries += len(h.deliveries)
		repeated += len(h.deliveries) - 1
	}
	for _, point := range s.points {
		r.Note("%d nodes died at %s, in %d rounds none did", s.died[point], point, s.missed[point])
	}
	r.Note("%d groups, %d deliveries %v with %d different ids, %d of them repeated; the harness asked %d times for another attempt",
		len(s.hooks), deliveries, answers, len(ids), repeated, s.nudges)
	r.Measure("from a death to the next delivery", "s", s.delivered)
	r.Measure("from a death to the end of the group", "s", s.ended)
	if len(ids) != len(s.hooks) {
		r.Violate("%d groups were told under %d different ids: %q", len(s.hooks), len(ids), slices.Sorted(maps.Keys(ids)))
	}
}
