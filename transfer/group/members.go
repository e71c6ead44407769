package group

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"godwit/transfer"
)

// Standing is how a member stands, as far as its group cares.
type Standing string

// The standings.
const (
	// Waiting could run.
	Waiting Standing = "WAITING"
	// Delayed could run from Member.NotBefore on: it tries again after a failure.
	Delayed Standing = "DELAYED"
	Running Standing = "RUNNING"
	Paused  Standing = "PAUSED"
	// Idle was not started yet.
	Idle Standing = "IDLE"
)

// Member is what a group knows of a transfer that has not ended.
type Member struct {
	ID       string
	Priority transfer.Priority
	Created  time.Time
	Standing Standing
	// NotBefore is when a delayed one could run.
	NotBefore time.Time
	// Turn: it was given a turn, and has not said yet that it gave it back.
	Turn bool
}

// entry is a Member in its order.
type entry struct {
	Member
	rank int64
	// yields: a move has put another one before it, to which it loses its turn.
	yields bool
}

// Members are all members of a group that have not ended. It belongs to one
// owner, as a map does.
type Members struct {
	byID  map[string]*entry
	order []*entry
	turns map[string]*entry
	// sorted: order and ranks are right.
	sorted bool
}

// NewMembers makes an empty set.
func NewMembers() *Members {
	return &Members{byID: map[string]*entry{}, turns: map[string]*entry{}}
}

// Put adds a member or replaces what is known of it.
func (m *Members) Put(member Member) {
	e, known := m.byID[member.ID]
	if !known {
		e = &entry{}
		m.byID[member.ID] = e
		m.order = append(m.order, e)
	}
	if !known || e.Priority != member.Priority || !e.Created.Equal(member.Created) {
		m.sorted = false
	}
	e.Member = member
	if member.Turn {
		m.turns[member.ID] = e
	} else {
		delete(m.turns, member.ID)
		e.yields = false
	}
}

// Remove forgets a member that has ended or left.
func (m *Members) Remove(id string) {
	e, known := m.byID[id]
	if !known {
		return
	}
	delete(m.byID, id)
	delete(m.turns, id)
	i := slices.Index(m.order, e)
	m.order = slices.Delete(m.order, i, i+1)
}

// Get returns a member.
func (m *Members) Get(id string) (Member, bool) {
	if e, known := m.byID[id]; known {
		return e.Member, true
	}
	return Member{}, false
}

// Len is the number of members.
func (m *Members) Len() int { return len(m.byID) }

// Count returns how many members there are of each standing.
func (m *Members) Count() map[Standing]int {
	counts := make(map[Standing]int)
	for _, e := range m.order {
		counts[e.Standing]++
	}
	return counts
}

// Order returns the ids of the first members in the order in which they run.
func (m *Members) Order(s State, limit int) []string {
	m.sort(s)
	out := make([]string, 0, min(limit, len(m.order)))
	for _, e := range m.order[:cap(out)] {
		out = append(out, e.ID)
	}
	return out
}

// NextDelay is when the next delayed member could run, zero if there is none:
// then it is time for another Plan.
func (m *Members) NextDelay(now time.Time) (next time.Time) {
	for _, e := range m.order {
		if e.Standing == Delayed && e.NotBefore.After(now) && (next.IsZero() || e.NotBefore.Before(next)) {
			next = e.NotBefore
		}
	}
	return next
}

// sort brings the order up to date. That is rarely to do: turns and standings do
// not touch it.
func (m *Members) sort(s State) {
	if m.sorted {
		return
	}
	for _, e := range m.order {
		place, moved := s.Places[e.ID]
		if !moved {
			place = e.Created.UnixNano()
		}
		e.rank = place + int64(transfer.Penalty(e.Priority))
	}
	slices.SortFunc(m.order, byRank)
	m.sorted = true
}

func byRank(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.ID, b.ID))
}
