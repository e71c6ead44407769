package actors

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/storage"
	"godwit/transfer"
)

// A transfer belongs to a completion group when three things are there, written
// in this order: its record, which names the group; a marker under the group's
// key; and the group's word that it counts the transfer. Nobody is told that a
// transfer was accepted before. Whoever enables the group lists the markers
// after it has stopped giving its word to others, so that it knows every
// transfer that was accepted, and can find the record of every one it lists.

// membershipPatience bounds one try to join; joinEvery is the pause between two.
const (
	membershipPatience = 10 * time.Second
	joinEvery          = 2 * time.Second
)

// markerFolder is where the markers of a completion group's members are.
func markerFolder(completion string) string { return "members/" + completion + "/" }

func markerKey(completion, id string) string { return markerFolder(completion) + id }

type (
	// joined is the outcome of a try to join a completion group.
	joined struct {
		id, completion string
		err            *transfer.Error
	}
	// joinAgain tries once more.
	joinAgain struct{ id string }
	// disowned is the outcome of taking a transfer back whose group refused it.
	disowned struct{ id string }
	// recordedEnd says that a transfer's record is known to be terminal.
	recordedEnd struct {
		id    string
		phase transfer.Phase
	}
)

// receiveMembers is the part of Receive that concerns sets of transfers.
func (s *shard) receiveMembers(ctx actor.Context) bool {
	switch msg := ctx.Message().(type) {
	case *joined:
		s.onJoined(ctx, msg)
	case *joinAgain:
		s.onJoinAgain(ctx, msg)
	case *disowned:
		s.onDisowned(ctx, msg)
	case *recordedEnd:
		s.onRecordedEnd(msg)
	case *turnRequest:
		s.onTurn(ctx, msg)
	case *turnWanted:
		s.onTurnWanted(ctx, msg)
	default:
		return false
	}
	return true
}

// join makes a transfer a member of its completion group.
func (s *shard) join(ctx actor.Context, t *tenant) {
	if t.joining {
		return
	}
	t.joining = true
	id, completion := t.entry.id, t.entry.completion
	self, root, life, d := ctx.Self(), ctx.ActorSystem().Root, s.life, s.deps
	go func() {
		c, cancel := context.WithTimeout(life.ctx, membershipPatience)
		defer cancel()
		root.Send(self, &joined{id: id, completion: completion, err: d.joinCompletion(c, completion, id)})
	}()
}

// joinCompletion writes the marker and asks the group for its word.
func (d *deps) joinCompletion(ctx context.Context, completion, id string) *transfer.Error {
	if err := d.mark(ctx, completion, id); err != nil {
		return err
	}
	to, call := address{kindCompletion, completion}, &clusterpb.MemberCall{Id: id}
	err := d.system.callEntity(ctx, to, opJoin, call, nil)
	for err != nil && asTransferError(err).Code == transfer.CodeOverloaded && sleep(ctx, lastRetry) == nil {
		// It counts its members at the moment.
		err = d.system.callEntity(ctx, to, opJoin, call, nil)
	}
	if err == nil {
		return nil
	}
	refusal := asTransferError(err)
	if refusal.Code.Class() == transfer.Refused {
		// A marker that stays would make the group wait for nothing, if it were not
		// enabled yet; it is.
		d.removeMarker(ctx, markerKey(completion, id))
	}
	return refusal
}

// mark writes a member's marker, if there is none.
func (d *deps) mark(ctx context.Context, completion, id string) *transfer.Error {
	_, err := d.recorder.once(ctx, markerKey(completion, id), "", append([]byte(id+"\n"), newWriteID()...))
	if err != nil && storage.KindOf(err) != storage.ErrExists {
		return storeError(err)
	}
	return nil
}

func (d *deps) removeMarker(ctx context.Context, key string) {
	rec, err := d.recorder.store.Get(ctx, key)
	if err == nil {
		err = d.recorder.store.Delete(ctx, key, rec.Version)
	}
	if err != nil && storage.KindOf(err) != storage.ErrNotFound {
		d.cfg.Logger.WarnContext(ctx, "marker not removed", slog.String("key", key), slog.Any("error", err))
	}
}

// onJoined lets a member run, takes back what the group refused, and tries again
// what nobody knows.
func (s *shard) onJoined(ctx actor.Context, msg *joined) {
	t, ok := s.tenants[msg.id]
	if !ok {
		return
	}
	t.joining = false
	switch {
	case t.entry.completion != msg.completion:
		// It has joined another one meanwhile.
		s.settleMember(ctx, t)
	case msg.err == nil:
		t.entry.joined = true
		s.accept(ctx, t)
		s.wake(ctx, t)
	case msg.err.Code.Class() == transfer.Refused:
		s.disown(ctx, t, msg.err)
	default:
		s.acceptLater(ctx, t, msg.err)
		self, root := ctx.Self(), ctx.ActorSystem().Root
		time.AfterFunc(joinEvery, func() { root.Send(self, &joinAgain{id: msg.id}) })
	}
}

func (s *shard) onJoinAgain(ctx actor.Context, msg *joinAgain) {
	if t, ok := s.tenants[msg.id]; ok {
		s.settleMember(ctx, t)
	}
}

// settleMember joins a transfer to its group if it is ours and not known to be
// counted.
func (s *shard) settleMember(ctx actor.Context, t *tenant) {
	if !t.waiting && !t.entry.joined && !t.entry.terminal() && !s.leaving && t.entry.completion != "" {
		s.join(ctx, t)
	}
}

// accept answers whoever created a transfer, and lets its requests through.
func (s *shard) accept(ctx actor.Context, t *tenant) {
	t.adding = false
	if t.creator != nil {
		ctx.Send(t.creator.to, &result{snapshot: t.creator.snapshot, created: true})
		if t.entry.wantsSlot {
			s.keepFresh(t, t.creator.rec)
		}
	}
	s.admitHeld(ctx, t)
}

// createdTwice answers a create for a transfer that exists when its group has
// said whether it counts it.
func (s *shard) createdTwice(ctx actor.Context, t *tenant, msg *createRequest, sender *actor.PID) bool {
	if t.writing || t.waiting || t.entry.joined || t.entry.terminal() || t.adding {
		return false
	}
	t.writing = true
	t.held = append(t.held, held{msg, sender})
	s.settleMember(ctx, t)
	return true
}

// acceptLater tells the creator that nobody knows yet.
func (s *shard) acceptLater(ctx actor.Context, t *tenant, err *transfer.Error) {
	if t.creator == nil && !t.writing {
		return
	}
	e := *unsettled(t.entry.id)
	e.Message = "the completion group does not answer yet; ask again with the same id"
	e.Err = errors.Join(errUnsettled, err)
	if t.creator != nil {
		ctx.Send(t.creator.to, &result{err: &e})
	}
	for _, h := range t.held {
		s.refuseEntity(ctx, h.sender, &e)
	}
	t.held = nil
	s.admitHeld(ctx, t)
}

func (s *shard) admitHeld(ctx actor.Context, t *tenant) {
	t.creator, t.writing = nil, false
	waiting := t.held
	t.held = nil
	for _, h := range waiting {
		s.deliver(ctx, t, h.msg, h.sender)
	}
	s.maybeLeave(ctx)
}

// disown takes back a transfer that its completion group does not count: one that
// was just created is removed, another leaves the group.
func (s *shard) disown(ctx actor.Context, t *tenant, why *transfer.Error) {
	if t.creator == nil {
		var ev transfer.Event = transfer.Cancel{By: "godwit", Reason: "its completion group was enabled before it was accepted"}
		if none := ""; t.adding || why.Code == transfer.CodeCompletionNotFound {
			ev = transfer.Update{CompletionGroup: &none}
		}
		t.entry.joined, t.adding = true, false
		s.admitHeld(ctx, t)
		s.deliver(ctx, t, &commandRequest{id: t.entry.id, event: ev}, nil)
		return
	}
	t.refused = why
	id, rec := t.entry.id, t.creator.rec
	self, root, life := ctx.Self(), ctx.ActorSystem().Root, s.life
	go func() {
		if err := s.recorder.remove(life.ctx, rec.key, rec.version); err != nil {
			s.cfg.Logger.Warn("record not removed", slog.String("transfer", id), slog.Any("error", err))
		}
		root.Send(self, &disowned{id: id})
	}()
}

func (s *shard) onDisowned(ctx actor.Context, msg *disowned) {
	t, ok := s.tenants[msg.id]
	if !ok || t.creator == nil {
		return
	}
	ctx.Send(t.creator.to, &result{err: t.refused})
	for _, h := range t.held {
		if _, again := h.msg.(*createRequest); again {
			s.refuseEntity(ctx, h.sender, t.refused)
			continue
		}
		s.refuseEntity(ctx, h.sender, notFound(msg.id))
	}
	delete(s.tenants, msg.id)
	ctx.Send(s.manager, &entryGone{entry: t.entry})
	s.maybeLeave(ctx)
}

// onRecordedEnd tells the completion group of a member's end. If the message is
// lost, the group finds out by itself.
func (s *shard) onRecordedEnd(msg *recordedEnd) {
	if t, ok := s.tenants[msg.id]; ok && t.entry.completion != "" {
		s.cfg.Reached(PointMemberRecorded)
		s.tellCompletion(t.entry.completion, msg.id, msg.phase)
	}
}

func (s *shard) tellCompletion(completion, id string, phase transfer.Phase) {
	life, d := s.life, s.deps
	go func() {
		c, cancel := context.WithTimeout(life.ctx, membershipPatience)
		defer cancel()
		call := &clusterpb.MemberCall{Id: id, Status: string(phase)}
		// Refused by a group that is not there any more.
		if err := d.system.callEntity(c, address{kindCompletion, completion}, opMember, call, nil); err == nil {
			d.cfg.Reached(PointMemberReported)
		}
	}()
}

// removeFolder deletes the markers of a group that is gone.
func (r *recorder) removeFolder(ctx context.Context, folder string) error {
	for {
		keys, err := r.store.List(ctx, folder, "", listPage)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			rec, err := r.store.Get(ctx, key)
			if err == nil {
				err = r.store.Delete(ctx, key, rec.Version)
			}
			if err != nil && storage.KindOf(err) != storage.ErrNotFound {
				return err
			}
		}
	}
}
