package actors

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// resident is one entity of a shard. Unlike transfers, of which a shard may have
// very many, each is looked at when the shard is loaded.
type resident struct {
	at   address
	pid  *actor.PID
	life int
	// sent is the number of the last request to the actor.
	sent int
	// owner has the record although it is not this node's; the actor waits.
	owner   ownerRef
	leaving bool
	// absent: it has turned out not to exist.
	absent  bool
	held    []held
	crashes int
	fault   *transfer.Error
	// timer is for what a passive entity has to do by itself.
	timer *time.Timer
	// shelf is the actor's while there is one.
	shelf shelf
}

// Messages between a shard and its entities.
type (
	// entityRequest asks an entity; it is answered with a result.
	entityRequest struct {
		at   address
		op   string
		body []byte
	}
	// mayClaim asks whether a record may be taken from its owner; claimNow says
	// that it may, claim starts the actor afresh.
	mayClaim struct {
		at    address
		owner ownerRef
	}
	claimNow struct{}
	claim    struct{}
	// entityPassive says that the entity has nothing to do, and that it does not
	// exist if it is absent.
	entityPassive struct {
		at     address
		seen   int
		absent bool
		// until is when it has something to do by itself, zero for never.
		until time.Time
	}
	// entityDue wakes it then.
	entityDue struct{ at address }
	// entityLost says that another owner has the record.
	entityLost struct{ at address }
	// entityFaulty says that the record cannot be used.
	entityFaulty struct {
		at  address
		err *transfer.Error
	}
	// entityListed keeps the manager's list of entities current.
	entityListed struct {
		shard int
		at    address
		gone  bool
	}
	// entityReload has a lost entity look again.
	entityReload struct{ at address }
)

func (r *entityRequest) transferID() string { return r.at.id }

// newLogic makes the logic of a kind.
func newLogic(e *entityActor) logic {
	switch e.at.kind {
	case kindCompletion:
		return &completionLogic{entityActor: e}
	case kindGroup:
		return &groupLogic{entityActor: e}
	default:
		return &taskLogic{entityActor: e}
	}
}

// receiveEntities is the part of Receive that concerns entities.
func (s *shard) receiveEntities(ctx actor.Context) bool {
	switch msg := ctx.Message().(type) {
	case *entityRequest:
		s.onEntityRequest(ctx, msg)
	case *mayClaim:
		s.onMayClaim(ctx, msg)
	case *entityPassive:
		s.onEntityPassive(ctx, msg)
	case *entityLost:
		s.reloadLater(ctx, msg.at)
	case *entityReload:
		s.onEntityReload(ctx, msg)
	case *entityDue:
		s.rouse(ctx, s.house(msg.at))
	case *entityFaulty:
		s.onEntityFaulty(ctx, msg)
	default:
		return false
	}
	return true
}

// house makes room for an entity that has a record, or may get one.
func (s *shard) house(at address) *resident {
	r := s.residents[at]
	if r == nil {
		r = &resident{at: at}
		s.residents[at] = r
	}
	return r
}

// rouse starts an entity's actor.
func (s *shard) rouse(ctx actor.Context, r *resident) {
	if r.pid != nil || s.leaving || r.fault != nil {
		return
	}
	r.life++
	r.sent, r.leaving = 0, false
	d, at, self, shelf := s.deps, r.at, ctx.Self(), &r.shelf
	props := actor.PropsFromProducer(func() actor.Actor {
		e := &entityActor{deps: d, at: at, shard: self, shelf: shelf}
		e.logic = newLogic(e)
		return e
	}, actor.WithReceiverMiddleware(logPanics(s.cfg.Logger)))
	pid, err := ctx.SpawnNamed(props, fmt.Sprintf("%s-%s.%d", at.kind, at.id, r.life))
	if err != nil {
		s.cfg.Logger.Error("entity not started", slog.String("entity", at.String()), slog.Any("error", err))
		return
	}
	r.pid = pid
}

func (s *shard) onEntityRequest(ctx actor.Context, msg *entityRequest) {
	s.deliverEntity(ctx, s.house(msg.at), msg, ctx.Sender())
}

func (s *shard) deliverEntity(ctx actor.Context, r *resident, msg any, sender *actor.PID) {
	switch {
	case r.leaving:
		r.held = append(r.held, held{msg, sender})
		return
	case r.fault != nil:
		s.refuseEntity(ctx, sender, r.fault)
		return
	case r.owner != (ownerRef{}):
		s.refuseEntity(ctx, sender, s.theirs(r.at.id))
		return
	}
	s.rouse(ctx, r)
	if r.pid == nil {
		s.refuseEntity(ctx, sender, elsewhere(r.at.id))
		return
	}
	r.sent++
	ctx.RequestWithCustomSender(r.pid, &numbered{number: r.sent, msg: msg}, sender)
}

func (s *shard) refuseEntity(ctx actor.Context, sender *actor.PID, err *transfer.Error) {
	if sender != nil {
		ctx.Send(sender, &result{err: err})
	}
}

// onMayClaim lets an entity's record be taken as soon as its owner is known to
// have ended: until then that owner gives its word to members, or runs a task,
// without writing.
func (s *shard) onMayClaim(ctx actor.Context, msg *mayClaim) {
	r := s.residents[msg.at]
	if r == nil || r.pid == nil {
		return
	}
	r.owner = msg.owner
	if s.watch(ctx, r.owner); !s.claimEntity(ctx, r) {
		ctx.Send(s.manager, &ownerDoubted{shard: s.number, owner: r.owner})
		s.cfg.Logger.Info("entity waits for its owner to end",
			slog.String("entity", msg.at.String()), slog.String("owner", msg.owner.node))
	}
}

// claimEntity tells an entity that waits that it may go on, if it may.
func (s *shard) claimEntity(ctx actor.Context, r *resident) bool {
	if !s.letGo[r.owner.incarnation] && !s.verdicts[r.owner].succeeds(false) {
		return false
	}
	r.owner = ownerRef{}
	s.deliverEntity(ctx, r, &claimNow{}, nil)
	return true
}

// claimEntities looks again at all that wait: more is known of their owners.
func (s *shard) claimEntities(ctx actor.Context) {
	for _, r := range s.residents {
		if r.owner != (ownerRef{}) && r.pid != nil {
			s.claimEntity(ctx, r)
		}
	}
}

// onEntityPassive stops an actor that has nothing to do, unless more was sent to
// it meanwhile.
func (s *shard) onEntityPassive(ctx actor.Context, msg *entityPassive) {
	r := s.residents[msg.at]
	if r == nil || r.pid == nil || r.leaving || r.sent != msg.seen || !r.pid.Equal(ctx.Sender()) {
		return
	}
	r.leaving, r.crashes = true, 0
	ctx.Stop(r.pid)
	ctx.Send(s.manager, &entityListed{shard: s.number, at: msg.at, gone: msg.absent})
	r.absent = msg.absent
	r.schedule(ctx, msg.until)
}

// schedule has an entity woken at a time, in place of an earlier one.
func (r *resident) schedule(ctx actor.Context, until time.Time) {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if until.IsZero() {
		return
	}
	self, root, at := ctx.Self(), ctx.ActorSystem().Root, r.at
	r.timer = time.AfterFunc(max(time.Until(until), sweepRest), func() { root.Send(self, &entityDue{at: at}) })
}

// reloadLater looks again at a record that somebody else has written.
func (s *shard) reloadLater(ctx actor.Context, at address) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(reconsiderAfter, func() { root.Send(self, &entityReload{at: at}) })
}

func (s *shard) onEntityReload(ctx actor.Context, msg *entityReload) {
	if r := s.residents[msg.at]; r != nil && r.pid != nil && !r.leaving {
		ctx.Send(r.pid, &claim{})
	}
}

// onEntityFaulty sets an entity aside: requests say why, and no other notices.
func (s *shard) onEntityFaulty(ctx actor.Context, msg *entityFaulty) {
	r := s.residents[msg.at]
	if r == nil || r.pid == nil {
		return
	}
	s.cfg.Logger.Error("record set aside", slog.String("entity", msg.at.String()), slog.Any("error", msg.err))
	r.fault, r.leaving = msg.err, true
	ctx.Stop(r.pid)
}

// entityEnded forgets an actor; requests that came meanwhile start another.
func (s *shard) entityEnded(ctx actor.Context, pid *actor.PID) bool {
	for at, r := range s.residents {
		if r.pid == nil || !r.pid.Equal(pid) {
			continue
		}
		r.pid, r.leaving, r.owner = nil, false, ownerRef{}
		waiting := r.held
		r.held = nil
		if r.absent && len(waiting) == 0 {
			delete(s.residents, at)
		}
		for _, h := range waiting {
			s.deliverEntity(ctx, r, h.msg, h.sender)
		}
		return true
	}
	return false
}

// crashedEntity supervises entities as transfers are: afresh from the record,
// later each time, and set aside in the end.
func (s *shard) crashedEntity(sup actor.Supervisor, child *actor.PID, reason any) bool {
	for _, r := range s.residents {
		if r.pid == nil || !r.pid.Equal(child) {
			continue
		}
		if r.crashes++; r.crashes > maxCrashes || s.leaving || r.leaving {
			r.fault, r.leaving = quarantined(r.at.id, fmt.Errorf("%v", reason)), true
			sup.StopChildren(child)
			return true
		}
		time.AfterFunc(transfer.Backoff(r.crashes, s.cfg.Random()), func() { sup.RestartChildren(child) })
		return true
	}
	return false
}

// stopEntities ends all entities: what they have not recorded is found again.
func (s *shard) stopEntities(ctx actor.Context) {
	for _, r := range s.residents {
		r.schedule(ctx, time.Time{})
		if r.pid != nil && !r.leaving {
			r.leaving = true
			ctx.Stop(r.pid)
		}
	}
}
