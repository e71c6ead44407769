package actors

import (
	"context"
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"godwit/transfer"
)

// How a transfer group finds out who its members are and how they stand.

// count asks all nodes for members.
func (l *groupLogic) count(ctx actor.Context) {
	if l.counting {
		return
	}
	l.counting = true
	name, step := l.at.id, l.step
	l.async(ctx, func(c context.Context) any {
		found, err := l.system.census(c, censusRequest{group: name})
		return &counted{members: found, step: step, err: err}
	})
}

// countLater plans the next look at the members, unless an earlier one is planned.
func (l *groupLogic) countLater(ctx actor.Context, after time.Duration) {
	due := time.Now().Add(after)
	if l.timer != nil && !due.Before(l.due) {
		return
	}
	l.timer, l.due = l.later(ctx, l.timer, after, &recount{}), due
}

func (l *groupLogic) stopped(ctx actor.Context) {
	halt(l.timer)
	for _, a := range l.asking {
		l.refuse(ctx, a.to, elsewhere(l.at.id))
	}
	l.asking = nil
}

// onCounted takes in what the nodes say, except of members of which there is
// later news.
func (l *groupLogic) onCounted(ctx actor.Context, msg *counted) {
	l.counting = false
	if msg.err != nil {
		l.countLater(ctx, recountSoon)
		if l.complete {
			l.answerCounted(ctx)
		}
		return
	}
	l.complete = true
	gone := maps.Clone(l.seen)
	for i := range msg.members {
		m := &msg.members[i]
		delete(gone, m.id)
		h := l.seen[m.id]
		if h.step > msg.step {
			continue
		}
		// Who was told and does not have the turn now has it no more: its owner then
		// was another one.
		h.granted = h.granted && !h.told && !m.entry.turn
		l.put(*m, h)
	}
	for id, h := range gone {
		if h.step <= msg.step {
			l.forgetMember(id)
		}
	}
	l.giveTurns(ctx)
	l.answerCounted(ctx)
	if l.members.Len() > 0 {
		l.countLater(ctx, recountEvery)
	}
}

func (l *groupLogic) answerCountedLater(ctx actor.Context, r countedReply) {
	r.early = l.counting
	l.asking = append(l.asking, r)
	l.count(ctx)
}

func (l *groupLogic) answerCounted(ctx actor.Context) {
	asking := l.asking
	l.asking = nil
	for _, a := range asking {
		switch {
		case a.early && a.move != nil:
			l.answerCountedLater(ctx, a)
		case a.move != nil:
			l.change(ctx, a.move, a.to, true)
		case !a.remove:
			l.queue(reply{a.to, func() proto.Message { return l.shown() }})
		case l.members.Len() > 0:
			l.refuse(ctx, a.to, &transfer.Error{
				Code: transfer.CodeState, Op: "delete group", Subject: l.at.id,
				Message: "it has members that have not ended; cancel them, move them to another group, or wait",
			})
		default:
			l.exists = false
			l.queue(forgetRecord{}, reply{a.to, nil})
		}
	}
}
