package actors

import (
	"context"
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
)

// onCreate records a new transfer. Nobody has accepted anything before the
// record is written.
func (s *shard) onCreate(ctx actor.Context, msg *createRequest) { s.create(ctx, msg, ctx.Sender()) }

func (s *shard) create(ctx actor.Context, msg *createRequest, sender *actor.PID) {
	if t, ok := s.tenants[msg.id]; ok {
		if !s.createdTwice(ctx, t, msg, sender) {
			s.deliver(ctx, t, msg, sender)
		}
		return
	}
	if s.leaving {
		ctx.Send(sender, &result{err: s.refusal(&tenant{entry: entry{id: msg.id}})})
		return
	}
	t := &tenant{entry: entryOf(&msg.state), writing: true}
	s.tenants[msg.id] = t
	t.held = append(t.held, held{msg, sender})
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	state := msg.state
	go func() {
		rec := newRecord(state.Spec.ID)
		err := s.write(life.ctx, rec, &state, 1)
		root.Send(self, &recordWritten{id: state.Spec.ID, rec: rec, err: err})
	}()
}

// write writes a record as this node's.
func (s *shard) write(ctx context.Context, rec *record, state *transfer.State, epoch uint64) error {
	owner := &recordpb.Owner{Node: s.cfg.Node, Incarnation: s.cfg.Incarnation}
	body, env, err := rec.encode(state, owner, epoch, s.cfg.Sealer)
	if err != nil {
		return err
	}
	version, err := s.recorder.write(ctx, rec.key, rec.version, body)
	if err != nil {
		return err
	}
	rec.wrote(env, version)
	return nil
}

// onWritten answers the creator. If somebody else had created it meanwhile,
// what is recorded decides.
func (s *shard) onWritten(ctx actor.Context, msg *recordWritten) {
	t := s.tenants[msg.id]
	waiting := t.held
	if msg.err == nil && t.entry.completion != "" {
		s.createdMember(ctx, t, msg.rec)
		return
	}
	t.writing, t.held = false, nil
	defer s.maybeLeave(ctx)
	switch {
	case msg.err == nil:
		ctx.Send(s.manager, &entryChanged{entry: t.entry})
		snap := snapshotOf(msg.rec)
		s.feed.Publish(msg.id, snap)
		ctx.Send(waiting[0].sender, &result{snapshot: snap, created: true})
		waiting = waiting[1:]
		if t.entry.wantsSlot {
			s.keepFresh(t, msg.rec)
			s.wake(ctx, t)
		}
	case errors.Is(msg.err, errFenced):
		// It exists: what is recorded is taken in, and the requests go to it.
		s.notCreated(ctx, t)
		for _, h := range waiting {
			s.seek(ctx, msg.id, h.msg, h.sender)
		}
		return
	default:
		s.notCreated(ctx, t)
		for _, h := range waiting {
			ctx.Send(h.sender, &result{err: storeError(msg.err)})
		}
		return
	}
	for _, h := range waiting {
		s.deliver(ctx, t, h.msg, h.sender)
	}
}

// notCreated forgets a transfer whose record this node has not written.
func (s *shard) notCreated(ctx actor.Context, t *tenant) {
	delete(s.tenants, t.entry.id)
	ctx.Send(s.manager, &entryGone{entry: t.entry})
}

// freshMost is how many records a shard keeps that it has just written. They save
// a transfer that runs at once from being read; very many that wait would fill
// the memory.
const freshMost = 4

func (s *shard) keepFresh(t *tenant, rec *record) {
	if s.fresh < freshMost {
		t.fresh = rec
		s.fresh++
	}
}

func (s *shard) takeFresh(t *tenant) *record {
	rec := t.fresh
	if rec != nil {
		t.fresh = nil
		s.fresh--
	}
	return rec
}

// createdMember keeps the creator waiting until the completion group counts what
// was created.
func (s *shard) createdMember(ctx actor.Context, t *tenant, rec *record) {
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
	t.creator = &creator{to: t.held[0].sender, snapshot: snapshotOf(rec), rec: rec}
	t.held = t.held[1:]
	s.join(ctx, t)
}

// onGet answers from the running actor, or else from the record without
// starting one.
func (s *shard) onGet(ctx actor.Context, msg *getRequest) {
	t, ok := s.tenants[msg.id]
	if !ok {
		s.seek(ctx, msg.id, msg, ctx.Sender())
		return
	}
	s.show(ctx, t, ctx.Sender())
}

func (s *shard) show(ctx actor.Context, t *tenant, sender *actor.PID) {
	id := t.entry.id
	switch {
	case t.writing || t.pid != nil && !t.leaving && !t.resting:
		s.deliver(ctx, t, &getRequest{id: id}, sender)
	case t.fault != nil:
		ctx.Send(sender, &result{snapshot: faulty(t)})
	default:
		root, life, ours := ctx.ActorSystem().Root, s.life, !t.waiting
		go func() {
			res := s.snapshotOf(life.ctx, id, ours)
			if res.err != nil && life.ctx.Err() != nil {
				res.err = elsewhere(id)
			}
			root.Send(sender, res)
		}()
	}
}

// snapshotOf shows a transfer that is no actor. One that waits here is this
// node's, whoever wrote its record: it is claimed when it runs.
func (s *shard) snapshotOf(ctx context.Context, id string, ours bool) *result {
	rec, err := s.recorder.read(ctx, id)
	if err != nil {
		return &result{err: err}
	}
	snap := snapshotOf(rec)
	if ours && !snap.State.Phase.Terminal() {
		snap.Node = s.cfg.Node
		if snap.State.Phase == transfer.PhaseRunning || snap.State.Phase == transfer.PhaseVerifying {
			snap.State.Phase = transfer.PhaseQueued
		}
	}
	return &result{snapshot: snap}
}

// snapshotOf is what a record says.
func snapshotOf(rec *record) Snapshot {
	return Snapshot{
		State: decodeState(rec.body, rec.secret), Node: rec.envelope.GetOwner().GetNode(),
		Epoch: rec.envelope.GetEpoch(), Sequence: rec.envelope.GetSequence(), ETag: etagOf(rec),
	}
}

// faulty is what is shown of a transfer whose record cannot be used.
func faulty(t *tenant) Snapshot {
	return Snapshot{State: transfer.State{
		Spec:    transfer.Spec{ID: t.entry.id, Direction: t.entry.direction, Size: transfer.UnknownSize},
		Phase:   transfer.PhaseFailed,
		Err:     t.fault,
		Created: t.entry.created,
	}}
}
