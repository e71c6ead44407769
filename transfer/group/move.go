package group

import (
	"maps"
	"slices"
	"time"

	"godwit/transfer"
)

// maxPlaces bounds the places in a record. Those of a group of twice as many
// members always fit.
const maxPlaces = 50_000

// room is left before the first member, for others that are moved there.
const room = int64(time.Second)

// ApplyMove changes the order. The members must be all that the group has:
// places of others are dropped, since they have ended. It fails with
// transfer.not_found if the member is not one of them, and with members.invalid
// if the other one is not, if they are the same, or if too many were moved.
func ApplyMove(s State, m *Members, mv Move, now time.Time) (State, *transfer.Error) {
	moved, member := m.byID[mv.ID]
	if !member {
		return s, refuse(transfer.CodeNotFound, mv.ID, "no member of the group has this id, or it has ended")
	}
	m.sort(s)
	order, from, to, err := rearrange(m, moved, mv)
	if err != nil {
		return s, err
	}
	places := keepPlaces(s.Places, m)
	if !slices.Equal(order, m.order) {
		arrange(order, from, to, places)
	}
	if len(places) > maxPlaces {
		return s, refuse(transfer.CodeMembers, mv.ID, "too many members were moved")
	}
	s.Places, s.Updated = places, now
	m.sorted = false
	m.sort(s)
	if mv.Where == First || mv.Where == PlayFromHere {
		for _, e := range m.turns {
			e.yields = e.yields || byRank(e, moved) > 0
		}
	}
	return s, nil
}

// rearrange returns the order that a move asks for. In it the members from one
// index to another get new places.
func rearrange(m *Members, moved *entry, mv Move) (order []*entry, from, to int, err *transfer.Error) {
	at := slices.Index(m.order, moved)
	if mv.Where == PlayFromHere {
		order = slices.Concat(m.order[at:], m.order[:at])
		// The shorter part moves, so that fewer places are recorded.
		if tail := len(order) - at; tail < at {
			return order, 0, tail, nil
		}
		return order, len(order) - at, len(order), nil
	}
	order = slices.Delete(slices.Clone(m.order), at, at+1)
	switch mv.Where {
	case First:
	case Last:
		from = len(order)
	case Before, After:
		other, member := m.byID[mv.Other]
		if !member || other == moved {
			return nil, 0, 0, refuse(transfer.CodeMembers, mv.ID, "the other one is no other member of the group")
		}
		from = slices.Index(order, other)
		if mv.Where == After {
			from++
		}
	default:
		return nil, 0, 0, refuse(transfer.CodeEnum, mv.ID, "it is FIRST, LAST, BEFORE, AFTER or PLAY_FROM_HERE")
	}
	return slices.Insert(order, from, moved), from, from + 1, nil
}

// keepPlaces copies the places of those that are still members.
func keepPlaces(places map[string]int64, m *Members) map[string]int64 {
	out := maps.Clone(places)
	if out == nil {
		out = map[string]int64{}
	}
	maps.DeleteFunc(out, func(id string, _ int64) bool { return m.byID[id] == nil })
	return out
}

// arrange gives order[from:to] the places with which their ranks lead to the
// order. Others are pushed back where there is no room, each just behind the one
// before it.
func arrange(order []*entry, from, to int, places map[string]int64) {
	last := int64(0)
	for i, rank := range ranksBetween(order, from, to) {
		last = rank
		places[order[from+i].ID] = rank - penalty(order[from+i])
	}
	for _, e := range order[to:] {
		if e.rank > last {
			return
		}
		last++
		places[e.ID] = last - penalty(e)
	}
}

// ranksBetween returns ranks for order[from:to], which is not all of the order,
// that lie between those of their neighbours: spread evenly, and one nanosecond
// apart where there is no room. So it is behind the last one too, because members
// that are created later come after all of these.
func ranksBetween(order []*entry, from, to int) []int64 {
	n := int64(to - from)
	var start, step int64
	switch {
	case from == 0:
		start, step = order[to].rank-n*room, room
	case to == len(order):
		start, step = order[from-1].rank+1, 1
	default:
		step = max(1, (order[to].rank-order[from-1].rank)/(n+1))
		start = order[from-1].rank + step
	}
	ranks := make([]int64, n)
	for i := range ranks {
		ranks[i] = start + int64(i)*step
	}
	return ranks
}

func penalty(e *entry) int64 { return int64(transfer.Penalty(e.Priority)) }

func refuse(code transfer.Code, id, why string) *transfer.Error {
	return &transfer.Error{Code: code, Op: "move", Subject: id, Message: why}
}
