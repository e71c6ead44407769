package actors

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// manager runs the shards that placement gives to this node, and knows, of
// every transfer in them, the few things that concern more than its own shard:
// the order of the list, and who writes to which destination.
type manager struct {
	*deps
	topology Topology
	// table names the owner of each shard; nil until a topology is known.
	table  []string
	shards map[int]*shardRun
	// life counts what was spawned, so that names are never used twice.
	life int
	// loading are the shards that wait for their permit, permits how many have
	// one.
	loading []int
	permits int
	waiting []*actor.PID
	asking  asking
	// writers says which live transfer has a destination.
	writers map[string]string
	counts  map[countKey]int
	running map[string]struct{}
	// leaving is who waits for all shards to have stopped.
	leaving []*actor.PID
	// looked is the shard that was looked through last.
	looked   int
	fenced   bool
	stopping bool
}

// Requests to the manager itself.
type (
	// awaitLoaded is answered when every shard of this node has loaded.
	awaitLoaded struct{}
	// loaded answers it.
	loaded struct{}
	// topologyChanged says who is in the cluster now.
	topologyChanged struct{ topology Topology }
	// unfence starts the shards again, under a new incarnation.
	unfence struct{ incarnation string }
	// reportRunning asks for nowRunning.
	reportRunning struct{}
	// statusRequest is answered with a statusResult.
	statusRequest struct{}
	statusResult  struct{ shards, running, queued int }
)

func newManager(d deps) actor.Producer {
	return func() actor.Actor {
		own := d
		m := &manager{deps: &own}
		m.reset()
		return m
	}
}

// reset forgets all shards and what was known of their transfers.
func (m *manager) reset() {
	for k := range m.counts {
		m.cfg.Meter.Transfers(k.status, string(k.direction), 0)
	}
	m.shards, m.loading, m.permits = map[int]*shardRun{}, nil, 0
	m.asking = asking{outstanding: map[string]bool{}}
	m.writers, m.counts, m.running = map[string]string{}, map[countKey]int{}, map[string]struct{}{}
}

func (m *manager) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		m.deps.manager = ctx.Self()
		m.lookLater(ctx)
	case *actor.Stopping:
		m.stopping = true
	case *actor.Terminated:
		m.onTerminated(ctx, msg)
	case *createRequest:
		m.onCreate(ctx, msg)
	case *commandRequest:
		m.onCommand(ctx, msg)
	case *getRequest:
		m.forward(ctx, msg)
	case *listRequest:
		m.onList(ctx, msg)
	case *entryChanged:
		m.onEntryChanged(msg)
	case *entryGone:
		m.onEntryGone(msg)
	case *shardLoaded:
		m.onShardLoaded(ctx, msg)
	case *shardEmpty:
		m.onShardEmpty(ctx, msg)
	case *awaitLoaded:
		m.onAwaitLoaded(ctx)
	case *topologyChanged:
		m.onTopology(ctx, msg)
	case *fence:
		m.onFence(ctx)
	case *unfence:
		m.onUnfence(ctx, msg)
	case *stopAll:
		m.onStopAll(ctx)
	default:
		m.receiveSets(ctx)
	}
}

func (m *manager) onAwaitLoaded(ctx actor.Context) {
	m.waiting = append(m.waiting, ctx.Sender())
	m.answerLoaded(ctx)
}

// forward hands a request to the shard that holds its transfer.
func (m *manager) forward(ctx actor.Context, msg addressed) {
	run := m.shards[shardOf(msg.transferID())]
	switch {
	case run == nil || run.state == shardEnding:
		ctx.Respond(&result{err: elsewhere(msg.transferID())})
		return
	case run.state < shardReady:
		// A shard that has not loaded would not know its own transfers.
		ctx.Respond(&result{err: elsewhere(msg.transferID()), holder: run.holder})
		return
	}
	ctx.RequestWithCustomSender(run.pid, msg, ctx.Sender())
}

// onCreate refuses a second writer to one destination; everything else is the
// shard's.
func (m *manager) onCreate(ctx actor.Context, msg *createRequest) {
	if m.cfg.Peers == nil && !m.complete() {
		// Who writes where is not known yet. (In a cluster it never is for certain.)
		ctx.Respond(&result{err: elsewhere(msg.id)})
		return
	}
	e := entryOf(&msg.state)
	if m.entry(msg.id) == nil && !e.terminal() {
		if other, busy := m.otherWriter(&e); busy {
			ctx.Respond(&result{err: destBusy("create transfer", msg.id, other)})
			return
		}
		if e.dest != "" {
			m.writers[e.dest] = msg.id
		}
	}
	m.forward(ctx, msg)
}

// onCommand refuses to wake a failed transfer whose destination has another
// writer by now.
func (m *manager) onCommand(ctx actor.Context, msg *commandRequest) {
	_, retry := msg.event.(transfer.Retry)
	if e := m.entry(msg.id); e != nil && retry && e.terminal() {
		if other, busy := m.otherWriter(e); busy {
			ctx.Respond(&result{err: destBusy("retry transfer", msg.id, other)})
			return
		}
	}
	m.forward(ctx, msg)
}

// onFence stops everything at once: the lease is lost, so nothing may be
// finished, not even a record.
func (m *manager) onFence(ctx actor.Context) {
	if m.fenced {
		return
	}
	m.fenced = true
	ctx.Send(m.slots, &fence{})
	for _, run := range m.shards {
		if run.pid != nil {
			ctx.Stop(run.pid)
		}
	}
	m.reset()
	m.cfg.Logger.Warn("lease lost: all transfers stopped")
}

// onUnfence starts again as another incarnation; what the earlier one had must
// be claimed anew.
func (m *manager) onUnfence(ctx actor.Context, msg *unfence) {
	if !m.fenced || m.stopping {
		return
	}
	m.fenced = false
	next := *m.deps
	next.cfg.Incarnation, next.started = msg.incarnation, time.Now()
	m.deps = &next
	m.rearrange(ctx)
	m.cfg.Logger.Info("lease regained: transfers start again", slog.String("incarnation", msg.incarnation))
}

func (m *manager) onStopAll(ctx actor.Context) {
	m.stopping = true
	m.leaving = append(m.leaving, ctx.Sender())
	for n := range m.shards {
		m.drop(ctx, n)
	}
	m.answerStopped(ctx)
}

func (m *manager) answerStopped(ctx actor.Context) {
	if len(m.shards) > 0 || len(m.leaving) == 0 {
		return
	}
	for _, pid := range m.leaving {
		if pid != nil {
			ctx.Send(pid, &allStopped{})
		}
	}
	m.leaving = nil
}

func (m *manager) onStatus(ctx actor.Context) {
	out := &statusResult{}
	for _, run := range m.shards {
		if run.state >= shardReady {
			out.shards++
		}
	}
	for k, n := range m.counts {
		switch k.status {
		case string(transfer.PhaseRunning):
			out.running += n
		case string(transfer.PhaseQueued):
			out.queued += n
		}
	}
	ctx.Respond(out)
}

// reportedRunning bounds what a lease names of the transfers that run.
const reportedRunning = 256

func (m *manager) onReportRunning(ctx actor.Context) {
	ids := make([]string, 0, min(len(m.running), reportedRunning))
	for id := range m.running {
		if len(ids) == reportedRunning {
			break
		}
		ids = append(ids, id)
	}
	ctx.Respond(&nowRunning{ids: ids})
}

func (m *manager) spawn(ctx actor.Context, n int, run *shardRun) {
	m.life++
	props := actor.PropsFromProducer(newShard(m.deps, n, run.letGo), actor.WithReceiverMiddleware(logPanics(m.cfg.Logger)))
	pid, err := ctx.SpawnNamed(props, fmt.Sprintf("s%03x.%d", n, m.life))
	if err != nil {
		panic(err) // names carry the life, so they are free
	}
	run.pid, run.state = pid, shardLoading
}
