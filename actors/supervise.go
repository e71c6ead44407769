package actors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// maxCrashes is how often in a row a transfer's actor may panic before the
// transfer is quarantined.
const maxCrashes = 5

// crashMemory is how long after a crash another one is still in a row with it.
const crashMemory = time.Hour

// logPanics logs where a panic came from: the runtime only passes its value on.
func logPanics(log *slog.Logger) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, env *actor.MessageEnvelope) {
			defer func() {
				if cause := recover(); cause != nil {
					log.Error("actor panicked",
						slog.String("actor", c.Self().Id), slog.String("cause", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
					panic(cause)
				}
			}()
			next(c, env)
		}
	}
}

// HandleFailure supervises the shards: one that panics no longer knows its
// transfers, and nobody else does, so the node ends. The next one starts from
// the records.
func (m *manager) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	sup.StopChildren(child)
	m.failed(transfer.Errorf(transfer.CodeInternal, "shard %s failed: %v", child.Id, reason))
}

// HandleFailure supervises the transfers: a panic is a bug, so the actor starts
// afresh from its record, later each time, and after maxCrashes its transfer is
// set aside. The others never notice. It runs in the shard's own mailbox.
func (s *shard) HandleFailure(sys *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	if s.crashedEntity(sup, child, reason) {
		return
	}
	t := s.tenantOf(child)
	if t == nil || t.leaving || s.leaving {
		sup.StopChildren(child)
		return
	}
	sys.Root.Send(s.slots, &release{id: t.entry.id})
	if t.countCrash(time.Now()) > maxCrashes {
		t.leaving = true
		s.quarantine(sys, t, reason)
		sup.StopChildren(child)
		return
	}
	delay := transfer.Backoff(t.crashes, s.cfg.Random())
	s.cfg.Logger.Error("transfer actor restarts",
		slog.String("transfer", t.entry.id), slog.Int("crashes", t.crashes), slog.Duration("delay", delay))
	t.resting = true
	t.sent++
	sys.Root.Send(child, &numbered{number: t.sent})
	self := s.self
	time.AfterFunc(delay, func() {
		sup.RestartChildren(child)
		sys.Root.Send(self, &rested{pid: child})
	})
}

// countCrash counts a crash. Between two of them a transfer may well wait in
// the queue, so only time makes them forgotten.
func (t *tenant) countCrash(now time.Time) int {
	if now.Sub(t.crashed) > crashMemory {
		t.crashes = 0
	}
	t.crashes++
	t.crashed = now
	return t.crashes
}

// rested says that a crashed actor was started again.
type rested struct{ pid *actor.PID }

func (s *shard) onRested(msg *rested) {
	if t := s.tenantOf(msg.pid); t != nil {
		t.resting = false
	}
}

func (s *shard) tenantOf(pid *actor.PID) *tenant {
	for _, t := range s.tenants {
		if t.pid != nil && t.pid.Equal(pid) {
			return t
		}
	}
	return nil
}

// quarantinedRecord is the outcome of recording a quarantine.
type quarantinedRecord struct {
	id       string
	snapshot Snapshot
	err      error
}

// quarantine sets a transfer aside: it shows as failed, and its record says so.
func (s *shard) quarantine(sys *actor.ActorSystem, t *tenant, reason any) {
	id := t.entry.id
	t.fault = quarantined(id, fmt.Errorf("%v", reason))
	t.entry.status, t.entry.wantsSlot = string(transfer.PhaseFailed), false
	sys.Root.Send(s.manager, &entryChanged{entry: t.entry})
	fault, life, self := t.fault, s.life, s.self
	go func() {
		snap, err := s.recordFault(life.ctx, id, fault)
		sys.Root.Send(self, &quarantinedRecord{id: id, snapshot: snap, err: err})
	}()
}

// recordFault makes a record say that its transfer has failed, unless that has
// ended already: what is final stays so.
func (s *shard) recordFault(ctx context.Context, id string, fault *transfer.Error) (Snapshot, error) {
	rec, err := s.recorder.readPatiently(ctx, id)
	if err != nil {
		return Snapshot{}, err
	}
	state := decodeState(rec.body, rec.secret)
	if !state.Phase.Terminal() {
		// What the actor had begun when it crashed, nobody knows.
		state.MaybeBegun = state.MaybeBegun || state.Gen.Upload == (transfer.UploadRef{})
		state.Phase, state.Err, state.Finished, state.Pauses = transfer.PhaseFailed, fault, time.Now(), nil
		if err := s.write(ctx, rec, &state, rec.envelope.GetEpoch()); err != nil {
			return Snapshot{}, err
		}
	}
	return Snapshot{State: state, Node: s.cfg.Node, Epoch: rec.envelope.GetEpoch(), Sequence: rec.envelope.GetSequence(), ETag: etagOf(rec), OnWire: state.OnWire}, nil
}

// onQuarantined lets a quarantined transfer be retried by hand once its record
// is in order.
func (s *shard) onQuarantined(ctx actor.Context, msg *quarantinedRecord) {
	t, ok := s.tenants[msg.id]
	if !ok || msg.err != nil {
		s.cfg.Logger.Error("quarantine not recorded", slog.String("transfer", msg.id), slog.Any("error", msg.err))
		return
	}
	t.fault, t.crashes, t.entry = nil, 0, entryOf(&msg.snapshot.State)
	t.entry.needsCleanup = false
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
	s.feed.Publish(msg.id, msg.snapshot)
}
