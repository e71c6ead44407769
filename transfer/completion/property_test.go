package completion

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"godwit/transfer"
	"godwit/transfer/task"
)

// world is a store, transfers and the owner of one group.
type world struct {
	t             *rapid.T
	now           time.Time
	state, record State
	// todo are effects that are not carried out yet, in order.
	todo []Effect
	// answers are under way to the owner.
	answers []Event
	// members are the records of transfers that name the group, acknowledged
	// those that it counts for certain.
	members      map[string]transfer.Phase
	acknowledged map[string]bool
	tasks        map[string]int
	persists     int
	wake         time.Time
	fired        bool
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: time.Unix(1_800_000_000, 0).UTC(), members: map[string]transfer.Phase{},
		acknowledged: map[string]bool{}, tasks: map[string]int{},
	}
	spec := Spec{
		ID: "g", Policy: rapid.SampledFrom([]Policy{AllFinished, AllSucceeded, Quorum}).Draw(t, "policy"),
		StartOnEnable: rapid.Bool().Draw(t, "start"),
	}
	if spec.Policy == Quorum {
		spec.Quorum = rapid.IntRange(1, 5).Draw(t, "quorum")
	}
	if rapid.Bool().Draw(t, "task") {
		spec.Task = &task.Spec{Kind: task.Exec, Command: "c"}
	}
	if rapid.Bool().Draw(t, "notify") {
		spec.Notifications = []transfer.Notification{{Channel: "log", Success: "s", Failure: "f"}}
	}
	if rapid.Bool().Draw(t, "deadline") {
		spec.Deadline = w.now.Add(time.Hour)
	}
	if rapid.Bool().Draw(t, "auto enable") {
		spec.AutoEnableAfter = time.Hour
	}
	var effects []Effect
	w.state, effects = New(spec, w.now)
	w.record = reload(w.state)
	w.take(effects)
	return w
}

func (w *world) apply(ev Event) *transfer.Error {
	before := w.state.Phase
	state, effects, err := Apply(w.state, ev, Context{Now: w.now})
	w.state = state
	if n := state.ended(); n > len(state.Members) || min(state.Completed, state.Failed, state.Canceled) < 0 {
		w.t.Fatalf("%d of %d members are said to have ended", n, len(state.Members))
	}
	if before.Ended() && state.Phase != before && !(before == PhaseFailed && state.Phase == PhaseDone) {
		w.t.Fatalf("%s became %s", before, state.Phase)
	}
	w.take(effects)
	return err
}

func (s *State) ended() int { return s.Completed + s.Failed + s.Canceled }

func (w *world) take(effects []Effect) {
	for _, e := range effects {
		if wake, ok := e.(WakeAt); ok {
			w.wake = wake.Time
			continue
		}
		w.todo = append(w.todo, e)
		if _, ok := e.(Persist); ok {
			// What is written is the state as it was when that was asked for.
			w.todo[len(w.todo)-1] = written{record: reload(w.state)}
		}
	}
}

// written is a Persist with what it writes.
type written struct {
	Persist
	record State
}

// step carries out the first effect; false when there is none.
func (w *world) step() bool {
	if len(w.answers) > 0 && (len(w.todo) == 0 || w.lucky()) {
		ev := w.answers[0]
		w.answers = w.answers[1:]
		w.apply(ev)
		return true
	}
	if len(w.todo) == 0 {
		return false
	}
	e := w.todo[0]
	w.todo = w.todo[1:]
	switch e := e.(type) {
	case written:
		w.persists++
		w.write(e.record)
	case ListMembers:
		ids := slices.Collect(maps.Keys(w.members))
		w.answers = append(w.answers, MembersListed{IDs: ids, Final: e.Final})
	case Census:
		for _, id := range w.shuffled() {
			if w.members[id].Terminal() && w.lucky() {
				w.apply(Ended{ID: id, Phase: w.members[id]})
			}
		}
		for _, id := range slices.Sorted(maps.Keys(w.state.Members)) {
			if _, there := w.members[id]; !there {
				w.apply(Left{ID: id})
			}
		}
	case StartMembers:
		for _, id := range e.IDs {
			if w.members[id] == transfer.PhaseIdle {
				w.members[id] = transfer.PhaseRunning
			}
		}
	case CancelMembers:
		for _, id := range e.IDs {
			if phase, there := w.members[id]; there && !phase.Terminal() {
				w.members[id] = transfer.PhaseCanceled
			}
		}
	case CreateTask:
		w.tasks[e.ID] = min(1, w.tasks[e.ID]+1)
		w.apply(TaskCreated{})
	case Notify:
		w.tasks[e.ID] = 1
		w.apply(Notified{Index: e.Index})
	case AskTask:
		if w.tasks[e.ID] == 0 {
			w.t.Fatalf("the record says that %s runs, but there is none", e.ID)
		}
		w.apply(TaskEnded{Succeeded: true})
	}
	return true
}

// write checks what the record says.
func (w *world) write(r State) {
	w.record = r
	if r.Sealed {
		for id := range w.acknowledged {
			if _, member := r.Members[id]; !member {
				w.t.Fatalf("%s was acknowledged and is not counted", id)
			}
		}
	}
	if r.Phase != PhaseTriggered && r.Phase != PhaseDone {
		return
	}
	if !r.Sealed {
		w.t.Fatal("fired before it was sealed")
	}
	completed, ended := 0, 0
	for id := range r.Members {
		if phase, there := w.members[id]; phase == transfer.PhaseCompleted {
			completed++
			ended++
		} else if !there || phase.Terminal() {
			ended++
		}
	}
	switch {
	case r.Spec.Policy == Quorum && completed < r.Spec.Quorum,
		r.Spec.Policy == AllSucceeded && completed < len(r.Members):
		w.t.Fatalf("fired with %d of %d completed", completed, len(r.Members))
	case r.Spec.Policy == AllFinished && ended < len(r.Members) && !w.fired:
		w.t.Fatalf("fired with %d of %d ended", ended, len(r.Members))
	}
	w.fired = true
}

func (w *world) lucky() bool { return rapid.IntRange(0, 4).Draw(w.t, "luck") > 0 }

func (w *world) shuffled() []string {
	ids := slices.Sorted(maps.Keys(w.members))
	if len(ids) < 2 {
		return ids
	}
	return rapid.Permutation(ids).Draw(w.t, "order")
}

// disturb does one random thing.
func (w *world) disturb() {
	id := fmt.Sprintf("m%d", rapid.IntRange(0, 6).Draw(w.t, "member"))
	phase, there := w.members[id]
	// The library prefers small numbers: spread them over all that can happen.
	switch uint32(rapid.IntRange(0, 1<<16).Draw(w.t, "what")) * 2654435761 >> 16 % 12 {
	case 0, 1:
		if !there && !w.state.Phase.Ended() {
			w.members[id] = rapid.SampledFrom([]transfer.Phase{transfer.PhaseIdle, transfer.PhaseRunning}).Draw(w.t, "begin")
		}
		w.join(id)
	case 2, 3:
		if there && (phase == transfer.PhaseRunning || phase == transfer.PhaseIdle) {
			w.members[id] = rapid.SampledFrom([]transfer.Phase{transfer.PhaseCompleted, transfer.PhaseFailed, transfer.PhaseCanceled}).Draw(w.t, "end")
			w.report(id)
		}
	case 4:
		for _, other := range w.shuffled() {
			if w.members[other] == transfer.PhaseFailed {
				id, phase = other, transfer.PhaseFailed
			}
		}
		// A group that is about to decide must hear of it to wait; sealing one looks
		// again at those that had failed.
		undecided := w.state.Phase == PhaseEnabled && w.state.memory.verdict == nil
		if phase == transfer.PhaseFailed && (w.state.Phase == PhaseOpen || undecided) {
			w.members[id] = transfer.PhaseRunning
			if undecided || rapid.Bool().Draw(w.t, "heard") {
				w.apply(Revived{ID: id})
			}
		}
	case 5:
		if !w.lucky() {
			w.apply(Enable{})
		}
	case 6:
		w.kill()
	case 7:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 600).Draw(w.t, "seconds")) * time.Second)
		w.apply(Tick{})
	default:
		w.step()
	}
}

// join asks for a member whose marker is written.
func (w *world) join(id string) {
	if _, there := w.members[id]; !there {
		return
	}
	switch err := w.apply(Join{ID: id}); {
	case err == nil:
		w.acknowledged[id] = true
	case err.Code == transfer.CodeCompletionEnabled:
		if w.acknowledged[id] {
			w.t.Fatalf("%s was acknowledged and then refused", id)
		}
		delete(w.members, id)
		w.apply(Left{ID: id})
	}
}

func (w *world) report(id string) {
	for range rapid.IntRange(0, 2).Draw(w.t, "times") {
		w.apply(Ended{ID: id, Phase: w.members[id]})
	}
}

// kill loses everything but the record; some of the effects may have happened.
func (w *world) kill() {
	for range rapid.IntRange(0, 3).Draw(w.t, "before") {
		w.step()
	}
	w.todo, w.answers, w.wake = nil, nil, time.Time{}
	w.state = reload(w.record)
	w.apply(Recovered{})
}

// In any world, whatever gets lost and whenever the owner dies, a group counts
// whom it acknowledged, decides once, and comes to an end after its members.
func TestGroupsInAnyWorld(t *testing.T) {
	// The library's own number of worlds is too small for what goes wrong in
	// one of a thousand.
	for range 60 {
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(t)
			for range rapid.IntRange(5, 60).Draw(t, "steps") {
				w.disturb()
			}
			w.calm()
		})
	}
}

func (w *world) calm() {
	w.apply(Enable{})
	for range 500 {
		if w.step() {
			continue
		}
		if w.state.Phase.Ended() {
			break
		}
		for id, phase := range w.members {
			if phase == transfer.PhaseRunning || phase == transfer.PhaseIdle && !w.state.Spec.StartOnEnable {
				w.members[id] = transfer.PhaseCompleted
			}
		}
		if w.wake.IsZero() {
			w.t.Fatalf("%s, and nothing will happen any more", w.state.Phase)
		}
		if w.wake.After(w.now) {
			w.now = w.wake
		}
		w.apply(Tick{})
	}
	s := &w.state
	if !s.Phase.Ended() || w.record.Phase != s.Phase || !w.wake.IsZero() {
		w.t.Fatalf("it rests in %s (%s in the record), waiting on %v", s.Phase, w.record.Phase, s.WaitingOn(10))
	}
	if fired := s.Spec.Task != nil && w.tasks[TaskID("g")] == 1; fired != (s.TaskID != "") {
		w.t.Fatalf("%s with task %q, and %v", s.Phase, s.TaskID, w.tasks)
	}
	if len(s.Spec.Notifications) > 0 && w.tasks[NotificationID("g", 0)] != 1 {
		w.t.Fatal("nobody was told")
	}
}

// The number of writes does not depend on that of the members.
func TestWritesAreFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.state.Spec.Policy, w.state.Spec.Quorum = AllFinished, 0
		n := rapid.IntRange(0, 2000).Draw(t, "members")
		for i := range n {
			id := fmt.Sprintf("m%d", i)
			w.members[id] = transfer.PhaseRunning
			w.join(id)
		}
		w.apply(Enable{})
		for w.step() {
			continue
		}
		for id := range w.members {
			w.members[id] = transfer.PhaseFailed
			w.apply(Ended{ID: id, Phase: transfer.PhaseFailed})
			w.apply(Revived{ID: id})
			w.apply(Ended{ID: id, Phase: transfer.PhaseFailed})
		}
		w.calm()
		if w.persists > 8 {
			t.Fatalf("%d writes for %d members", w.persists, n)
		}
	})
}

// The decision does not depend on the order in which members end.
func TestOrderOfEndsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phases := rapid.SliceOfN(rapid.SampledFrom([]transfer.Phase{
			transfer.PhaseCompleted, transfer.PhaseFailed, transfer.PhaseCanceled,
		}), 1, 8).Draw(t, "ends")
		spec := Spec{ID: "g", Policy: rapid.SampledFrom([]Policy{AllFinished, AllSucceeded, Quorum}).Draw(t, "policy"), Quorum: 3}
		decide := func(order []int) (Phase, transfer.Code) {
			s, _ := New(spec, time.Time{})
			var ids []string
			for i := range phases {
				ids = append(ids, fmt.Sprint(i))
			}
			s, _, _ = Apply(s, Enable{}, Context{})
			s, _, _ = Apply(s, MembersListed{IDs: ids, Final: true}, Context{})
			for _, i := range order {
				s, _, _ = Apply(s, Ended{ID: ids[i], Phase: phases[i]}, Context{})
			}
			if s.Err != nil {
				return s.Phase, s.Err.Code
			}
			return s.Phase, ""
		}
		var order []int
		for i := range phases {
			order = append(order, i)
		}
		phase, code := decide(order)
		if !phase.Ended() {
			t.Fatalf("%s after all have ended", phase)
		}
		if p, c := decide(rapid.Permutation(order).Draw(t, "order")); p != phase || c != code {
			t.Fatalf("%s %s in order, %s %s in another", phase, code, p, c)
		}
	})
}

func TestTooManyMembers(t *testing.T) {
	s, _ := New(Spec{ID: "g"}, time.Time{})
	for i := range MaxMembers {
		var err *transfer.Error
		if s, _, err = Apply(s, Join{ID: fmt.Sprintf("t%025d", i)}, Context{}); err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
	s, _, err := Apply(s, Join{ID: "one-more"}, Context{})
	if err == nil || err.Code != transfer.CodeMembers {
		t.Fatalf("%v", err)
	}
	if s, _, err = Apply(s, Join{ID: fmt.Sprintf("t%025d", 7)}, Context{}); err != nil || len(s.Members) != MaxMembers {
		t.Fatalf("a member that asks again gets %v", err)
	}
}

func TestMembersFitIntoARecord(t *testing.T) {
	s, _ := New(Spec{ID: "g"}, time.Time{})
	var err *transfer.Error
	bytes := 0
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("t%0127d", i)
		if s, _, err = Apply(s, Join{ID: id}, Context{}); err == nil {
			bytes += len(id)
		}
	}
	if err.Code != transfer.CodeMembers || bytes > maxMemberBytes {
		t.Fatalf("%v after %d bytes", err, bytes)
	}
}
