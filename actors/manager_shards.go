package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// parallelLoads is how many shards list their records at a time, so that a
// start, or the death of a neighbour, is no storm on the store.
const parallelLoads = 32

// shardState is how far a shard of this node is.
type shardState int

const (
	// shardAsked: others are asked whether they still have it.
	shardAsked shardState = iota
	// shardLoading: its actor waits for a permit, or reads its records.
	shardLoading
	// shardReady: it knows all its transfers.
	shardReady
	// shardLeaving: it gives them away, and answers for them meanwhile.
	shardLeaving
	// shardEnding: nothing is left, and nothing is sent to it any more.
	shardEnding
)

// shardRun is one shard that this node has, or is about to have.
type shardRun struct {
	state shardState
	pid   *actor.PID
	// gained is when placement gave it to this node, or when a member last said
	// that it still has it: that is holder.
	gained time.Time
	holder string
	// need are the members that have not said yet that they do not have it, by
	// name and incarnation; letGo the incarnations that have.
	need  map[string]string
	letGo map[string]bool
	// permitted: it is reading its records. urgent: transfers in it were running.
	permitted, urgent bool
	entries           map[string]*entry
	entities          map[address]struct{}
}

func (m *manager) onTopology(ctx actor.Context, msg *topologyChanged) {
	before := m.topology
	m.topology = msg.topology
	m.table = m.topology.placement()
	m.lookAfterDead(ctx, &before)
	if !m.fenced && !m.stopping {
		m.doubt(&before)
		m.rearrange(ctx)
	}
}

// doubt has members asked about all shards that were not known, or out of reach, and
// are there now: they did not know who had these, may have taken some, and let go of
// them now.
func (m *manager) doubt(before *Topology) {
	for _, other := range m.topology.others(m.cfg.Node) {
		if old := before.member(other.Name); old != nil && old.Incarnation == other.Incarnation && old.serves() {
			continue
		}
		for _, run := range m.shards {
			if run.state == shardLoading || run.state == shardReady {
				run.need[other.Name] = other.Incarnation
			}
		}
	}
}

// rearrange takes the shards that placement gives to this node, and gives away
// the others.
func (m *manager) rearrange(ctx actor.Context) {
	for n, owner := range m.table {
		run, mine := m.shards[n], owner == m.cfg.Node
		switch {
		case mine && run == nil:
			m.gain(n)
		case !mine && run != nil:
			m.drop(ctx, n)
		}
	}
	m.forgetDead(ctx)
	m.ask(ctx)
	m.proceed(ctx)
}

func (m *manager) gain(n int) {
	run := &shardRun{gained: time.Now(), need: map[string]string{}, letGo: map[string]bool{}, entries: map[string]*entry{}, entities: map[address]struct{}{}}
	if m.cfg.Peers != nil {
		for _, other := range m.topology.others(m.cfg.Node) {
			run.need[other.Name] = other.Incarnation
		}
	}
	m.shards[n] = run
}

// drop gives a shard away: what runs in it stops at a boundary of its parts and
// is recorded as released.
func (m *manager) drop(ctx actor.Context, n int) {
	switch run := m.shards[n]; run.state {
	case shardAsked:
		delete(m.shards, n)
	case shardLoading, shardReady:
		m.endLoading(n, run)
		run.state = shardLeaving
		ctx.Send(run.pid, &stopAll{grace: m.grace()})
	case shardLeaving, shardEnding:
	}
}

// onShardEmpty ends a shard behind what was sent to it: a message that it has not
// seen when it ends would never be answered.
func (m *manager) onShardEmpty(ctx actor.Context, msg *shardEmpty) {
	if run := m.shards[msg.shard]; run != nil && run.pid.Equal(ctx.Sender()) {
		run.state = shardEnding
		ctx.Poison(run.pid)
	}
}

// grace is how long transfers that move may take to finish their parts. Who
// moves them only for balance has time.
func (m *manager) grace() time.Duration {
	if self := m.topology.member(m.cfg.Node); m.stopping || self == nil || self.Draining || self.State == MemberDraining {
		return m.cfg.HandoverGrace
	}
	return m.cfg.RebalanceGrace
}

// proceed starts the shards that nobody else has any more, those first in which
// transfers were running.
func (m *manager) proceed(ctx actor.Context) {
	for n, run := range m.shards {
		if run.state == shardAsked && (len(run.need) == 0 || time.Since(run.gained) >= m.cfg.ReleasePatience) {
			m.spawn(ctx, n, run)
			m.loading = append(m.loading, n)
		}
	}
	for m.permits < parallelLoads && len(m.loading) > 0 {
		m.permit(ctx, m.nextToLoad())
	}
	m.answerLoaded(ctx)
}

// nextToLoad takes the next shard out of the queue.
func (m *manager) nextToLoad() int {
	at := 0
	for i, n := range m.loading {
		if m.shards[n].urgent {
			at = i
			break
		}
	}
	n := m.loading[at]
	m.loading = append(m.loading[:at], m.loading[at+1:]...)
	return n
}

func (m *manager) permit(ctx actor.Context, n int) {
	run := m.shards[n]
	run.permitted = true
	m.permits++
	ctx.Send(run.pid, &loadPermit{verdicts: m.deadOwners()})
}

// deadOwners are the members that have ended by what is known already: what they
// left is read once and not again when they are judged.
func (m *manager) deadOwners() map[ownerRef]verdict {
	var out map[ownerRef]verdict
	for i := range m.topology.Members {
		one := &m.topology.Members[i]
		ref := ownerRef{one.Name, one.Incarnation}
		if v := judge(ref, evidence{member: one}, m.cfg.LeaseExpiry); v != ownerLives {
			if out == nil {
				out = map[ownerRef]verdict{}
			}
			out[ref] = v
		}
	}
	return out
}

// endLoading takes a shard out of the queue, or its permit back.
func (m *manager) endLoading(n int, run *shardRun) {
	if run.permitted {
		run.permitted = false
		m.permits--
		return
	}
	for i, waiting := range m.loading {
		if waiting == n {
			m.loading = append(m.loading[:i], m.loading[i+1:]...)
			return
		}
	}
}

func (m *manager) onShardLoaded(ctx actor.Context, msg *shardLoaded) {
	run := m.shards[msg.shard]
	if run == nil || run.state != shardLoading || !run.pid.Equal(ctx.Sender()) {
		return
	}
	m.endLoading(msg.shard, run)
	run.state = shardReady
	m.proceed(ctx)
}

// complete tells that this node knows all transfers that it should have, or who
// has them still.
func (m *manager) complete() bool {
	if m.table == nil || m.fenced {
		return false
	}
	for _, run := range m.shards {
		if run.state == shardLoading || run.state == shardAsked && run.holder == "" {
			return false
		}
	}
	return true
}

func (m *manager) answerLoaded(ctx actor.Context) {
	if len(m.waiting) == 0 || !m.complete() {
		return
	}
	for _, pid := range m.waiting {
		ctx.Send(pid, &loaded{})
	}
	m.waiting = nil
}

// onTerminated forgets a shard that has given everything away; if placement
// gives it to this node by now, it begins anew.
func (m *manager) onTerminated(ctx actor.Context, msg *actor.Terminated) {
	for n, run := range m.shards {
		if run.pid == nil || !run.pid.Equal(msg.Who) {
			continue
		}
		m.endLoading(n, run)
		m.forgetEntries(run)
		delete(m.shards, n)
		if !m.stopping && m.table[n] == m.cfg.Node {
			m.gain(n)
			m.ask(ctx)
			m.proceed(ctx)
		}
		break
	}
	m.answerStopped(ctx)
}
