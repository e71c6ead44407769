package transfer

// After the end of a transfer: it is noticed, and deleted.

func (m *machine) onAcknowledge() *Error {
	switch {
	case !m.Phase.Terminal():
		return m.conflict("acknowledge", "it has not ended")
	case m.Acknowledged.IsZero():
		m.Acknowledged = m.c.Now
		m.persist()
	}
	return nil
}

// onPurge records that the transfer is to be deleted before anything of it is:
// whoever reads the record after a crash goes on with it, and nobody else writes
// to a record that is about to go.
func (m *machine) onPurge(ev Purge) *Error {
	switch {
	case !m.Phase.Terminal():
		return m.conflict("delete", "cancel it first")
	case m.Purging, !ev.EndedBefore.IsZero() && !m.Finished.Before(ev.EndedBefore):
		return nil
	}
	m.Purging = true
	left := m.letGo()
	m.persist()
	m.removeAll(left)
	return nil
}

// deleteWhenClean deletes the record once nothing is left that only the record
// knows of.
func (m *machine) deleteWhenClean() {
	if m.Purging && m.Phase.Terminal() && m.clean() {
		m.do(Delete{})
	}
}
