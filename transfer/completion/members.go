package completion

import (
	"maps"
	"slices"

	"godwit/bug"
	"godwit/transfer"
)

// undecided tells that the members are fixed and their ends lead to a decision.
func (m *machine) undecided() bool {
	return m.Phase == PhaseEnabled && m.Sealed && m.memory.verdict == nil
}

// counting tells that what members do still matters.
func (m *machine) counting() bool {
	return m.Phase == PhaseOpen || m.Phase == PhaseEnabled && m.memory.verdict == nil
}

func (m *machine) ended() int { return m.Completed + m.Failed + m.Canceled }

// onJoin acknowledges in memory only: the marker is in the store, so a new owner
// finds the member again. While members are being listed nobody knows whether a
// member that is not known here was acknowledged by an owner before.
func (m *machine) onJoin(id string) *transfer.Error {
	if _, member := m.Members[id]; member {
		return nil
	}
	switch {
	case m.Phase == PhaseEnabled && !m.Sealed:
		return m.refuse(transfer.CodeOverloaded, "join", "its members are being counted; ask again")
	case m.Phase != PhaseOpen:
		return m.refuse(transfer.CodeCompletionEnabled, "join", "it takes no more members")
	case len(m.Members) >= MaxMembers, m.memory.bytes+len(id)+memberOverhead > maxMemberBytes:
		return m.refuse(transfer.CodeMembers, "join", "it has as many members as it can have")
	}
	m.add(id)
	return nil
}

func (m *machine) add(id string) {
	if _, member := m.Members[id]; !member {
		m.Members[id] = ""
		m.memory.bytes += len(id) + memberOverhead
	}
}

// set changes how a member stands and keeps the counts.
func (m *machine) set(id string, phase transfer.Phase) {
	if bug.Seeded != bug.CountReports {
		*m.counter(m.Members[id])--
	}
	*m.counter(phase)++
	m.Members[id] = phase
}

// counter is what counts the members of a phase.
func (m *machine) counter(phase transfer.Phase) *int {
	switch phase {
	case transfer.PhaseCompleted:
		return &m.Completed
	case transfer.PhaseFailed:
		return &m.Failed
	case transfer.PhaseCanceled:
		return &m.Canceled
	}
	return new(int)
}

// onEnded takes the end of a member. Only failed ones can be retried, so any
// other end stays, whatever arrives later.
func (m *machine) onEnded(ev Ended) {
	phase, member := m.Members[ev.ID]
	if !member || !m.counting() || !ev.Phase.Terminal() || phase.Terminal() && phase != transfer.PhaseFailed {
		return
	}
	m.set(ev.ID, ev.Phase)
	m.decide()
}

func (m *machine) onRevived(id string) {
	if m.counting() && m.Members[id] == transfer.PhaseFailed {
		m.set(id, "")
	}
}

// onLeft forgets a member whose record is gone. When the members are fixed it
// cannot end any more by itself, so it counts as canceled.
func (m *machine) onLeft(id string) {
	phase, member := m.Members[id]
	switch {
	case m.memory.adopting[id]:
		m.onAdopted(id, false)
	case !member || !m.counting():
	case !m.Sealed:
		m.set(id, "")
		delete(m.Members, id)
		m.memory.bytes -= len(id) + memberOverhead
	case !phase.Terminal():
		m.set(id, transfer.PhaseCanceled)
		m.decide()
	}
}

// onListed takes the list of members. While the group is open it only adds to
// what is known, since others may have joined meanwhile; the final one says who
// the members are.
func (m *machine) onListed(ev MembersListed) {
	switch {
	case m.Phase == PhaseOpen && !m.memory.listed:
		m.memory.listed = true
		for _, id := range ev.IDs {
			m.add(id)
		}
		if len(m.Members) > m.ended() {
			m.do(Census{})
		}
	case m.Phase == PhaseEnabled && !m.Sealed && ev.Final:
		m.seal(ev.IDs)
	}
}

// seal fixes the members. What is known of those that completed or were canceled
// stays true; a failed one may have been retried without our hearing of it.
func (m *machine) seal(ids []string) {
	known := m.Members
	m.Members = make(map[string]transfer.Phase, len(ids))
	m.Completed, m.Failed, m.Canceled = 0, 0, 0
	for _, id := range ids {
		m.add(id)
		if phase := known[id]; phase != transfer.PhaseFailed {
			m.set(id, phase)
		}
	}
	m.Sealed = true
	m.memory.cancel = m.now.Add(censusTime)
	m.do(Persist{})
	m.proceed()
	m.decide()
}

// lookAtMembers starts those that are idle and finds out how they stand. Both
// is repeated, because a start that got lost would hold the group for ever.
func (m *machine) lookAtMembers() {
	ids := m.waiting()
	if len(ids) == 0 {
		return
	}
	if m.Spec.StartOnEnable {
		m.do(StartMembers{IDs: ids})
	}
	m.do(Census{})
}

// waiting returns the members that have not ended, in order.
func (m *machine) waiting() []string { return m.WaitingOn(len(m.Members)) }

// toAdopt returns what is left to be adopted, in order.
func (m *machine) toAdopt() []string {
	if m.memory.adopting == nil {
		m.memory.adopting = make(map[string]bool, len(m.Adopting))
		for _, id := range m.Adopting {
			m.memory.adopting[id] = true
		}
	}
	return slices.Sorted(maps.Keys(m.memory.adopting))
}

// onAdopted is through with one member to be adopted. Nothing is written for
// each: adopting one twice does no harm. After the last one the group enables
// itself.
func (m *machine) onAdopted(id string, member bool) {
	if m.Phase != PhaseOpen || !m.memory.adopting[id] {
		return
	}
	delete(m.memory.adopting, id)
	if member {
		m.add(id)
	}
	if len(m.memory.adopting) == 0 {
		m.enable()
	}
}
