package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// Before a shard is loaded, all others are asked whether they still have it:
// who has it is about to give it away, since it sees the same topology, and
// what is read before that would be stale. Asking is a courtesy that keeps
// bytes from being fetched twice; who may write is decided by records alone.

// askEvery is how often a member is asked again that has a shard still;
// askTimeout is how long it may take to answer.
const (
	askEvery   = 150 * time.Millisecond
	askTimeout = 2 * time.Second
)

// asking is what the manager is asking others.
type asking struct {
	// outstanding are the members that have not answered yet.
	outstanding map[string]bool
	scheduled   bool
}

type (
	// releaseRequest asks which of these shards this node has.
	releaseRequest struct{ shards []int }
	// releaseResult answers it.
	releaseResult struct{ holding []int }
	// releaseAnswered is what a member said of the shards asked for.
	releaseAnswered struct {
		member, incarnation string
		asked, holding      []int
		failed              bool
	}
	askAgain struct{}
	// letGo tells a shard that has loaded that an incarnation has let go of it
	// since.
	letGo struct{ incarnation string }
	// ranThere are transfers that a dead member was running.
	ranThere struct{ ids []string }
)

// receiveHandover is the part of Receive that hands shards over.
func (m *manager) receiveHandover(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *releaseRequest:
		m.onRelease(ctx, msg)
	case *releaseAnswered:
		m.onReleaseAnswered(ctx, msg)
	case *askAgain:
		m.onAskAgain(ctx)
	case *ranThere:
		m.onRanThere(msg)
	case *ownerDoubted:
		m.onOwnerDoubted(ctx, msg)
	case *lookDue:
		m.onLookDue(ctx)
	}
}

// ask asks every member about all shards that it has not answered for.
func (m *manager) ask(ctx actor.Context) {
	wanted := map[string][]int{}
	for n, run := range m.shards {
		for name := range run.need {
			wanted[name] = append(wanted[name], n)
		}
	}
	for _, other := range m.topology.others(m.cfg.Node) {
		if shards := wanted[other.Name]; len(shards) > 0 && !m.asking.outstanding[other.Name] {
			m.asking.outstanding[other.Name] = true
			m.askOne(ctx, other, shards)
		}
	}
}

func (m *manager) askOne(ctx actor.Context, to Member, shards []int) {
	peers, self, root := m.cfg.Peers, ctx.Self(), ctx.ActorSystem().Root
	version := m.topology.Version
	go func() {
		c, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		call := &clusterpb.ReleaseCall{Shards: toUint32(shards)}
		answer := &releaseAnswered{member: to.Name, incarnation: to.Incarnation, asked: shards}
		var res clusterpb.ReleaseResult
		if err := callPeer(c, peers, to, kindRelease, version, call, &res); err != nil {
			answer.failed = true
		}
		answer.holding = fromUint32(res.GetHolding())
		root.Send(self, answer)
	}()
}

func (m *manager) onReleaseAnswered(ctx actor.Context, msg *releaseAnswered) {
	delete(m.asking.outstanding, msg.member)
	if !msg.failed {
		holding := map[int]bool{}
		for _, n := range msg.holding {
			holding[n] = true
		}
		for _, n := range msg.asked {
			switch run := m.shards[n]; {
			case run == nil || run.need[msg.member] != msg.incarnation:
			case holding[n]:
				run.holder, run.gained = msg.member, time.Now()
			default:
				m.cleared(ctx, run, msg.member, msg.incarnation)
			}
		}
	}
	m.proceed(ctx)
	m.askLater(ctx)
}

// cleared notes that a member does not have a shard.
func (m *manager) cleared(ctx actor.Context, run *shardRun, member, incarnation string) {
	delete(run.need, member)
	if run.pid != nil {
		ctx.Send(run.pid, &letGo{incarnation: incarnation})
		return
	}
	run.letGo[incarnation] = true
}

// askLater asks again in a moment, if anything is left to ask.
func (m *manager) askLater(ctx actor.Context) {
	if m.asking.scheduled || !m.needs() {
		return
	}
	m.asking.scheduled = true
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(askEvery, func() { root.Send(self, &askAgain{}) })
}

func (m *manager) needs() bool {
	for _, run := range m.shards {
		if len(run.need) > 0 {
			return true
		}
	}
	return false
}

func (m *manager) onAskAgain(ctx actor.Context) {
	m.asking.scheduled = false
	if m.fenced || m.stopping {
		return
	}
	m.ask(ctx)
	m.proceed(ctx)
	m.askLater(ctx)
}

// forgetDead no longer waits for members that cannot answer: what they had is
// judged record by record, and looked for.
func (m *manager) forgetDead(ctx actor.Context) {
	alive := map[string]string{}
	for _, other := range m.topology.others(m.cfg.Node) {
		alive[other.Name] = other.Incarnation
	}
	for _, run := range m.shards {
		for name, incarnation := range run.need {
			if alive[name] != incarnation {
				delete(run.need, name)
				if run.pid != nil {
					ctx.Send(run.pid, &lookAgain{})
				}
			}
		}
	}
}

// onRelease says which shards this node still has; one that it is only about to
// have is nobody's yet.
func (m *manager) onRelease(ctx actor.Context, msg *releaseRequest) {
	out := &releaseResult{}
	for _, n := range msg.shards {
		if run := m.shards[n]; run != nil && run.state != shardAsked {
			out.holding = append(out.holding, n)
		}
	}
	ctx.Respond(out)
}

// lookAfterDead reads in the leases of members that have just died what they
// were running: the shards of these transfers are loaded first.
func (m *manager) lookAfterDead(ctx actor.Context, before *Topology) {
	for _, old := range before.others(m.cfg.Node) {
		if now := m.topology.member(old.Name); now != nil && now.serves() && now.Incarnation == old.Incarnation {
			continue
		}
		store, self, root := m.cfg.Records, ctx.Self(), ctx.ActorSystem().Root
		go func() {
			c, cancel := context.WithTimeout(context.Background(), askTimeout)
			defer cancel()
			if lease, _, err := readLease(c, store, old.Name); err == nil && lease != nil {
				root.Send(self, &ranThere{ids: lease.GetRunning()})
			}
		}()
	}
}

func (m *manager) onRanThere(msg *ranThere) {
	for _, id := range msg.ids {
		if run := m.shards[shardOf(id)]; run != nil {
			run.urgent = true
		}
	}
}

func toUint32(shards []int) []uint32 {
	out := make([]uint32, len(shards))
	for i, n := range shards {
		out[i] = uint32(n)
	}
	return out
}

func fromUint32(shards []uint32) []int {
	out := make([]int, 0, len(shards))
	for _, n := range shards {
		if n < Shards {
			out = append(out, int(n))
		}
	}
	return out
}
