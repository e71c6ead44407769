package task

import (
	"slices"
	"time"

	"godwit/transfer"
)

// Bounds of what a task remembers: attempts, and bytes of output of each.
const (
	maxHistory = 20
	maxOutput  = 4 << 10
)

// New is a task that waits for its first attempt. Its owner creates the record
// of this state, then applies Due.
func New(id string, spec Spec, now time.Time) State {
	return State{ID: id, Spec: spec, Phase: PhasePending, Created: now, Updated: now}
}

// Apply is the one place that decides what a task does next. It takes the state
// and an event and returns the new state and the effects to carry out, in
// order. The given state must not be used afterwards.
//
// No event is ever refused at present: one that comes too late for the phase is
// ignored.
func Apply(s State, ev Event, c Context) (State, []Effect, *transfer.Error) {
	m := &machine{State: s, c: c}
	switch ev := ev.(type) {
	case Recovered:
		m.onRecovered()
	case Due:
		m.onDue()
	case Delivered:
		m.onDelivered(ev)
	case Interrupted:
		m.onInterrupted(ev)
	case Redeliver:
		m.onRedeliver()
	}
	return m.State, m.effects, nil
}

// machine carries one call of Apply.
type machine struct {
	State
	c       Context
	effects []Effect
}

func (m *machine) do(e Effect) { m.effects = append(m.effects, e) }

func (m *machine) persist() {
	m.Updated = m.c.Now
	m.do(Persist{})
}

func (m *machine) onRecovered() {
	switch m.Phase {
	case PhasePending:
		m.onDue()
	case PhaseRunning:
		// It was recorded before it was made, so it may have been made.
		m.failed(Attempt{Err: m.lost("the node of this attempt is gone; what it did is unknown")})
	default:
		// Whoever was to tell may be gone.
		m.do(Tell{})
	}
}

// lost is the error of an attempt without an outcome. A command is the only
// kind that has those.
func (m *machine) lost(message string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeExecFailed, Op: "run", Subject: m.Spec.Command, Message: message}
}

// onDue begins an attempt, or waits on.
func (m *machine) onDue() {
	switch {
	case m.Phase != PhasePending:
	case m.expired(m.c.Now):
		m.end(PhaseDeadLetter, m.expiry())
	case m.NotBefore.After(m.c.Now):
		m.do(Wait{Until: m.NotBefore})
	default:
		m.begin()
	}
}

func (m *machine) begin() {
	m.Phase, m.NotBefore = PhaseRunning, time.Time{}
	m.Attempts++
	m.Planned++
	if m.Spec.Kind.recorded() {
		m.append(Attempt{Start: m.c.Now, Node: m.c.Node})
		m.persist()
	}
	m.do(Deliver{Number: m.Attempts})
}

func (m *machine) onDelivered(ev Delivered) {
	if m.Phase != PhaseRunning || ev.Number != m.Attempts {
		return
	}
	m.addSubmitted(ev.Submitted)
	if ev.Attempt.Err != nil {
		m.failed(ev.Attempt)
		return
	}
	m.remember(ev.Attempt)
	m.end(PhaseSucceeded, nil)
}

// addSubmitted keeps what was created by earlier attempts.
func (m *machine) addSubmitted(ids []string) {
	m.Submitted = slices.Clone(m.Submitted)
	for _, id := range ids {
		if !slices.Contains(m.Submitted, id) {
			m.Submitted = append(m.Submitted, id)
		}
	}
}

// failed ends the current attempt and plans the next one, if there is one.
func (m *machine) failed(a Attempt) {
	m.remember(a)
	if m.Planned >= m.Spec.Kind.budget() || hopeless(m.Spec.Kind, a.Err) {
		m.end(PhaseDeadLetter, a.Err)
		return
	}
	m.Phase, m.Err = PhasePending, a.Err
	m.NotBefore = m.c.Now.Add(pause(m.Planned, a.Err.RetryAfter, m.c.Random))
	if m.expired(m.NotBefore) {
		m.end(PhaseDeadLetter, a.Err)
		return
	}
	m.persist()
	m.do(Wait{Until: m.NotBefore})
}

// onInterrupted takes the attempt back: it was not the receiver's fault, and
// the next owner makes it at once. That a command ran is remembered, and its
// next run has another number.
func (m *machine) onInterrupted(ev Interrupted) {
	if m.Phase != PhaseRunning || ev.Number != m.Attempts {
		return
	}
	m.Phase = PhasePending
	m.Planned--
	if !m.Spec.Kind.recorded() {
		m.Attempts--
		return
	}
	if ev.Attempt.Err == nil {
		ev.Attempt.Err = m.lost("it was ended because its node stopped")
	}
	m.Err = ev.Attempt.Err
	m.remember(ev.Attempt)
	m.persist()
}

// onRedeliver begins a new plan under the same id, or goes on with this one now.
func (m *machine) onRedeliver() {
	switch {
	case m.Phase == PhasePending:
		m.begin()
	case m.Phase.Ended():
		m.Phase, m.Planned = PhasePending, 0
		m.Err, m.Finished = nil, time.Time{}
		m.Spec.Expires = time.Time{} // somebody is interested again
		if m.Spec.Kind.recorded() {
			m.begin()
			return
		}
		// Not at once: what is written is what this call leaves, and no record
		// says that a request is being made.
		m.persist()
		m.do(Wait{Until: m.c.Now})
	}
}

func (m *machine) end(p Phase, err *transfer.Error) {
	m.Phase, m.Err, m.Finished = p, err, m.c.Now
	m.NotBefore = time.Time{}
	m.persist()
	m.do(Tell{})
}

// expired tells that nobody is interested any more at a time.
func (m *machine) expired(at time.Time) bool {
	return !m.Spec.Expires.IsZero() && !at.Before(m.Spec.Expires)
}

// expiry is why a task that has expired is given up.
func (m *machine) expiry() *transfer.Error {
	if m.Err != nil {
		return m.Err
	}
	return &transfer.Error{
		Code: transfer.CodeTimeout, Op: "send", Subject: m.Spec.Channel,
		Message: "the message was no longer of interest when it could be sent",
	}
}
