package transfer

import (
	"net/http"
	"slices"
	"time"
)

// conflict refuses a command that the phase does not allow.
func (m *machine) conflict(command, why string) *Error {
	return &Error{
		Code: CodeState, Op: command, Subject: m.Spec.ID,
		Message: "cannot " + command + " a transfer that is " + m.Phase.Status() + ": " + why,
	}
}

func (m *machine) onStart() *Error {
	switch {
	case m.Phase == PhaseIdle:
		m.queue(time.Time{})
	case m.Phase.Terminal():
		return m.conflict("start", "it has ended; retry it if it failed, or create another")
	}
	return nil
}

func (m *machine) onPause() *Error {
	switch {
	case m.Phase == PhaseIdle:
		return m.conflict("pause", "it was not started yet")
	case m.Phase == PhaseCompleting:
		return m.conflict("pause", "its result is being published")
	case m.Phase.Terminal():
		return m.conflict("pause", "it has ended")
	case m.uploads() && m.running() && m.inDoubt():
		return m.conflict("pause", "its request must not be made twice")
	case !m.uploads() && m.Spec.Method != "" && m.Spec.Method != http.MethodGet:
		return m.conflict("pause", "only GET requests can be repeated")
	case m.addPause(PauseApplication):
		m.leaveParts()
		m.pause()
	}
	return nil
}

// addPause adds a reason and tells whether it is new.
func (m *machine) addPause(r PauseReason) bool {
	if slices.Contains(m.Pauses, r) {
		return false
	}
	m.Pauses = append(slices.Clone(m.Pauses), r)
	slices.Sort(m.Pauses)
	return true
}

func (m *machine) pause() {
	m.halt()
	m.Phase = PhasePaused
	m.persist()
}

func (m *machine) onResume() *Error {
	switch {
	case m.Phase == PhaseIdle:
		return m.conflict("resume", "it was not started yet")
	case m.Phase.Terminal():
		return m.conflict("resume", "it has ended; retry it if it failed")
	case m.Phase != PhasePaused:
		return nil
	}
	m.Failures, m.SourcesTried = 0, 0
	m.attended()
	// Whoever resumes it may know that there is a network again.
	m.unpause(PauseApplication, PauseRecoverableError, PauseNoNetwork)
	return nil
}

func (m *machine) onCancel(ev Cancel) *Error {
	switch m.Phase {
	case PhaseCompleting:
		// Whether the result is published already nobody knows: it is canceled as
		// soon as publishing has certainly failed.
		if !m.CancelWanted {
			m.CancelWanted, m.CanceledBy, m.CancelReason = true, ev.By, ev.Reason
			m.persist()
		}
		return nil
	case PhaseCompleted, PhaseCanceled:
		return nil
	case PhaseFailed:
		// A failure is final, but its bytes need not stay.
		if left := m.letGo(); len(left) > 0 {
			m.persist()
			m.removeAll(left)
		}
		return nil
	}
	m.CanceledBy, m.CancelReason = ev.By, ev.Reason
	m.end(PhaseCanceled, nil)
	return nil
}

func (m *machine) onRetry() *Error {
	switch m.Phase {
	case PhaseFailed:
		if m.Purging {
			return m.conflict("retry", "it is being deleted")
		}
		m.Acknowledged, m.Told = time.Time{}, false
		m.attended()
		m.Failures, m.SourcesTried, m.Changes, m.SessionsLost = 0, 0, 0, 0
		m.Session.Sent = false // whoever retries it has looked
		m.Answer, m.AnswerSize = nil, 0
		m.Finished = time.Time{}
		// A search for a lost upload may still be under way.
		m.do(Halt{})
		m.queue(time.Time{})
		return nil
	case PhaseCompleted, PhaseCanceled:
		return m.conflict("retry", "only a failed transfer can be retried")
	case PhaseIdle:
		return m.conflict("retry", "it was not started yet")
	}
	return nil
}
