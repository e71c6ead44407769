package actors

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// A shard may be asked for a transfer that it does not know and that exists all
// the same, because another node accepted it while each took the shard for its own.
// So nothing is denied before its record has been looked for. (Entities need no
// such thing: each request to one reads its record if no actor has it.)

// sought is the outcome of reading the record of a transfer that was not known.
type sought struct {
	id     string
	record listed
}

// failed is why there is nothing to take in. What cannot be used is there, and is
// shown as failed.
func (m *sought) failed() *transfer.Error {
	if fault := m.record.entry.fault; fault != nil && fault.Code != transfer.CodeQuarantined {
		return fault
	}
	return nil
}

// seek keeps a request for a transfer that is not known until its record was read,
// once for all who ask meanwhile.
func (s *shard) seek(ctx actor.Context, id string, msg any, sender *actor.PID) {
	if s.leaving {
		s.refuseEntity(ctx, sender, elsewhere(id))
		return
	}
	s.seeking[id] = append(s.seeking[id], held{msg, sender})
	if len(s.seeking[id]) > 1 {
		return
	}
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() { root.Send(self, &sought{id: id, record: s.lookFor(life.ctx, id)}) }()
}

// lookFor reads a record once: who asks may ask again when the store is away.
func (s *shard) lookFor(ctx context.Context, id string) listed {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	return s.listedBy(id, func() (*record, *transfer.Error) { return s.recorder.read(ctx, id) })
}

// onSought takes in what was found, and handles the requests that waited for it.
func (s *shard) onSought(ctx actor.Context, msg *sought) {
	waiting := s.seeking[msg.id]
	delete(s.seeking, msg.id)
	t, known := s.tenants[msg.id]
	err := msg.failed()
	switch {
	case s.leaving:
		err = elsewhere(msg.id)
	case known:
		err = nil // it was created, or found, meanwhile
	case err == nil:
		t = &tenant{fault: msg.record.entry.fault}
		s.tenants[msg.id] = t
		s.enterLate(ctx, t, msg.record)
	}
	for _, h := range waiting {
		create, again := h.msg.(*createRequest)
		switch {
		case err == nil:
			s.handle(ctx, t, h.msg, h.sender)
		case again && err.Code == transfer.CodeNotFound:
			s.create(ctx, create, h.sender) // it was deleted meanwhile
		default:
			s.refuseEntity(ctx, h.sender, err)
		}
	}
}

// handle carries out a request for a transfer that is known.
func (s *shard) handle(ctx actor.Context, t *tenant, msg any, sender *actor.PID) {
	switch msg := msg.(type) {
	case *getRequest:
		s.show(ctx, t, sender)
	case *turnRequest:
		s.turn(ctx, t, msg, sender)
	case *createRequest:
		s.create(ctx, msg, sender)
	default:
		s.deliver(ctx, t, msg, sender)
	}
}

// silenceSeekers leaves nobody waiting for what is not read any more.
func (s *shard) silenceSeekers(ctx actor.Context) {
	for id, waiting := range s.seeking {
		for _, h := range waiting {
			s.refuseEntity(ctx, h.sender, elsewhere(id))
		}
	}
	clear(s.seeking)
}
