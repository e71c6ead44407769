package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// A transfer of a transfer group asks for a slot only while its group gives it
// the turn. The group is told whenever that may matter; what it is not told it
// finds out by a census.

type (
	// turnRequest gives a transfer its turn or takes it back.
	turnRequest struct {
		id, group string
		granted   bool
	}
	// turnWanted says that a transfer of a group wants a slot.
	turnWanted struct {
		id        string
		notBefore time.Time
		started   bool
	}
)

func (r *turnRequest) transferID() string { return r.id }

func (s *System) serveTurn(ctx context.Context, c *clusterpb.TurnCall) (*clusterpb.Result, error) {
	return wireResult(s.local(ctx, &turnRequest{id: c.GetId(), group: c.GetGroup(), granted: c.GetGranted()}), s.deps.cfg.Sealer), nil
}

// onTurn takes in what the group decided. A running transfer that loses its turn
// stops at once and waits again, with its bytes.
func (s *shard) onTurn(ctx actor.Context, msg *turnRequest) {
	t, ok := s.tenants[msg.id]
	if !ok {
		s.seek(ctx, msg.id, msg, ctx.Sender())
		return
	}
	s.turn(ctx, t, msg, ctx.Sender())
}

func (s *shard) turn(ctx actor.Context, t *tenant, msg *turnRequest, sender *actor.PID) {
	if t.waiting {
		ctx.Send(sender, &result{err: s.theirs(msg.id)})
		return
	}
	if t.entry.group == msg.group {
		s.takeTurn(ctx, t, msg.granted)
	}
	ctx.Send(sender, &result{})
}

// takeTurn takes in a turn, or gives it back, and confirms that.
func (s *shard) takeTurn(ctx actor.Context, t *tenant, granted bool) {
	changed := t.entry.turn != granted
	if changed {
		s.setTurn(ctx, t, granted)
	}
	switch {
	case changed && granted:
		s.wake(ctx, t)
	case changed && s.revokeTurn(ctx, t):
		return // it says so itself when it has stopped
	case !changed && !granted && t.entry.runs():
		return // so it does if it was told before: the group would only ask again
	}
	s.tellGroup(ctx, t)
}

func (s *shard) setTurn(ctx actor.Context, t *tenant, has bool) {
	t.entry.turn = has
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
}

// revokeTurn takes the place among those that wait for a slot back, or has the
// transfer stop: then it is true.
func (s *shard) revokeTurn(ctx actor.Context, t *tenant) bool {
	if t.pid == nil || t.leaving || !t.entry.wantsSlot {
		ctx.Send(s.slots, &release{id: t.entry.id})
		return false
	}
	s.deliver(ctx, t, &turnRevoked{}, nil)
	return true
}

// turnRevoked tells a transfer that it must wait for its turn again.
type turnRevoked struct{}

// onTurnWanted is what a transfer's actor says in place of asking for a slot.
func (s *shard) onTurnWanted(ctx actor.Context, msg *turnWanted) {
	t, ok := s.tenants[msg.id]
	if !ok {
		return
	}
	t.entry.notBefore, t.entry.started = msg.notBefore, msg.started
	if t.entry.runs() && !t.entry.turn {
		// Its result is being published, since before it came here: that is not put
		// off, and its group counts it as one that runs.
		s.setTurn(ctx, t, true)
	}
	if t.entry.turn && msg.notBefore.IsZero() {
		s.wake(ctx, t)
		return
	}
	s.tellGroup(ctx, t)
}

// tellGroup reports a member as it is now. One that does not want to run, or not
// yet, has given its turn back.
func (s *shard) tellGroup(ctx actor.Context, t *tenant) {
	e := &t.entry
	if e.group == "" || t.waiting || s.leaving {
		return
	}
	if e.turn && (!e.wantsSlot || e.notBefore.After(time.Now())) {
		s.setTurn(ctx, t, false)
		ctx.Send(s.slots, &release{id: e.id})
	}
	t.report = s.reportMember(ctx, t, e)
}

// leaveGroup tells the group that a transfer had that it is gone; what runs goes
// on. What the next group is told is no later news of this one.
func (s *shard) leaveGroup(ctx actor.Context, t *tenant, before entry) {
	before.status, before.turn = string(transfer.PhaseCanceled), false
	s.reportMember(ctx, t, &before)
	t.report = nil
}

// reportMember tells a group how a transfer stands, in place of what it is still
// being told: that could arrive later, when the group is gone.
func (s *shard) reportMember(ctx actor.Context, t *tenant, e *entry) context.CancelFunc {
	if t.report != nil {
		t.report()
	}
	s.told++
	life, d, call := s.life, s.deps, wireMember(&member{id: e.id, phase: transfer.Phase(e.status), entry: *e})
	call.Source, call.Sequence = s.cfg.Incarnation+" "+ctx.Self().Id, s.told
	to := address{kindGroup, e.group}
	c, cancel := context.WithTimeout(life.ctx, membershipPatience)
	go func() {
		defer cancel()
		_ = d.system.callEntity(c, to, opMember, call, nil) // a census makes up for it
	}()
	return cancel
}
