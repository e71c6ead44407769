package completion

import (
	"slices"

	"godwit/transfer"
)

// decide fires the group or fails it, as soon as its policy says so.
func (m *machine) decide() {
	if !m.undecided() {
		return
	}
	total, all := len(m.Members), m.ended() == len(m.Members)
	switch m.Spec.Policy {
	case Quorum:
		switch {
		case m.Completed >= m.Spec.Quorum:
			m.conclude(nil)
		case all || total < m.Spec.Quorum:
			m.conclude(transfer.Errorf(transfer.CodeUnsatisfied,
				"%d of %d members completed, %d must", m.Completed, total, m.Spec.Quorum))
		}
	case AllSucceeded:
		switch {
		case all && m.Completed == total:
			m.conclude(nil)
		case all:
			m.conclude(transfer.Errorf(transfer.CodeUnsatisfied,
				"%d of %d members completed, all must", m.Completed, total))
		}
	default:
		if all {
			m.conclude(nil)
		}
	}
}

// conclude takes the decision, which stays. The task is created before the
// record says so: of two owners that both decide only one creates it, and none
// can say that the group has fired when there is no task.
func (m *machine) conclude(err *transfer.Error) {
	m.Unsuccessful = nil
	for id, phase := range m.Members {
		if phase != transfer.PhaseCompleted {
			m.Unsuccessful = append(m.Unsuccessful, id)
		}
	}
	slices.Sort(m.Unsuccessful)
	m.memory.verdict = &verdict{err: err}
	m.memory.creations = m.notifications()
	if err == nil && m.Spec.Task != nil {
		create := CreateTask{ID: TaskID(m.Spec.ID), Spec: *m.Spec.Task}
		m.memory.creations = slices.Insert(m.memory.creations, 0, Effect(create))
	}
	m.proceed()
	m.record()
}

// created crosses out a task that exists now.
func (m *machine) created(is func(Effect) bool) {
	if m.memory.verdict != nil {
		m.memory.creations = slices.DeleteFunc(slices.Clone(m.memory.creations), is)
		m.record()
	}
}

// record writes the decision when all its tasks exist.
func (m *machine) record() {
	if len(m.memory.creations) > 0 {
		return
	}
	m.Phase, m.Err = m.outcome(), m.memory.verdict.err
	if m.Phase == PhaseTriggered {
		m.TaskID = TaskID(m.Spec.ID)
	}
	if m.Phase.Ended() {
		m.Finished = m.now
	}
	ended := m.memory.taskEnded
	m.memory.verdict, m.memory.creations, m.memory.taskEnded = nil, nil, false
	m.memory.asked = m.now
	m.do(Persist{})
	if ended && m.Phase == PhaseTriggered {
		m.proceed()
	}
}

// outcome is the phase that the decision leads to.
func (m *machine) outcome() Phase {
	switch {
	case m.memory.verdict.err != nil:
		return PhaseFailed
	case m.Spec.Task != nil:
		return PhaseTriggered
	}
	return PhaseDone
}

// onTaskEnded ends the group with its task. A task that was given up and then
// delivered again by hand puts the group right.
func (m *machine) onTaskEnded(ev TaskEnded) {
	switch {
	case m.Phase == PhaseEnabled:
		// The task may be quicker than the record that it was created for.
		m.memory.taskEnded = true
		return
	case m.Phase == PhaseTriggered && !ev.Succeeded:
		m.Phase, m.Err = PhaseFailed, ev.Err
	case m.Phase == PhaseTriggered, m.Phase == PhaseFailed && m.TaskID != "" && ev.Succeeded:
		m.Phase, m.Err = PhaseDone, nil
	default:
		return
	}
	m.Finished = m.now
	m.do(Persist{})
}
