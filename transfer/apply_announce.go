package transfer

// announce has whoever asked for it told of the end, or of the wait for
// attention. The first is repeated until it is known to have been said; of the
// second nothing is remembered, since whoever attends ends the wait.
func (m *machine) announce() {
	if len(m.Spec.Notifications) > 0 {
		m.Announcing = true
		m.do(Announce{})
	}
}

func (m *machine) onAnnounced() {
	m.Announcing = false
	if m.Phase.Terminal() && !m.Told {
		m.Told = true
		m.persist()
	}
}

// untold tells that the end is still to be announced.
func (s *State) untold() bool {
	return s.Phase.Terminal() && len(s.Spec.Notifications) > 0 && !s.Told
}

// Notice is what a notification about the transfer says, and whether it is about
// a success.
func (s *State) Notice() (n Notice, success bool) {
	n = Notice{ID: s.Spec.ID, Status: s.Phase.Status(), Total: 1}
	switch s.Phase {
	case PhaseCompleted:
		n.Completed = 1
	case PhaseFailed:
		n.Failed = 1
	case PhaseCanceled:
		n.Canceled = 1
	}
	if s.Err != nil && s.Phase != PhaseCompleted {
		n.Error = string(s.Err.Code)
	}
	return n, s.Phase == PhaseCompleted
}
