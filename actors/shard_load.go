package actors

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// reconsiderAfter is when a transfer that another owner turned out to have is
// looked at again.
const reconsiderAfter = time.Second

type (
	// listed is what a record says: an entry, and who owns it if that is another
	// node or incarnation that has not released it. A foreign record was last
	// written by another node, which may have released it.
	listed struct {
		entry   entry
		owner   ownerRef
		foreign bool
	}
	// recordsListed is the outcome of listing a shard.
	recordsListed struct {
		records  []listed
		entities []address
	}
	// recordsRead is the outcome of reading some of them again.
	recordsRead struct{ records []listed }
	// reconsider reads a record again.
	reconsider struct{ id string }
)

// receiveRecords is the part of Receive that reads records and learns who may
// claim them.
func (s *shard) receiveRecords(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *loadPermit:
		s.onLoadPermit(ctx, msg)
	case *recordsListed:
		s.onListed(ctx, msg)
	case *letGo:
		s.onLetGo(ctx, msg)
	case *ownerJudged:
		s.onJudged(ctx, msg)
	case *recordsRead:
		s.onRead(ctx, msg)
	case *reconsider:
		s.reread(ctx, []string{msg.id})
	case *sought:
		s.onSought(ctx, msg)
	case *lookAgain:
		s.lookAgain(ctx)
	case *keysListed:
		s.onKeysListed(ctx, msg)
	case *recordsFound:
		s.onRecordsFound(ctx, msg)
	}
}

// onLoadPermit lists and reads the shard's records.
func (s *shard) onLoadPermit(ctx actor.Context, msg *loadPermit) {
	maps.Copy(s.verdicts, msg.verdicts)
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() {
		if found, err := s.list(life.ctx); err == nil {
			root.Send(self, found)
		}
	}()
}

// list fails only when the shard ends.
func (s *shard) list(ctx context.Context) (*recordsListed, error) {
	out := &recordsListed{}
	err := s.eachKey(ctx, func(key string) {
		switch kind := kindOfKey(key); kind {
		case kindTransfer:
			out.records = append(out.records, s.readEntry(ctx, idOfKey(key)))
		case string(kindCompletion), string(kindGroup), string(kindTask):
			out.entities = append(out.entities, address{entityKind(kind), idOfKey(key)})
		}
	})
	return out, err
}

// eachKey fails only when the shard ends.
func (s *shard) eachKey(ctx context.Context, use func(string)) error {
	prefix, after := shardFolder(s.number), ""
	for failures := 1; ; {
		keys, err := s.recorder.store.List(ctx, prefix, after, listPage)
		if err != nil {
			if err := sleep(ctx, min(transfer.Backoff(failures, s.cfg.Random()), 5*time.Second)); err != nil {
				return err
			}
			failures++
			continue
		}
		for _, key := range keys {
			use(key)
		}
		if len(keys) < listPage {
			return ctx.Err()
		}
		after = keys[len(keys)-1]
	}
}

// readEntry reads one record, for as long as it takes.
func (s *shard) readEntry(ctx context.Context, id string) listed {
	return s.listedBy(id, func() (*record, *transfer.Error) { return s.recorder.readPatiently(ctx, id) })
}

// listedBy says what a record says that read returns. One that cannot be used is
// set aside: it is listed as failed and concerns nobody else.
func (s *shard) listedBy(id string, read func() (*record, *transfer.Error)) (l listed) {
	defer func() {
		if cause := recover(); cause != nil {
			l = listed{entry: faultyEntry(id, quarantined(id, fmt.Errorf("%v", cause)))}
		}
	}()
	rec, err := read()
	if err != nil {
		return listed{entry: faultyEntry(id, err)}
	}
	state := decodeState(rec.body, rec.secret)
	keepTime(&state, time.Now())
	l.entry = entryOf(&state)
	owner := rec.envelope.GetOwner()
	l.foreign = owner.GetNode() != s.cfg.Node
	if l.foreign && !owner.GetReleased() {
		l.owner = ownerRef{owner.GetNode(), owner.GetIncarnation()}
	}
	return l
}

// faultyEntry is what is known of a transfer whose record cannot be used.
func faultyEntry(id string, fault *transfer.Error) entry {
	return entry{id: id, status: string(transfer.PhaseFailed), direction: transfer.Download, fault: fault}
}

func (s *shard) onListed(ctx actor.Context, msg *recordsListed) {
	for _, l := range msg.records {
		if _, ok := s.tenants[l.entry.id]; ok {
			continue
		}
		t := &tenant{fault: l.entry.fault}
		s.tenants[l.entry.id] = t
		if t.fault != nil {
			s.cfg.Logger.Error("record set aside", slog.String("transfer", l.entry.id), slog.Any("error", t.fault))
		}
		s.enter(ctx, t, l)
	}
	for _, at := range msg.entities {
		ctx.Send(s.manager, &entityListed{shard: s.number, at: at})
		s.rouse(ctx, s.house(at))
	}
	ctx.Request(s.manager, &shardLoaded{shard: s.number})
}

// enter takes in what a record says of a transfer, and gets it going if it is
// ours to run.
func (s *shard) enter(ctx actor.Context, t *tenant, l listed) {
	t.entry, t.owner = l.entry, l.owner
	if t.waiting = !s.succeeds(t); !t.waiting {
		t.entry.requeue()
	}
	ctx.Send(s.manager, &entryChanged{entry: t.entry})
	s.keepFor(ctx, t)
	s.alarm(ctx, t)
	s.retellEnd(&t.entry)
	if t.waiting {
		ctx.Send(s.manager, &ownerDoubted{shard: s.number, owner: t.owner})
	}
	if t.waiting || s.verdicts[t.owner] == ownerDead {
		s.watch(ctx, t.owner)
	}
	s.wake(ctx, t)
}

// retellEnd tells a completion group of an end that the node which wrote it down
// may have died before telling. One that is older was found by the group's census.
func (s *shard) retellEnd(e *entry) {
	if e.terminal() && e.completion != "" && e.fault == nil && time.Since(e.finished) < 2*censusEvery {
		s.tellCompletion(e.completion, e.id, transfer.Phase(e.status))
	}
}

// requeue makes of a transfer that ran before, somewhere, one that waits to.
func (e *entry) requeue() {
	switch transfer.Phase(e.status) {
	case transfer.PhaseRunning, transfer.PhaseVerifying:
		e.status, e.started = string(transfer.PhaseQueued), true
	}
}

// watch has an owner judged, once.
func (s *shard) watch(ctx actor.Context, owner ownerRef) {
	if !s.watched[owner] {
		s.watched[owner] = true
		ctx.Request(s.owners, &watchOwner{owner: owner})
	}
}

// succeeds tells whether a transfer may be claimed from whoever its record
// names. What has ended needs no owner. The far side of an upload refuses no
// stale owner: there, as for files, the owner must certainly have ended.
func (s *shard) succeeds(t *tenant) bool {
	if t.owner == (ownerRef{}) || t.entry.terminal() && !t.entry.needsCleanup || s.letGo[t.owner.incarnation] {
		return true
	}
	store := s.cfg.Objects[t.entry.scheme()]
	return s.verdicts[t.owner].succeeds(store != nil && store.Limits().Fenced)
}

// enterLate is enter for a record that was found after the shard had been loaded:
// whoever had let go of the shard by then and is its owner has taken it since.
func (s *shard) enterLate(ctx actor.Context, t *tenant, l listed) {
	delete(s.letGo, l.owner.incarnation)
	s.enter(ctx, t, l)
}

// onLetGo learns that an incarnation has nothing in this shard any more.
func (s *shard) onLetGo(ctx actor.Context, msg *letGo) {
	s.letGo[msg.incarnation] = true
	s.lookAgain(ctx)
	s.rereadWaiting(ctx)
	s.claimEntities(ctx)
}

func (s *shard) onJudged(ctx actor.Context, msg *ownerJudged) {
	s.verdicts[msg.owner] = msg.verdict
	s.rereadWaiting(ctx)
	s.claimEntities(ctx)
}

// rereadWaiting reads those records again whose owner may be succeeded by now:
// it may have written to them since they were read.
func (s *shard) rereadWaiting(ctx actor.Context) {
	var ids []string
	for id, t := range s.tenants {
		if t.waiting && t.pid == nil && s.succeeds(t) {
			ids = append(ids, id)
		}
	}
	s.reread(ctx, ids)
}

func (s *shard) reread(ctx actor.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() {
		out := &recordsRead{}
		for _, id := range ids {
			out.records = append(out.records, s.readEntry(life.ctx, id))
		}
		if life.ctx.Err() == nil {
			root.Send(self, out)
		}
	}()
}

func (s *shard) onRead(ctx actor.Context, msg *recordsRead) {
	for _, l := range msg.records {
		t, ok := s.tenants[l.entry.id]
		switch {
		case !ok || !t.waiting:
		case t.pid != nil:
			s.reconsiderLater(ctx, l.entry.id)
		case l.entry.fault != nil:
			t.fault, t.waiting, t.entry = l.entry.fault, false, l.entry
			ctx.Send(s.manager, &entryChanged{entry: t.entry})
		default:
			s.enter(ctx, t, l)
			s.publish(t)
		}
	}
}

// publish shows watchers what became of a transfer that somebody else had.
func (s *shard) publish(t *tenant) {
	id, life, ours := t.entry.id, s.life, !t.waiting
	if !t.entry.terminal() {
		return
	}
	go func() {
		if res := s.snapshotOf(life.ctx, id, ours); res.err == nil {
			s.feed.Publish(id, res.snapshot)
		}
	}()
}

func (s *shard) reconsiderLater(ctx actor.Context, id string) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	time.AfterFunc(reconsiderAfter, func() { root.Send(self, &reconsider{id: id}) })
}
