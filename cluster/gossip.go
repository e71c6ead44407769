package cluster

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/hashicorp/memberlist"
)

// gossip is what memberlist calls. It copies what it is told into the ledger
// and returns: callbacks run under memberlist's locks, and what they are handed
// changes later.
type gossip struct {
	lives *ledger
	ours  Meta
	log   *slog.Logger
	often *limiter

	mu   sync.Mutex
	meta []byte
	// foreign are the latest refusals, for who waits for a join to return:
	// memberlist flattens errors to text.
	foreign []*ForeignError
}

// maxForeign is how many refusals are kept.
const maxForeign = 16

// describe changes what the node says of itself.
func (g *gossip) describe(meta []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meta = meta
}

// NodeMeta implements memberlist.Delegate.
func (g *gossip) NodeMeta(int) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.meta
}

// NotifyMsg implements memberlist.Delegate: farewells arrive here.
func (g *gossip) NotifyMsg(body []byte) {
	if id := decodeLeaving(body); id != "" {
		g.lives.left(id)
	}
}

// GetBroadcasts implements memberlist.Delegate: there are none of ours.
func (g *gossip) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate: there is none of ours.
func (g *gossip) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (g *gossip) MergeRemoteState([]byte, bool) {}

// NotifyJoin implements memberlist.EventDelegate.
func (g *gossip) NotifyJoin(n *memberlist.Node) { g.NotifyUpdate(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (g *gossip) NotifyUpdate(n *memberlist.Node) {
	if meta, joining, err := decodeMeta(n.Meta); err == nil {
		g.lives.alive(n.Name, n.Addr, n.Port, meta, joining)
	}
}

// NotifyLeave implements memberlist.EventDelegate. Whether the node died or left
// cannot be told from what memberlist hands over; those who leave say so before.
func (g *gossip) NotifyLeave(n *memberlist.Node) { g.lives.dead(n.Name) }

// NotifyAlive implements memberlist.AliveDelegate: a foreigner that gossip
// brings along never becomes a member.
func (g *gossip) NotifyAlive(n *memberlist.Node) error {
	if foreign := g.check(n); foreign != nil {
		return foreign
	}
	return nil
}

// NotifyMerge implements memberlist.MergeDelegate: both sides of a join refuse
// it when one of the nodes that the peer holds to be alive is foreign.
func (g *gossip) NotifyMerge(peers []*memberlist.Node) error {
	for _, n := range peers {
		if n.State == memberlist.StateLeft {
			g.lives.left(n.Name)
		}
		if n.State != memberlist.StateAlive {
			continue
		}
		if foreign := g.check(n); foreign != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.foreign = append(g.foreign, foreign)
			g.foreign = g.foreign[max(0, len(g.foreign)-maxForeign):]
			return foreign
		}
	}
	return nil
}

// check returns why a node does not belong to this cluster, or nil, and logs it
// once in a while.
func (g *gossip) check(n *memberlist.Node) *ForeignError {
	node, addr := nameOf(n.Name), n.Address()
	theirs, _, err := decodeMeta(n.Meta)
	foreign := g.ours.differs(theirs, node, addr)
	if err != nil {
		foreign = &ForeignError{Node: node, Addr: addr, Field: FieldMeta}
	}
	if foreign != nil && g.often.allow("foreign "+addr) {
		g.log.Warn("refused a node that does not belong to this cluster",
			slog.String("node", node), slog.String("addr", addr),
			slog.String("reason", fmt.Sprint(foreign)))
	}
	return foreign
}

// refusals returns the latest refused merges.
func (g *gossip) refusals() []*ForeignError {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*ForeignError(nil), g.foreign...)
}
