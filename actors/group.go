package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/group"
)

// recountEvery is how often a transfer group looks for what it was not told;
// recountSoon how soon it tries again while it does not know all its members.
const (
	recountEvery = 5 * time.Second
	recountSoon  = 500 * time.Millisecond
)

// groupLogic gives turns to the members of one transfer group: see package
// group. Turns are not recorded, since those who have them know: a new owner
// gives none before it has asked every node.
type groupLogic struct {
	*entityActor
	body   *recordpb.Group
	state  group.State
	exists bool
	// members are those that have not ended; complete says that none is missing.
	members  *group.Members
	complete bool
	// seen is what was last heard of each member; step counts what is heard.
	seen map[string]heard
	step uint64
	// counting: a census is under way. asking are answered after it.
	counting bool
	asking   []countedReply
	// timer is for the next look at the members, nil if none is planned; due is when.
	timer *time.Timer
	due   time.Time
}

// heard is the last news of a member: messages overtake each other, and turns
// that were given are news before they are confirmed.
type heard struct {
	source   string
	sequence uint64
	step     uint64
	// granted: it was given a turn, and has not confirmed it; told: its owner of that
	// time has answered.
	granted, told bool
}

// countedReply waits for the members to be counted.
type countedReply struct {
	to *actor.PID
	// remove asks for the group to be removed if nobody is left.
	remove bool
	// move is a change that depends on who else is there; nil for none.
	move *entityRequest
	// early: it came while members were being counted, which may have missed some.
	early bool
}

type (
	counted struct {
		members []member
		// step is when the counting began.
		step uint64
		err  *transfer.Error
	}
	recount struct{}
	// turnTold says that a member has heard of its turn, turnRefused that it did not.
	turnTold    struct{ id string }
	turnRefused struct{ id string }
)

func (l *groupLogic) load(ctx actor.Context, body []byte) error {
	l.body, l.exists = &recordpb.Group{}, body != nil
	l.members, l.seen = group.NewMembers(), map[string]heard{}
	l.complete, l.counting = false, false
	halt(l.timer)
	l.timer = nil
	if !l.exists {
		return nil
	}
	if err := proto.Unmarshal(body, l.body); err != nil {
		return errors.New("its record is not readable")
	}
	l.state = decodeGroup(l.body)
	l.count(ctx)
	return nil
}

func (l *groupLogic) encode() (proto.Message, error) {
	encodeGroup(l.body, &l.state)
	return l.body, nil
}

// idle: with members it stays, to give them their turns.
func (l *groupLogic) idle() (bool, time.Time) {
	return !l.exists || l.complete && l.members.Len() == 0 && len(l.asking) == 0 && !l.counting, time.Time{}
}

func (l *groupLogic) ask(ctx actor.Context, r *entityRequest, to *actor.PID) {
	if !l.exists && r.op != opCreate && r.op != opMember {
		l.refuse(ctx, to, groupNotFound(l.at.id))
		return
	}
	switch r.op {
	case opCreate:
		l.create(ctx, r, to)
	case opMember:
		l.hear(ctx, r, to)
	case opExists:
		l.queue(reply{to, nil})
	case opGet:
		l.answerCountedLater(ctx, countedReply{to: to})
	case opDelete:
		l.answerCountedLater(ctx, countedReply{to: to, remove: true})
	case opChange:
		l.change(ctx, r, to, false)
	default:
		l.refuse(ctx, to, unreadable(r.op))
	}
}

func (l *groupLogic) create(ctx actor.Context, r *entityRequest, to *actor.PID) {
	asked := &recordpb.Group{}
	if err := proto.Unmarshal(r.body, asked); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	spec := decodeGroup(asked).Spec
	switch {
	case l.exists && !sameGroup(&spec, &l.state.Spec):
		l.refuse(ctx, to, entityConflict("group", l.at.id))
		return
	case l.exists:
		l.answerCountedLater(ctx, countedReply{to: to})
		return
	}
	l.begin(ctx, spec)
	l.queue(reply{to, func() proto.Message {
		out := l.shown()
		out.Created = true
		return out
	}})
}

// begin makes a group that does not exist.
func (l *groupLogic) begin(ctx actor.Context, spec group.Spec) {
	l.state, l.exists, l.body = group.New(spec, time.Now().UTC()), true, &recordpb.Group{}
	l.queue(save{})
	l.count(ctx)
}

// hear takes in how a member stands. A transfer may name a group that nobody has
// made.
func (l *groupLogic) hear(ctx actor.Context, r *entityRequest, to *actor.PID) {
	m := &clusterpb.Member{}
	if err := proto.Unmarshal(r.body, m); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	if now := memberFrom(m); !l.exists && !l.counts(&now) {
		l.queue(reply{to, nil}) // it was the last one of a group that was removed since
		return
	}
	if !l.exists {
		l.begin(ctx, group.Spec{Name: l.at.id, Behavior: group.Parallel})
	}
	l.queue(reply{to, nil})
	last := l.seen[m.GetId()]
	if last.source == m.GetSource() && last.sequence >= m.GetSequence() {
		return
	}
	now := l.news(m.GetId())
	now.source, now.sequence = m.GetSource(), m.GetSequence()
	now.granted = last.granted && !m.GetTurn()
	l.put(memberFrom(m), now)
	if _, member := l.members.Get(m.GetId()); member && now.granted && last.source != m.GetSource() {
		// It has another owner now, and the one before may have had the turn.
		l.tellTurns(ctx, []string{m.GetId()}, true)
	}
	l.giveTurns(ctx)
	l.countLater(ctx, recountEvery)
}

// news is what is known of a member, as of now.
func (l *groupLogic) news(id string) heard {
	l.step++
	h := l.seen[id]
	h.step = l.step
	return h
}

// counts tells a member from one that has ended or left.
func (l *groupLogic) counts(m *member) bool { return !m.phase.Terminal() && m.entry.group == l.at.id }

// put takes in one member as it is said to be. What is known of one that has ended
// or left is kept until a later census, since older news of it may be on its way.
func (l *groupLogic) put(m member, h heard) {
	if !l.counts(&m) {
		l.members.Remove(m.id)
		l.seen[m.id] = h
		return
	}
	known := groupMember(&m)
	if h.granted && known.Standing == group.Waiting {
		// The turn is on its way.
		known.Turn = true
	}
	l.members.Put(known)
	l.seen[m.id] = h
}

func (l *groupLogic) forgetMember(id string) {
	l.members.Remove(id)
	delete(l.seen, id)
}

// groupMember is a member in the words of package group.
func groupMember(m *member) group.Member {
	out := group.Member{
		ID: m.id, Priority: m.entry.priority, Created: m.entry.created, Turn: m.entry.turn, NotBefore: m.entry.notBefore,
	}
	switch m.phase {
	case transfer.PhaseIdle:
		out.Standing = group.Idle
	case transfer.PhasePaused:
		out.Standing = group.Paused
	case transfer.PhaseQueued:
		out.Standing = group.Waiting
		if m.entry.notBefore.After(time.Now()) {
			out.Standing = group.Delayed
		}
	default:
		// It may be running on a node that others have lost sight of.
		out.Standing, out.Turn = group.Running, true
	}
	return out
}

func (l *groupLogic) change(ctx actor.Context, r *entityRequest, to *actor.PID, counted bool) {
	c := &clusterpb.GroupChange{}
	if err := proto.Unmarshal(r.body, c); err != nil {
		l.refuse(ctx, to, unreadable(r.op))
		return
	}
	if c.GetEtag() != "" && c.GetEtag() != l.etag() {
		l.refuse(ctx, to, staleGroup(l.at.id))
		return
	}
	if c.GetMove() != nil && !counted {
		// Members are told of after they were accepted: a move counts all that were
		// accepted before it, whether the group has heard of them or not.
		l.answerCountedLater(ctx, countedReply{to: to, move: r})
		return
	}
	state, err := group.ApplyChange(l.state, l.members, changeFrom(c), time.Now().UTC())
	if err != nil {
		l.refuse(ctx, to, err)
		return
	}
	l.state = state
	l.queue(save{}, giveTurns{}, reply{to, func() proto.Message { return l.shown() }})
}

// giveTurns is queued behind a write.
type giveTurns struct{}

func (l *groupLogic) carryOut(ctx actor.Context, effect any) {
	if _, ok := effect.(giveTurns); ok {
		l.giveTurns(ctx)
	}
}

// giveTurns tells members that they may run, or may not any more.
func (l *groupLogic) giveTurns(ctx actor.Context) {
	if !l.complete {
		return
	}
	now := time.Now()
	grant, revoke := group.Plan(l.state, l.members, now)
	for _, id := range grant {
		m, _ := l.members.Get(id)
		m.Turn = true
		l.members.Put(m)
		h := l.news(id)
		h.granted, h.told = true, false
		l.seen[id] = h
	}
	l.tellTurns(ctx, grant, true)
	l.tellTurns(ctx, revoke, false)
	if next := l.members.NextDelay(now); !next.IsZero() {
		l.countLater(ctx, min(next.Sub(now), recountEvery))
	}
}

func (l *groupLogic) tellTurns(ctx actor.Context, ids []string, granted bool) {
	if len(ids) == 0 {
		return
	}
	name, self, root, life := l.at.id, ctx.Self(), ctx.ActorSystem().Root, l.life
	l.async(ctx, func(c context.Context) any {
		each(ids, func(id string) {
			c, cancel := context.WithTimeout(c, membershipPatience)
			defer cancel()
			_, err := l.system.request(c, &turnRequest{id: id, group: name, granted: granted})
			switch {
			case err != nil:
				root.Send(self, &entityHappened{life: life, msg: &turnRefused{id: id}})
			case granted:
				root.Send(self, &entityHappened{life: life, msg: &turnTold{id: id}})
			}
		})
		return nil
	})
}

func (l *groupLogic) happened(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case *recount:
		l.timer = nil
		l.giveTurns(ctx)
		l.count(ctx)
	case *counted:
		l.onCounted(ctx, msg)
	case *turnTold:
		if l.seen[msg.id].granted {
			h := l.news(msg.id)
			h.told = true
			l.seen[msg.id] = h
		}
	case *turnRefused:
		// Whether it has heard of its turn, the next census says.
		if h, ok := l.seen[msg.id]; ok {
			h.granted = false
			l.seen[msg.id] = h
		}
		l.countLater(ctx, recountSoon)
	}
}
