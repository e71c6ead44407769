package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
)

// What has ended is kept for Config.Retention, so that people can still see what
// became of it; then the shard deletes it.

// Bounds of one sweep, so that a node that was down for long is no storm on its
// store: this many transfers of a shard, and not again before a while.
const (
	sweepMost = 16
	sweepRest = time.Second
	// sweepAgain is when those are looked at once more that were to be deleted.
	sweepAgain = time.Minute
)

// receiveUpkeep is the part of Receive for what happens to transfers that do
// not run: they are woken, mended, or deleted.
func (s *shard) receiveUpkeep(ctx actor.Context) bool {
	switch msg := ctx.Message().(type) {
	case *purged:
		s.onPurged(ctx, msg)
	case *sweep:
		s.onSweep(ctx)
	case *wakeUp:
		s.onWakeUp(ctx, msg)
	case *rested:
		s.onRested(msg)
	case *quarantinedRecord:
		s.onQuarantined(ctx, msg)
	default:
		return false
	}
	return true
}

// sweep looks for transfers that were kept for long enough.
type sweep struct{}

// sweeping is the timer of the next sweep, at is when it fires.
type sweeping struct {
	timer *time.Timer
	at    time.Time
}

func (w *sweeping) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = nil
}

// keepFor makes sure that a transfer that has ended is looked at when its time
// is over. One timer serves all of a shard.
func (s *shard) keepFor(ctx actor.Context, t *tenant) {
	if t.entry.finished.IsZero() {
		return
	}
	due := t.shelf.until(t.entry.finished, time.Now(), s.cfg.keeping())
	if w := &s.sweeping; w.timer == nil || due.Before(w.at) {
		s.sweepAt(ctx, due)
	}
}

func (s *shard) sweepAt(ctx actor.Context, at time.Time) {
	s.sweeping.stop()
	self, root := ctx.Self(), ctx.ActorSystem().Root
	wait := max(time.Until(at), sweepRest)
	s.sweeping = sweeping{at: at, timer: time.AfterFunc(wait, func() { root.Send(self, &sweep{}) })}
}

// onSweep has those deleted whose time is over, through their actors, and looks
// again when the next one's is.
func (s *shard) onSweep(ctx actor.Context) {
	s.sweeping.stop()
	if s.leaving {
		return
	}
	var next time.Time
	expired := s.expired(time.Now(), &next)
	for n, t := range expired {
		if n == sweepMost {
			next = time.Now()
			break
		}
		// Not one that was retried and has ended again meanwhile.
		ended := t.entry.finished.Add(time.Nanosecond)
		s.deliver(ctx, t, &commandRequest{id: t.entry.id, event: transfer.Purge{EndedBefore: ended}}, nil)
	}
	if again := time.Now().Add(sweepAgain); len(expired) > 0 && (next.IsZero() || next.After(again)) {
		next = again
	}
	if !next.IsZero() {
		s.sweepAt(ctx, next)
	}
}

// expired returns the transfers that were kept for long enough, and sets next to
// when the first of the others will be due.
func (s *shard) expired(now time.Time, next *time.Time) []*tenant {
	var out []*tenant
	for _, t := range s.tenants {
		switch e := &t.entry; {
		case e.finished.IsZero() || t.waiting || t.fault != nil || t.purged:
		default:
			due := t.shelf.until(e.finished, now, s.cfg.keeping())
			if due.Before(now) {
				out = append(out, t)
			} else if next.IsZero() || due.Before(*next) {
				*next = due
			}
		}
	}
	return out
}

// onPurged ends the actor of a transfer whose record is gone.
func (s *shard) onPurged(ctx actor.Context, msg *purged) {
	if t, ok := s.tenants[msg.id]; ok && t.pid != nil {
		t.purged, t.leaving = true, true
		ctx.Poison(t.pid)
	}
}

// forget drops a transfer that is gone. Its id is free again.
func (s *shard) forget(ctx actor.Context, t *tenant, waiting []held) {
	delete(s.tenants, t.entry.id)
	ctx.Send(s.manager, &entryGone{entry: t.entry})
	for _, h := range waiting {
		switch msg := h.msg.(type) {
		case *createRequest:
			s.create(ctx, msg, h.sender)
		default:
			if h.sender != nil {
				ctx.Send(h.sender, &result{err: notFound(t.entry.id)})
			}
		}
	}
}
