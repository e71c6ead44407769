package actors

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// While nodes do not see each other, two of them may have a shard: each takes new
// transfers for it, and goes on with those that it knows. Once the others have
// let go of it, or have died, the one that has kept it looks for what they have
// left. A node may never learn that another had its shards, for which a cut in one
// direction is enough: therefore each also looks through one of its shards every few
// seconds, whatever has happened, so that nothing lies unknown for ever.

// lookEvery is the pause between two shards of a node that are looked through
// again. All 1024 take an hour on one node and 20 minutes on three; 22,000 lists a
// day are cheap where lists are paid for.
const lookEvery = 4 * time.Second

type (
	// lookAgain has a shard looked through again, lookDue one after the other.
	lookAgain struct{}
	lookDue   struct{}
	// ownerDoubted says that a record of the shard names a node which may have let
	// go of it.
	ownerDoubted struct {
		shard int
		owner ownerRef
	}
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
		s.lookAtEntity(ctx, at)
	}
	var waiting []string
	ids := slices.DeleteFunc(msg.transfers, func(id string) bool {
		t := s.tenants[id]
		if t != nil && t.waiting && t.pid == nil {
			waiting = append(waiting, id)
		}
		return t != nil && (!t.rests() || t.settled())
	})
	s.reread(ctx, waiting)
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

// lookAtEntity has an entity read its record if none of its actors has it.
func (s *shard) lookAtEntity(ctx actor.Context, at address) {
	r := s.house(at)
	if r.pid == nil {
		ctx.Send(s.manager, &entityListed{shard: s.number, at: at})
		s.rouse(ctx, r)
		return
	}
	if r.owner != (ownerRef{}) && !r.leaving {
		// Its owner may have released it without a word.
		r.owner = ownerRef{}
		ctx.Send(r.pid, &claim{})
	}
}

// settled tells that reading a record again would be of no use: nothing changes what
// has completed or was canceled, and what wants a slot is read when it gets one.
func (t *tenant) settled() bool {
	switch transfer.Phase(t.entry.status) {
	case transfer.PhaseCompleted, transfer.PhaseCanceled:
		return true
	}
	return t.entry.wantsSlot
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
		s.enterLate(ctx, t, l)
		s.publish(t)
	}
}

// movedOn tells that somebody else has gone on with a transfer since its entry
// was made.
func movedOn(known *entry, l *listed) bool {
	found := l.entry
	found.requeue()
	return l.foreign && found.status != known.status
}

// lookLater begins to look through the shards of this node, one after the other. A
// node alone is the only one that writes to its store.
func (m *manager) lookLater(ctx actor.Context) {
	if m.cfg.Peers == nil {
		return
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(lookEvery/2+time.Duration(m.cfg.Random()*float64(lookEvery)), func() { root.Send(self, &lookDue{}) })
}

func (m *manager) onLookDue(ctx actor.Context) {
	if m.stopping {
		return
	}
	for range Shards {
		m.looked = (m.looked + 1) % Shards
		if run := m.shards[m.looked]; run != nil && run.state == shardReady {
			ctx.Send(run.pid, &lookAgain{})
			break
		}
	}
	m.lookLater(ctx)
}

// onOwnerDoubted has a member asked whether it has a shard: what it took there
// without the knowledge of this node waits for that.
func (m *manager) onOwnerDoubted(ctx actor.Context, msg *ownerDoubted) {
	run := m.shards[msg.shard]
	if run == nil || m.fenced || m.stopping || run.need[msg.owner.node] != "" {
		return
	}
	for _, other := range m.topology.others(m.cfg.Node) {
		if (ownerRef{other.Name, other.Incarnation}) == msg.owner {
			run.need[other.Name] = other.Incarnation
			m.ask(ctx)
		}
	}
}
