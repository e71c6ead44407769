package actors

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// Requests that concern all nodes: lists, and the nodes themselves.

// drainPoll is how often a node that drains is looked at.
const drainPoll = 200 * time.Millisecond

// part is the share of one node of a page.
type part struct {
	snapshots []Snapshot
	more      bool
	shards    shardSet
}

// List returns transfers in order of creation, of all nodes. Limit must be at
// least 1.
func (s *System) List(ctx context.Context, q Query) (Page, error) {
	patience, cancel := context.WithTimeout(ctx, s.deps.cfg.RoutePatience)
	defer cancel()
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		page, err := s.listOnce(patience, q)
		if err == nil {
			return page, nil
		}
		if !s.again(&getRequest{}, err) || sleep(patience, pause) != nil {
			return Page{}, err
		}
	}
}

// listOnce asks every node for its page and merges them. It fails while there
// are transfers that no node answers for.
func (s *System) listOnce(ctx context.Context, q Query) (Page, *transfer.Error) {
	parts, err := s.listAll(ctx, q)
	if err != nil {
		return Page{}, err
	}
	known := newShardSet()
	all := part{}
	for _, p := range parts {
		known.merge(p.shards)
		all.more = all.more || p.more
		all.snapshots = append(all.snapshots, p.snapshots...)
	}
	if !known.all() {
		e := elsewhere("")
		e.Op, e.Message = "list transfers", "some transfers are being handed to another node, or their nodes are starting or stopping; try again in a moment"
		return Page{}, e
	}
	slices.SortFunc(all.snapshots, func(a, b Snapshot) int {
		return cmp.Or(a.State.Created.Compare(b.State.Created), cmp.Compare(a.State.Spec.ID, b.State.Spec.ID))
	})
	// A transfer that was moved meanwhile may have been listed twice.
	all.snapshots = slices.CompactFunc(all.snapshots, func(a, b Snapshot) bool { return a.State.Spec.ID == b.State.Spec.ID })
	return pageOf(all, q.Limit), nil
}

func pageOf(all part, limit int) Page {
	page := Page{Transfers: all.snapshots}
	if len(page.Transfers) > limit {
		page.Transfers, all.more = page.Transfers[:limit], true
	}
	if n := len(page.Transfers); n > 0 && all.more {
		last := &page.Transfers[n-1].State
		page.Next = &Cursor{Created: last.Created, ID: last.Spec.ID}
	}
	return page
}

func (s *System) listAll(ctx context.Context, q Query) ([]part, *transfer.Error) {
	r := s.routes.Load()
	if r == nil {
		return nil, elsewhere("")
	}
	others := r.topology.others(s.deps.cfg.Node)
	parts := make([]part, len(others)+1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		parts[len(others)], err = s.listHere(ctx, q)
		return err
	})
	for i, m := range others {
		group.Go(func() error {
			var res clusterpb.ListResult
			if err := s.call(ctx, m, kindList, listCall(q), &res); err != nil {
				return nil // what only that node knows is missed below
			}
			if err := decodeError(res.GetError()); err != nil {
				return nil
			}
			parts[i] = part{more: res.GetMore(), shards: res.GetShards()}
			for _, t := range res.GetTransfers() {
				parts[i].snapshots = append(parts[i].snapshots, snapshotFrom(t, s.deps.cfg.Sealer))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, asTransferError(err)
	}
	return parts, nil
}

func listCall(q Query) *clusterpb.ListCall {
	c := &clusterpb.ListCall{
		Statuses: q.Statuses, Labels: q.Labels, Direction: string(q.Direction), AfterId: q.After.ID, Limit: int32(q.Limit),
		Group: q.Group, CompletionGroup: q.CompletionGroup, Unacknowledged: q.Unacknowledged,
	}
	if q.After != (Cursor{}) {
		c.AfterCreated = timestamppb.New(q.After.Created)
	}
	return c
}

func queryFrom(c *clusterpb.ListCall) Query {
	return Query{
		Statuses: c.GetStatuses(), Labels: c.GetLabels(), Direction: transfer.Direction(c.GetDirection()),
		Group: c.GetGroup(), CompletionGroup: c.GetCompletionGroup(), Unacknowledged: c.GetUnacknowledged(),
		After: Cursor{Created: fromStamp(c.GetAfterCreated()), ID: c.GetAfterId()}, Limit: int(c.GetLimit()),
	}
}

// statusHere is what this node runs.
func (s *System) statusHere(ctx context.Context) (*statusResult, error) {
	answer, err := s.ask(ctx, s.deps.manager, &statusRequest{})
	if err != nil {
		return nil, err
	}
	st, ok := answer.(*statusResult)
	if !ok {
		return nil, transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)
	}
	return st, nil
}

// Nodes returns all members with what they run; of one that does not answer,
// only what the others know.
func (s *System) Nodes(ctx context.Context) ([]NodeStatus, error) {
	r := s.routes.Load()
	if r == nil {
		return nil, elsewhere("")
	}
	out := make([]NodeStatus, len(r.topology.Members))
	var group errgroup.Group
	for i, m := range r.topology.Members {
		out[i].Member = m
		if m.serves() {
			group.Go(func() error {
				s.fillStatus(ctx, &out[i])
				return nil
			})
		}
	}
	_ = group.Wait()
	return out, ctx.Err()
}

func (s *System) fillStatus(ctx context.Context, n *NodeStatus) {
	if n.Name == s.deps.cfg.Node {
		if st, err := s.statusHere(ctx); err == nil {
			n.Shards, n.Running, n.Queued = st.shards, st.running, st.queued
		}
		return
	}
	var res clusterpb.StatusResult
	if s.call(ctx, n.Member, kindStatus, &clusterpb.StatusCall{}, &res) == nil {
		n.Shards, n.Running, n.Queued = int(res.GetShards()), int(res.GetRunning()), int(res.GetQueued())
	}
}

// Cordon gives a node nothing more and moves away what it has, or takes that
// back, and a drain as well.
func (s *System) Cordon(ctx context.Context, name string, cordoned bool) (NodeStatus, error) {
	if err := s.assign(ctx, name, Role{Cordoned: cordoned}); err != nil {
		return NodeStatus{}, err
	}
	return s.node(ctx, name)
}

// Drain gives away everything that a node has and returns when it has nothing
// left. When ctx ends before, the drain goes on.
func (s *System) Drain(ctx context.Context, name string) (NodeStatus, error) {
	if err := s.assign(ctx, name, Role{Draining: true}); err != nil {
		return NodeStatus{}, err
	}
	for {
		n, err := s.node(ctx, name)
		if err != nil {
			return n, err
		}
		if n.State == MemberDraining && n.Shards == 0 || !n.serves() {
			return n, nil
		}
		if err := sleep(ctx, drainPoll); err != nil {
			return n, &transfer.Error{
				Code: transfer.CodeShuttingDown, Op: "drain", Subject: name, Err: err,
				Message: "the node still gives away what it has; ask again",
			}
		}
	}
}

func (s *System) node(ctx context.Context, name string) (NodeStatus, error) {
	m, err := s.memberNamed(name)
	if err != nil {
		return NodeStatus{}, err
	}
	n := NodeStatus{Member: m}
	if m.serves() {
		s.fillStatus(ctx, &n)
	}
	return n, nil
}

func (s *System) memberNamed(name string) (Member, error) {
	if r := s.routes.Load(); r != nil {
		if m := r.topology.member(name); m != nil {
			return *m, nil
		}
	}
	return Member{}, &transfer.Error{Code: transfer.CodeNodeNotFound, Op: "find node", Subject: name, Field: "name", Message: "the cluster has no node of this name"}
}

// assign tells a node its role.
func (s *System) assign(ctx context.Context, name string, role Role) error {
	m, err := s.memberNamed(name)
	switch {
	case err != nil:
		return err
	case s.routes.Load().alone:
		return &transfer.Error{
			Code: transfer.CodeState, Op: "change node", Subject: name,
			Message: "the node is alone: there is nobody to take what it has",
		}
	case m.Name == s.deps.cfg.Node:
		return s.setRole(ctx, role)
	case !m.serves():
		return nodeUnreachable(name, nil)
	}
	call := &clusterpb.RoleCall{Draining: role.Draining, Cordoned: role.Cordoned}
	if err := s.call(ctx, m, kindRole, call, &clusterpb.RoleResult{}); err != nil {
		return nodeUnreachable(name, err)
	}
	return nil
}

func nodeUnreachable(name string, err error) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeNodeUnreachable, Op: "reach node", Subject: name, Field: "name", Err: err,
		Message: "the node does not answer",
	}
}

// setRole changes this node's own role: it is told to others by the node, and
// kept in the lease.
func (s *System) setRole(ctx context.Context, role Role) error {
	_, err := s.ask(ctx, s.health, &roleChanged{role: role})
	return err
}
