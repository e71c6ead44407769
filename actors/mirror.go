package actors

import (
	"context"
	"sync"
	"time"

	"godwit/actors/feed"
	clusterpb "godwit/protos/godwit/cluster/v1"
)

// mirror brings the snapshots of other nodes to the watchers of this one, while
// there are any. It asks each member again and again for what has changed; the
// member keeps what the mirror has not seen, one snapshot a transfer.
type mirror struct {
	system *System
	// all takes the snapshots of all nodes.
	all *feed.Feed[Snapshot]

	mu       sync.Mutex
	watchers map[*Watch]struct{}
	// loops are the members that are asked, by incarnation.
	loops map[string]context.CancelFunc
}

// Waiting for changes of another node.
const (
	// followWait is how long a member keeps a question open.
	followWait = time.Second
	// followPause comes after a failure, so that a dead member costs little.
	followPause = 250 * time.Millisecond
	// followBatch is how many snapshots one answer has at most.
	followBatch = 256
)

func newMirror(s *System) *mirror {
	return &mirror{
		system: s, all: &feed.Feed[Snapshot]{},
		watchers: map[*Watch]struct{}{}, loops: map[string]context.CancelFunc{},
	}
}

// Publish shows what this node's own transfers are.
func (m *mirror) Publish(id string, s Snapshot) {
	m.system.own.Publish(id, s)
	m.all.Publish(id, s)
}

func (m *mirror) join(w *Watch) {
	m.mu.Lock()
	m.watchers[w] = struct{}{}
	m.mu.Unlock()
	m.changed()
}

func (m *mirror) leave(w *Watch) {
	m.mu.Lock()
	delete(m.watchers, w)
	m.mu.Unlock()
	m.changed()
}

// changed begins to ask new members and ends to ask those that are gone, all of
// them when nobody watches. Watchers look again: what moved may have changed
// where nobody asked.
func (m *mirror) changed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := map[string]Member{}
	if r := m.system.routes.Load(); r != nil && len(m.watchers) > 0 && m.system.deps.cfg.Peers != nil && !m.system.closed.Load() {
		for _, other := range r.topology.others(m.system.deps.cfg.Node) {
			wanted[other.Name+" "+other.Incarnation] = other
		}
	}
	for key, stop := range m.loops {
		if _, ok := wanted[key]; !ok {
			stop()
			delete(m.loops, key)
		}
	}
	for key, member := range wanted {
		if m.loops[key] == nil {
			ctx, stop := context.WithCancel(context.Background())
			m.loops[key] = stop
			go m.follow(ctx, member)
		}
	}
	m.lookAgain()
}

// lookAgain has all watchers read what they watch once more.
func (m *mirror) lookAgain() {
	for w := range m.watchers {
		select {
		case w.again <- struct{}{}:
		default:
		}
	}
}

func (m *mirror) follow(ctx context.Context, to Member) {
	reader, gap := newNonce(), false
	for ctx.Err() == nil {
		var res clusterpb.FollowResult
		err := m.system.call(ctx, to, kindFollow, &clusterpb.FollowCall{Reader: reader}, &res)
		if err != nil {
			// The answer may have been on its way.
			gap = true
			_ = sleep(ctx, followPause)
			continue
		}
		for _, t := range res.GetTransfers() {
			snap := snapshotFrom(t, m.system.deps.cfg.Sealer)
			m.all.Publish(snap.State.Spec.ID, snap)
		}
		if res.GetFresh() || gap {
			gap = false
			m.mu.Lock()
			m.lookAgain()
			m.mu.Unlock()
		}
	}
}
