package completion

import (
	"slices"
	"time"

	"godwit/transfer"
)

const (
	// repeatAfter is how long an answer may take before it is asked for again.
	repeatAfter = time.Minute
	// lookAgain is the time between two looks at members or task, in case that
	// what they said got lost.
	lookAgain = 5 * time.Minute
	// censusTime is what a census gets before members are canceled: canceling one
	// that has failed would throw its bytes away.
	censusTime = 5 * time.Second
	// maxMemberBytes bounds the ids of all members, so that they fit into a record.
	maxMemberBytes = 3 << 20
	// memberOverhead is what an id takes in a record besides itself.
	memberOverhead = 3
)

// New makes the state of a group from a normal spec, and says what is to be done
// at first. Those to adopt are members of its parent that it takes over before
// it enables itself; see RetrySpec.
func New(spec Spec, now time.Time, adopt ...string) (State, []Effect) {
	m := &machine{now: now, State: State{
		Spec: spec, Phase: PhaseOpen, Created: now,
		Members: map[string]transfer.Phase{}, memory: memory{listed: true},
	}}
	if spec.AutoEnableAfter > 0 {
		m.AutoEnable = now.Add(spec.AutoEnableAfter)
	}
	if len(adopt) > 0 {
		m.Adopting = slices.Compact(slices.Sorted(slices.Values(adopt)))
	}
	m.do(Persist{})
	m.proceed()
	m.wakeUp()
	return m.State, m.effects
}

// Apply is the one place that decides what a group does next. It takes the
// state and an event and returns the new state and the effects to carry out, in
// order. The given state must not be used afterwards, nor its maps.
//
// A command is refused with completion.enabled, members.invalid or
// state.conflict, or with server.overloaded when the answer is not known yet. A
// report that does not fit is ignored.
func Apply(s State, ev Event, c Context) (State, []Effect, *transfer.Error) {
	m := &machine{State: s, now: c.Now}
	err := m.handle(ev)
	m.wakeUp()
	return m.State, m.effects, err
}

// machine carries one call of Apply.
type machine struct {
	State
	now     time.Time
	effects []Effect
}

func (m *machine) do(e Effect) { m.effects = append(m.effects, e) }

func (m *machine) handle(ev Event) *transfer.Error {
	switch ev := ev.(type) {
	case Join:
		return m.onJoin(ev.ID)
	case Enable:
		m.onEnable()
	case Delete:
		return m.onDelete()
	case Recovered:
		m.onRecovered()
	case Left:
		m.onLeft(ev.ID)
	case Ended:
		m.onEnded(ev)
	case Revived:
		m.onRevived(ev.ID)
	case MembersListed:
		m.onListed(ev)
	case Adopted:
		m.onAdopted(ev.ID, true)
	case AdoptFailed:
		m.onAdopted(ev.ID, false)
	case TaskCreated:
		m.created(func(e Effect) bool { _, ok := e.(CreateTask); return ok })
	case Notified:
		m.created(func(e Effect) bool { n, ok := e.(Notify); return ok && n.Index == ev.Index })
	case TaskEnded:
		m.onTaskEnded(ev)
	case Tick:
		m.onTick()
	}
	return nil
}

// onEnable does nothing if the group is enabled, or will enable itself when it
// has adopted its members.
func (m *machine) onEnable() {
	if m.Phase == PhaseOpen && len(m.Adopting) == 0 {
		m.enable()
	}
}

// enable closes the group. Who its members are is found out after the record
// says so: from then on nobody joins any more.
func (m *machine) enable() {
	m.Phase, m.Enabled, m.Adopting = PhaseEnabled, m.now, nil
	m.memory.adopting = nil
	m.do(Persist{})
	m.proceed()
}

func (m *machine) onDelete() *transfer.Error {
	switch {
	case m.Phase == PhaseOpen && !m.memory.listed:
		return m.refuse(transfer.CodeOverloaded, "delete", "its members are not known yet; try again")
	case m.Phase == PhaseOpen && (len(m.Members) > 0 || len(m.Adopting) > 0):
		return m.refuse(transfer.CodeState, "delete", "it has members; enable it and wait for its end")
	case m.Phase == PhaseOpen, m.Phase.Ended():
		m.do(Remove{})
		return nil
	}
	return m.refuse(transfer.CodeState, "delete", "it has not ended yet")
}

func (m *machine) refuse(code transfer.Code, command, why string) *transfer.Error {
	return &transfer.Error{
		Code: code, Op: command, Subject: m.Spec.ID,
		Message: "cannot " + command + " a completion group that is " + string(m.Phase) + ": " + why,
	}
}

// onRecovered goes on with whatever the record says is unfinished. How members
// stand must be found out again: a failed one may have been retried meanwhile.
func (m *machine) onRecovered() {
	m.memory = memory{cancel: m.now.Add(censusTime)}
	if m.Phase == PhaseOpen || m.Phase == PhaseEnabled {
		m.Completed, m.Failed, m.Canceled = 0, 0, 0
		known := m.Members
		m.Members = make(map[string]transfer.Phase, len(known))
		if m.Sealed {
			for id := range known {
				m.Members[id] = ""
			}
		}
	}
	m.proceed()
	m.checkTime()
	m.decide()
}

func (m *machine) onTick() {
	if m.now.Before(m.memory.wake) {
		// The clock was set back meanwhile, or is slower than the timer: nothing is due
		// yet, and there is no other timer.
		m.memory.wake = time.Time{}
	}
	if every := m.interval(); every > 0 && !m.now.Before(m.memory.asked.Add(every)) {
		m.proceed()
	}
	m.checkTime()
}

// proceed asks for whatever is outstanding.
func (m *machine) proceed() {
	m.memory.asked = m.now
	switch m.Phase {
	case PhaseOpen:
		if !m.memory.listed {
			m.do(ListMembers{})
		}
		if ids := m.toAdopt(); len(ids) > 0 {
			m.do(Adopt{IDs: ids, From: m.Spec.Parent})
		}
	case PhaseEnabled:
		switch {
		case !m.Sealed:
			m.do(ListMembers{Final: true})
		case m.memory.verdict != nil:
			m.effects = append(m.effects, m.memory.creations...)
		default:
			m.lookAtMembers()
		}
	case PhaseTriggered:
		m.do(AskTask{ID: m.TaskID})
	}
}

// interval is the time after which proceed asks again, 0 for never.
func (m *machine) interval() time.Duration {
	switch {
	case m.Phase == PhaseOpen && m.memory.listed && len(m.Adopting) == 0, m.Phase.Ended():
		return 0
	case m.Phase == PhaseTriggered, m.Sealed && m.memory.verdict == nil:
		return lookAgain
	}
	return repeatAfter
}

// checkTime does what is due by the clock.
func (m *machine) checkTime() {
	if at := m.autoEnable(); !at.IsZero() && !m.now.Before(at) {
		m.enable()
	}
	if at := m.cancelTime(); !at.IsZero() && !m.now.Before(at) {
		m.memory.cancel = m.now.Add(repeatAfter)
		m.do(CancelMembers{IDs: m.waiting()})
	}
}

// autoEnable is when the group enables itself, zero for never.
func (m *machine) autoEnable() time.Time {
	if m.Phase == PhaseOpen && len(m.Adopting) == 0 {
		return m.AutoEnable
	}
	return time.Time{}
}

// cancelTime is when members that have not ended are canceled, zero for never.
func (m *machine) cancelTime() time.Time {
	if m.Spec.Deadline.IsZero() || !m.undecided() || m.ended() == len(m.Members) {
		return time.Time{}
	}
	return latest(m.Spec.Deadline, m.memory.cancel)
}

// wakeUp asks for the next Tick if its time has changed.
func (m *machine) wakeUp() {
	var asked time.Time
	if every := m.interval(); every > 0 {
		asked = m.memory.asked.Add(every)
	}
	wake := earliest(asked, m.autoEnable(), m.cancelTime())
	if !wake.Equal(m.memory.wake) {
		m.memory.wake = wake
		m.do(WakeAt{Time: wake})
	}
}

// earliest returns the first of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
