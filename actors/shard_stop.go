package actors

import (
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// onStopAll ends the shard in good order.
func (s *shard) onStopAll(ctx actor.Context, msg *stopAll) {
	s.leaving = true
	s.stopEntities(ctx)
	for _, id := range slices.Sorted(maps.Keys(s.tenants)) {
		switch t := s.tenants[id]; {
		case t.pid == nil || t.leaving:
		case t.resting:
			// It has nothing to record, and would not hear of it for long.
			t.leaving = true
			ctx.Stop(t.pid)
		default:
			ctx.Send(t.pid, msg)
		}
	}
	s.maybeLeave(ctx)
}

// onReleased ends the actor of a transfer that was given away.
func (s *shard) onReleased(ctx actor.Context, msg *released) {
	if t, ok := s.tenants[msg.id]; ok && t.pid != nil {
		t.leaving = true
		ctx.Poison(t.pid)
	}
}

func (s *shard) maybeLeave(ctx actor.Context) {
	if !s.leaving {
		return
	}
	for _, t := range s.tenants {
		if t.pid != nil || t.writing {
			return
		}
	}
	for _, r := range s.residents {
		if r.pid != nil {
			return
		}
	}
	ctx.Request(s.manager, &shardEmpty{shard: s.number})
}
