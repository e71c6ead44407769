package actors

import (
	"context"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// While nodes do not see each other, two of them may have a shard: each takes new
// transfers for it, and goes on with those that it knows. Once the others have
// let go of it, the one that has kept it looks for what they have left.

type (
	// keysListed are the keys that a shard has by now.
	keysListed struct {
		transfers []string
		entities  []address
	}
	// recordsFound are those of transfers that the shard did not know, or knew
	// differently.
	recordsFound struct{ records []listed }
)

// lookAgain lists the shard's keys, which is cheap, to find what others have left.
func (s *shard) lookAgain(ctx actor.Context) {
	if s.leaving {
		return
	}
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() {
		select {
		case s.relists <- struct{}{}:
		case <-life.ctx.Done():
			return
		}
		defer func() { <-s.relists }()
		if found, err := s.listKeys(life.ctx); err == nil {
			root.Send(self, found)
		}
	}()
}

// listKeys fails only when the shard ends.
func (s *shard) listKeys(ctx context.Context) (*keysListed, error) {
	out := &keysListed{}
	err := s.eachKey(ctx, func(key string) {
		switch kind := kindOfKey(key); kind {
		case kindTransfer:
			out.transfers = append(out.transfers, idOfKey(key))
		case string(kindCompletion), string(kindGroup), string(kindTask):
			out.entities = append(out.entities, address{entityKind(kind), idOfKey(key)})
		}
	})
	return out, err
}

// onKeysListed reads what is not known, and what rests and may have moved on.
func (s *shard) onKeysListed(ctx actor.Context, msg *keysListed) {
	for _, at := range msg.entities {
		if s.residents[at] == nil {
			ctx.Send(s.manager, &entityListed{shard: s.number, at: at})
			s.rouse(ctx, s.house(at))
		}
	}
	ids := slices.DeleteFunc(msg.transfers, func(id string) bool {
		t := s.tenants[id]
		return t != nil && (!t.rests() || t.entry.terminal())
	})
	if len(ids) == 0 {
		return
	}
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() {
		out := &recordsFound{}
		for _, id := range ids {
			// What is gone by now was deleted meanwhile.
			if l := s.readEntry(life.ctx, id); l.entry.fault == nil || l.entry.fault.Code != transfer.CodeNotFound {
				out.records = append(out.records, l)
			}
		}
		if life.ctx.Err() == nil {
			root.Send(self, out)
		}
	}()
}

// rests tells that nothing is being done with a transfer, so that its record may
// be read in place of asking its actor.
func (t *tenant) rests() bool {
	return t.pid == nil && !t.writing && !t.purged && len(t.held) == 0 && t.fresh == nil && t.creator == nil && !t.waiting && t.fault == nil
}

// onRecordsFound takes in what was found.
func (s *shard) onRecordsFound(ctx actor.Context, msg *recordsFound) {
	for _, l := range msg.records {
		t := s.tenants[l.entry.id]
		switch {
		case t == nil:
			t = &tenant{fault: l.entry.fault}
			s.tenants[l.entry.id] = t
		case !t.rests() || l.entry.fault != nil || !movedOn(&t.entry, &l):
			continue
		}
		s.enter(ctx, t, l)
		s.publish(t)
	}
}

// movedOn tells that somebody else has gone on with a transfer since its entry
// was made.
func movedOn(known *entry, l *listed) bool {
	found := l.entry
	found.requeue()
	return l.owner != (ownerRef{}) && found.status != known.status
}
