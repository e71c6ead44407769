package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"godwit/transfer"
	"godwit/transfer/completion"
)

// How a completion group finds out by itself how its members stand.

// census finds out how members stand that are not known to have ended, or may have
// been retried since. What the nodes say of an end is a hint: only the record counts.
func (l *completionLogic) census(ctx actor.Context) {
	if l.counting || l.state.Phase != completion.PhaseEnabled && l.state.Phase != completion.PhaseOpen {
		return
	}
	l.counting = true
	open, failed := map[string]bool{}, map[string]bool{}
	for id, phase := range l.state.Members {
		if failed[id] = phase == transfer.PhaseFailed; !phase.Terminal() {
			open[id] = true
		}
	}
	l.async(ctx, func(c context.Context) any {
		out := &membersFound{ended: map[string]transfer.Phase{}}
		found, err := l.system.census(c, censusRequest{completion: l.at.id})
		if err != nil {
			out.incomplete = true
			return out
		}
		for _, m := range found {
			if m.phase.Terminal() {
				continue
			}
			delete(open, m.id)
			if failed[m.id] {
				out.retried = append(out.retried, m.id)
			}
		}
		l.system.readEnds(c, open, out)
		return out
	})
}

// countLater makes up for messages that were lost.
func (l *completionLogic) countLater(ctx actor.Context, after time.Duration) {
	if l.state.Phase == completion.PhaseEnabled {
		l.recount = l.later(ctx, l.recount, after, &countAgain{})
	}
}

func (l *completionLogic) stopped(actor.Context) { halt(l.timer, l.recount) }

// readEnds reads the records of members that are said to have ended, or of which
// nobody knows.
func (s *System) readEnds(ctx context.Context, ids map[string]bool, out *membersFound) {
	type end struct {
		id            string
		phase         transfer.Phase
		gone, unknown bool
	}
	work, ends := make(chan string), make(chan end)
	for range parallelReads {
		go func() {
			for id := range work {
				e := end{id: id}
				rec, err := s.deps.recorder.read(ctx, id)
				switch {
				case err == nil:
					e.phase = transfer.Phase(rec.body.GetPhase())
				case err.Code == transfer.CodeNotFound:
					e.gone = true
				case err.Code == transfer.CodeQuarantined:
					e.phase = transfer.PhaseFailed
				default:
					e.unknown = true
				}
				ends <- e
			}
		}()
	}
	go func() {
		defer close(work)
		for id := range ids {
			work <- id
		}
	}()
	for range ids {
		switch e := <-ends; {
		case e.gone:
			out.gone = append(out.gone, e.id)
		case e.phase.Terminal():
			out.ended[e.id] = e.phase
		case e.unknown:
			out.incomplete = true
		}
	}
}
