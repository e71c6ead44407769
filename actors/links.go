package actors

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// links has the connections to one origin host bounded for all nodes together.
// Each host has a keeper, placed like a shard, that leases connections to the
// nodes that need them. Without a keeper each node takes a fair static share.
type links struct {
	*deps
	life     *life
	topology Topology
	// kept are the hosts whose limit this node keeps.
	kept map[string]*link
	// asking are the keepers that have not answered yet, with what is to be asked
	// next, by host.
	asking map[string]map[string]linkDemand
}

// Messages of links.
type (
	linksDue struct{}
	// demandsRequest asks slots for linkDemands.
	demandsRequest struct{}
	// linkDemands are the hosts that transfers of this node run against.
	linkDemands struct{ demands []linkDemand }
	// linkRequest is a node's demand, at the keeper; answered with linkLeases.
	linkRequest struct {
		from    string
		demands []linkDemand
	}
	linkLeases struct{ leases []linkLease }
	// linkAnswered is the outcome of asking a keeper.
	linkAnswered struct {
		keeper string
		leases []linkLease
	}
)

type linkDemand struct {
	host               string
	transfers, running int
	busy               time.Time
}

// linkLease is how many connections this node may open to a host.
type linkLease struct {
	host        string
	connections int
	busy        time.Time
}

func newLinks(d *deps) actor.Producer {
	return func() actor.Actor {
		return &links{deps: d, kept: map[string]*link{}, asking: map[string]map[string]linkDemand{}}
	}
}

func (l *links) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		c, stop := context.WithCancel(context.Background())
		l.life = &life{ctx: c, stop: stop}
		l.onDue(ctx)
	case *actor.Stopping, *actor.Restarting:
		l.life.stop()
	case *topologyChanged:
		l.onTopology(msg)
	case *linksDue:
		l.onDue(ctx)
	case *linkDemands:
		l.onDemands(ctx, msg)
	case *linkRequest:
		ctx.Respond(&linkLeases{leases: l.lease(msg.from, msg.demands)})
	case *linkAnswered:
		l.onAnswered(ctx, msg)
	}
}

// onTopology takes back what processes held that have ended for certain.
func (l *links) onTopology(msg *topologyChanged) {
	l.topology = msg.topology
	for _, kept := range l.kept {
		for name, use := range kept.nodes {
			if m := l.topology.member(name); m != nil && (m.Gone || m.Incarnation != use.incarnation) {
				kept.leave(name)
			}
		}
	}
}

func (l *links) schedule(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(linkEvery, func() { root.Send(self, &linksDue{}) })
}

func (l *links) onDue(ctx actor.Context) {
	if l.life.ctx.Err() != nil {
		return
	}
	now := time.Now()
	for host, kept := range l.kept {
		if kept.idle(now) {
			delete(l.kept, host)
		}
	}
	ctx.Request(l.slots, &demandsRequest{})
	l.schedule(ctx)
}

// onDemands asks the keeper of each host.
func (l *links) onDemands(ctx actor.Context, msg *linkDemands) {
	byKeeper := map[string][]linkDemand{}
	for _, d := range msg.demands {
		if keeper := l.topology.keeper(d.host); keeper != nil {
			byKeeper[keeper.Name] = append(byKeeper[keeper.Name], d)
		}
	}
	for name, demands := range byKeeper {
		switch {
		case name == l.cfg.Node:
			l.tell(ctx, l.lease(name, demands))
		case l.asking[name] == nil:
			l.asking[name] = map[string]linkDemand{}
			l.callKeeper(ctx, *l.topology.member(name), demands)
		default:
			for _, d := range demands {
				l.asking[name][d.host] = d
			}
		}
	}
}

// onAnswered passes on what a keeper grants, and asks what came up meanwhile.
func (l *links) onAnswered(ctx actor.Context, msg *linkAnswered) {
	next := slices.Collect(maps.Values(l.asking[msg.keeper]))
	delete(l.asking, msg.keeper)
	l.tell(ctx, msg.leases)
	if len(next) > 0 {
		l.onDemands(ctx, &linkDemands{demands: next})
	}
}

func (l *links) callKeeper(ctx actor.Context, keeper Member, demands []linkDemand) {
	life, self, root := l.life, ctx.Self(), ctx.ActorSystem().Root
	version := l.topology.Version
	go func() {
		c, cancel := context.WithTimeout(life.ctx, linkTTL/2)
		defer cancel()
		answer := &linkAnswered{keeper: keeper.Name}
		var res clusterpb.LinkResult
		if callPeer(c, l.cfg.Peers, keeper, kindLink, version, wireDemands(demands), &res) == nil {
			for _, w := range res.GetLeases() {
				answer.leases = append(answer.leases, linkLease{w.GetHost(), int(w.GetConnections()), fromStamp(w.GetBusyUntil())})
			}
		}
		root.Send(self, answer)
	}()
}

func (l *links) tell(ctx actor.Context, leases []linkLease) {
	if len(leases) > 0 {
		ctx.Send(l.slots, &linkLeases{leases: leases})
	}
}

// lease is what this node grants as the keeper. Who needs nothing any more gets no
// answer.
func (l *links) lease(from string, demands []linkDemand) []linkLease {
	now := time.Now()
	limit := l.cfg.HostConnections
	static := l.topology.staticShare(limit)
	out := make([]linkLease, 0, len(demands))
	for _, d := range demands {
		kept := l.kept[d.host]
		if kept == nil {
			kept = newLink(now)
			l.kept[d.host] = kept
		}
		kept.hold(d.busy)
		if d.transfers == 0 {
			kept.leave(from)
			continue
		}
		share := kept.lease(from, d.transfers, d.running, limit, static, now)
		if m := l.topology.member(from); m != nil {
			kept.nodes[from].incarnation = m.Incarnation
		}
		out = append(out, linkLease{d.host, share, kept.busy})
	}
	return out
}

func wireDemands(demands []linkDemand) *clusterpb.LinkCall {
	out := &clusterpb.LinkCall{}
	for _, d := range demands {
		out.Demands = append(out.Demands, &clusterpb.LinkDemand{
			Host: d.host, Transfers: int32(d.transfers), Running: int32(d.running), BusyUntil: stamp(d.busy),
		})
	}
	return out
}

// maxLinkDemands bounds how many hosts one request may name.
const maxLinkDemands = 10_000

// serveLink answers another node as the keeper.
func (s *System) serveLink(ctx context.Context, from string, c *clusterpb.LinkCall) (*clusterpb.LinkResult, error) {
	req := &linkRequest{from: from}
	for _, d := range c.GetDemands()[:min(len(c.GetDemands()), maxLinkDemands)] {
		req.demands = append(req.demands, linkDemand{d.GetHost(), int(d.GetTransfers()), int(d.GetRunning()), fromStamp(d.GetBusyUntil())})
	}
	answer, err := s.ask(ctx, s.links, req)
	if err != nil {
		return nil, err
	}
	out := &clusterpb.LinkResult{}
	if granted, ok := answer.(*linkLeases); ok {
		for _, g := range granted.leases {
			out.Leases = append(out.Leases, &clusterpb.LinkLease{
				Host: g.host, Connections: int32(g.connections), BusyUntil: stamp(g.busy),
			})
		}
	}
	return out, nil
}
