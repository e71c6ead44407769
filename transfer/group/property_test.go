package group

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"godwit/transfer"
)

// queue is a group whose members behave at random.
type queue struct {
	t       *rapid.T
	now     time.Time
	state   State
	members *Members
	made    int
}

func newQueue(t *rapid.T) *queue {
	spec := Spec{Name: "q", Limit: rapid.IntRange(0, 4).Draw(t, "limit"), StrictOrder: rapid.Bool().Draw(t, "strict")}
	spec.Behavior = rapid.SampledFrom([]Behavior{Parallel, Parallel, Serialized}).Draw(t, "behavior")
	if spec.Behavior == Serialized {
		spec.Limit = 1
	}
	now := time.Unix(1_800_000_000, 0).UTC()
	return &queue{t: t, now: now, state: New(spec, now), members: NewMembers()}
}

func (q *queue) add() {
	q.made++
	q.members.Put(Member{
		ID: fmt.Sprintf("m%d", q.made), Created: q.now, Standing: Waiting,
		Priority: rapid.SampledFrom([]transfer.Priority{transfer.PriorityDefault, transfer.PriorityLow, transfer.PriorityHigh}).Draw(q.t, "priority"),
	})
	// Some are created at one moment.
	q.now = q.now.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 3, int64(time.Second), int64(15 * time.Minute)}).Draw(q.t, "pause")))
}

// any returns some member, "" if there is none.
func (q *queue) any(label string) string {
	order := q.members.Order(q.state, q.members.Len())
	if len(order) == 0 {
		return ""
	}
	return rapid.SampledFrom(order).Draw(q.t, label)
}

func (q *queue) put(id string, change func(*Member)) {
	m, known := q.members.Get(id)
	if known {
		change(&m)
		q.members.Put(m)
	}
}

func (q *queue) disturb() {
	id := q.any("member")
	switch rapid.IntRange(0, 7).Draw(q.t, "what") {
	case 0, 1:
		q.add()
	case 2:
		q.members.Remove(id)
	case 3:
		q.put(id, func(m *Member) {
			m.Standing = rapid.SampledFrom([]Standing{Waiting, Running, Paused, Delayed, Idle}).Draw(q.t, "standing")
			m.NotBefore = q.now.Add(time.Minute)
		})
	case 4:
		q.put(id, func(m *Member) { m.Turn = false })
	case 5:
		q.move(id)
	case 6:
		limit, paused := rapid.IntRange(0, 4).Draw(q.t, "new limit"), rapid.Bool().Draw(q.t, "paused")
		if state, err := ApplyChange(q.state, q.members, Change{Limit: &limit, Paused: &paused}, q.now); err == nil {
			q.state = state
		}
	case 7:
		q.now = q.now.Add(time.Duration(rapid.IntRange(0, 120).Draw(q.t, "seconds")) * time.Second)
	}
}

// plan carries a plan out and checks it.
func (q *queue) plan() {
	grant, revoke := Plan(q.state, q.members, q.now)
	limit := q.state.Spec.slots(q.members.Len())
	turns := len(q.members.turns)
	if len(grant) > 0 && (turns+len(grant) > limit || q.state.Paused) {
		q.t.Fatalf("%v are granted with %d turns, limit %d, paused %v", grant, turns, limit, q.state.Paused)
	}
	for _, id := range revoke {
		if m, _ := q.members.Get(id); !m.Turn || slices.Contains(grant, id) {
			q.t.Fatalf("%s has no turn to be taken", id)
		}
	}
	if kept := turns - len(revoke); kept > limit || q.state.Paused && kept > 0 {
		q.t.Fatalf("%d keep their turn, the limit is %d, paused %v", kept, limit, q.state.Paused)
	}
	if q.state.Spec.StrictOrder {
		q.checkStrict(grant, revoke, limit)
	}
	for _, id := range grant {
		q.put(id, func(m *Member) {
			if m.Turn || m.Standing == Paused || m.Standing == Idle {
				q.t.Fatalf("%s is granted a turn and is %s, turn %v", id, m.Standing, m.Turn)
			}
			m.Turn = true
		})
	}
	if !q.state.Paused {
		q.checkOrder(limit)
	}
	again, still := Plan(q.state, q.members, q.now)
	if len(again) > 0 || !slices.Equal(revoke, still) {
		q.t.Fatalf("plans %v %v, then %v %v", grant, revoke, again, still)
	}
}

// checkStrict finds those that overtake one that holds its place.
func (q *queue) checkStrict(grant, revoke []string, limit int) {
	taken := len(q.members.turns) - len(revoke)
	for _, id := range q.members.Order(q.state, q.members.Len()) {
		m, _ := q.members.Get(id)
		if slices.Contains(grant, id) && taken >= limit {
			q.t.Fatalf("%s overtakes", id)
		}
		if m.Standing != Idle && (!m.Turn || slices.Contains(revoke, id)) {
			taken++
		}
	}
}

// checkOrder finds those that were passed over: none waits while there are turns
// left, unless somebody holds the place before it.
func (q *queue) checkOrder(limit int) {
	waits := ""
	free := limit - len(q.members.turns)
	for _, id := range q.members.Order(q.state, q.members.Len()) {
		m, _ := q.members.Get(id)
		runnable := m.Standing == Waiting || m.Standing == Running || m.Standing == Delayed && !m.NotBefore.After(q.now)
		switch {
		case m.Turn:
		case runnable && free > 0:
			q.t.Fatalf("%s waits and %d turns are left", id, free)
		case runnable && waits == "":
			waits = id
		case !runnable && m.Standing != Idle && q.state.Spec.StrictOrder && free > 0:
			free--
		}
	}
}

// move moves a member and compares with what a list would do.
func (q *queue) move(id string) {
	if id == "" {
		return
	}
	mv := Move{ID: id, Where: rapid.SampledFrom([]Where{First, Last, Before, After, PlayFromHere}).Draw(q.t, "where"), Other: q.any("other")}
	want := q.members.Order(q.state, q.members.Len())
	at := slices.Index(want, id)
	if mv.Where == PlayFromHere {
		want = slices.Concat(want[at:], want[:at])
	} else {
		want = slices.Delete(want, at, at+1)
		to := map[Where]int{First: 0, Last: len(want), Before: slices.Index(want, mv.Other), After: slices.Index(want, mv.Other) + 1}[mv.Where]
		if mv.Other == id && (mv.Where == Before || mv.Where == After) {
			return
		}
		want = slices.Insert(want, to, id)
	}
	state, err := ApplyMove(q.state, q.members, mv, q.now)
	if err != nil {
		q.t.Fatalf("%+v: %v", mv, err)
	}
	q.state = state
	if got := q.members.Order(state, q.members.Len()); !slices.Equal(got, want) {
		q.t.Fatalf("%+v leads to %v, not %v", mv, got, want)
	}
	for id := range state.Places {
		if _, known := q.members.Get(id); !known {
			q.t.Fatalf("%s has ended and has a place", id)
		}
	}
	// Who loads the record finds the same order.
	loaded := NewMembers()
	for _, id := range rapid.Permutation(want).Draw(q.t, "loaded") {
		m, _ := q.members.Get(id)
		loaded.Put(m)
	}
	if got := loaded.Order(state, loaded.Len()); !slices.Equal(got, want) {
		q.t.Fatalf("%v is loaded, not %v", got, want)
	}
}

// Whatever members and users do, there are never more turns than the limit, none
// is left unused or passed over, and moves do what they say.
func TestGroupsInAnyWorld(t *testing.T) {
	for range 20 {
		rapid.Check(t, func(t *rapid.T) {
			q := newQueue(t)
			for range rapid.IntRange(10, 80).Draw(t, "steps") {
				q.disturb()
				q.plan()
			}
			q.drain()
		})
	}
}

// drain lets all members run to their end.
func (q *queue) drain() {
	paused := false
	q.state, _ = ApplyChange(q.state, q.members, Change{Paused: &paused}, q.now)
	for _, id := range q.members.Order(q.state, q.members.Len()) {
		q.put(id, func(m *Member) { m.Standing = Waiting })
	}
	for range 2 * q.members.Len() {
		q.plan()
		_, revoke := Plan(q.state, q.members, q.now)
		for _, id := range revoke {
			q.put(id, func(m *Member) { m.Turn = false })
		}
		for id := range q.members.turns {
			q.members.Remove(id)
			break
		}
	}
	if n := q.members.Len(); n > 0 {
		q.t.Fatalf("%d members never run", n)
	}
}

// Members of higher priority come all the time, and every other one has its turn
// nevertheless, no later than its penalty says.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(t)
		q.state = New(Spec{Name: "q", Behavior: Serialized, Limit: 1, StrictOrder: q.state.Spec.StrictOrder}, q.now)
		begin := q.now
		q.members.Put(Member{ID: "old", Priority: transfer.PriorityLow, Created: q.now, Standing: Waiting})
		takes := time.Duration(rapid.IntRange(30, 100).Draw(t, "seconds")) * time.Second
		for i := range 200 {
			q.members.Put(Member{ID: fmt.Sprintf("high%d", i), Priority: transfer.PriorityHigh, Created: q.now, Standing: Waiting})
			q.plan()
			q.now = q.now.Add(takes)
			for id := range q.members.turns {
				q.members.Remove(id)
				if id == "old" {
					if waited := q.now.Sub(begin); waited > 30*time.Minute+2*takes {
						t.Fatalf("it waited %v", waited)
					}
					return
				}
			}
		}
		t.Fatal("it never ran")
	})
}

// Members that are created after a move come behind all that were moved, if their
// priority is the same.
func TestNewOnesComeLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(t)
		n := rapid.IntRange(1, 20).Draw(t, "members")
		for i := range n {
			q.members.Put(Member{ID: fmt.Sprintf("m%02d", i), Created: q.now.Add(time.Duration(i) * time.Millisecond), Standing: Waiting})
		}
		q.now = q.now.Add(time.Second)
		for range rapid.IntRange(1, 10).Draw(t, "moves") {
			q.move(q.any("member"))
		}
		q.members.Put(Member{ID: "a", Created: q.now.Add(time.Second), Standing: Waiting})
		if order := q.members.Order(q.state, n+1); order[n] != "a" {
			t.Fatalf("%v", order)
		}
	})
}
