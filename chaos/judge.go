package chaos

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
	pb "godwit/protos/godwit/v1"
)

// endPatience bounds how long transfers may take to end once nothing strikes
// any more.
const endPatience = 5 * time.Minute

// spilled is how many bytes one transfer may cost an origin for nothing, without
// any fault: what lies in the buffers of a connection that ends before its
// answer does, because others fetched the rest.
const spilled = 8 * mib

// mib is the unit of byte counts in reports.
const mib = 1 << 20

// Judge waits until all transfers are terminal and holds everything that
// happened against what is promised: all are completed with the origin's
// content, no more was fetched again than the faults explain, the history keeps
// its rules, and no log complains.
func (c *Cluster) Judge(ctx context.Context, p Params, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	last, err := c.Await(ctx)
	if err != nil {
		r.Violate("%v", err)
	}
	c.judgeResults(last, r)
	c.judgeWaste(last, p, r)
	c.JudgeHistory(r)
	c.judgeLogs(r)
}

func (c *Cluster) judgeResults(last map[string]*pb.Transfer, r *Report) {
	c.harvest(last, r)
	jobs := c.Jobs()
	r.Transfers = len(jobs)
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		switch t := last[id]; {
		case t == nil:
			r.Violate("%s was accepted and is not listed", id)
		case t.GetStatus() != pb.Transfer_COMPLETED:
			r.Violate("%s is %v: %v", id, t.GetStatus(), t.GetError())
		case jobs[id].verified:
			if f, err := c.opts.Store.Open(id); err == nil {
				_ = f.Close() // it was not even read
				r.Violate("%s was written again after it was completed", id)
			}
		}
	}
}

// harvest judges the results of completed transfers and removes those that are
// right.
func (c *Cluster) harvest(now map[string]*pb.Transfer, r *Report) {
	for id, j := range c.Jobs() {
		if j.verified || j.condemned || now[id].GetStatus() != pb.Transfer_COMPLETED {
			continue
		}
		sum, size, err := c.digest(id)
		if err == nil && (sum != j.Origin.SHA256() || size != j.Origin.Size) {
			err = fmt.Errorf("%d bytes, sha256 %s, the origin has %d, %s", size, sum, j.Origin.Size, j.Origin.SHA256())
		}
		if err == nil {
			err = c.opts.Store.Remove(id)
		}
		j.verified, j.condemned = err == nil, err != nil
		if err != nil {
			r.Violate("the result of %s is not right: %v", id, err)
		}
	}
}

// judgeWaste compares what the origins served with what explains it: faults, and
// unless the judgement is strict changes of owner that no fault forced, as when
// a node joins.
func (c *Cluster) judgeWaste(last map[string]*pb.Transfer, p Params, r *Report) {
	var struck, others []float64
	var total int64
	moves := 0
	jobs := c.Jobs()
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[id]
		extra := max(j.served()-j.Origin.Size, 0)
		total += extra
		if j.Hits > 0 {
			struck = append(struck, float64(extra)/mib)
		} else if extra > 0 {
			others = append(others, float64(extra)/mib)
		}
		changes := max(int(last[id].GetOwner().GetEpoch())-1, 0)
		moves += max(changes-j.Hits, 0)
		causes := j.Hits
		if !p.Strict {
			causes = max(causes, changes)
		}
		if explained := int64(causes)*p.Waste + spilled; extra > explained {
			r.Violate("%s was fetched with %.1f MiB more than it has; its node was struck %d times and it changed owners %d times, which explains %.1f MiB",
				id, float64(extra)/mib, j.Hits, changes, float64(explained)/mib)
		}
	}
	r.Measure("fetched again by a transfer that was struck", "MiB", struck)
	r.Measure("fetched again by another, if it did", "MiB", others)
	r.Note("%.1f MiB were fetched again in all; owners changed %d times more than faults struck", float64(total)/mib, moves)
}

// JudgeHistory reads what the nodes wrote down, if their binary does.
func (c *Cluster) JudgeHistory(r *Report) {
	events, err := c.writes(history.Run{})
	if err != nil {
		r.Violate("%v", err)
		return
	}
	r.Writes = len(events)
	outcomes := map[history.Outcome]int{}
	for _, e := range events {
		if e.Write != nil {
			outcomes[e.Write.Outcome]++
		}
	}
	r.Note("state writes: %v", outcomes)
	for _, v := range check.Judge(history.New(events)) {
		for _, violation := range v.Violations {
			r.Violate("%s: %v", v.ID, violation)
		}
	}
}

// writes are what the nodes wrote down, as events of a run.
func (c *Cluster) writes(run history.Run) ([]history.Event, error) {
	events, err := history.ReadNodes(run, c.histories()...)
	if err == nil && c.restored && len(events) > 0 {
		first := slices.MinFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
		events = append(events, history.Event{At: first.At - 1, Fault: &history.Fault{Kind: history.FaultRestore}})
	}
	return events, err
}

// judgeLogs looks for lines that no fault explains.
func (c *Cluster) judgeLogs(r *Report) {
	for _, n := range c.Nodes() {
		if lines := n.complaints(c.explained...); len(lines) > 0 {
			r.Violate("%s complains %d times, first: %s", n.Name, len(lines), fmt.Sprintf("%.500s", lines[0]))
		}
	}
}
