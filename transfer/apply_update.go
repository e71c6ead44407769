package transfer

import "slices"

func (m *machine) onUpdate(ev Update) *Error {
	if m.Phase.Terminal() && m.Phase != PhaseFailed && !ev.onlyJoins() || m.Purging {
		return m.conflict("change", "it has ended")
	}
	if (ev.Source != nil || ev.changesHeaders()) && m.active() {
		return m.conflict("change the request of", "pause it first")
	}
	headers, err := ev.headers(m.Spec.Headers)
	if err != nil {
		return err
	}
	if err := m.checkSending(ev.Source, &headers); err != nil {
		return err
	}
	m.Spec.Headers = headers
	before := len(m.Garbage)
	if ev.Source != nil {
		m.replaceSource(*ev.Source)
	}
	if ev.Priority != nil {
		m.Spec.Priority = *ev.Priority
	}
	if ev.Cost != nil {
		m.Spec.Cost = *ev.Cost
	}
	if ev.RateLimit != nil {
		m.Spec.RateLimit = *ev.RateLimit
	}
	if ev.Group != nil {
		m.Spec.Group = *ev.Group
	}
	if ev.CompletionGroup != nil {
		m.Spec.CompletionGroup = *ev.CompletionGroup
	}
	m.persist()
	m.removeAll(m.Garbage[before:])
	if m.Phase == PhaseQueued {
		m.do(Queue{NotBefore: m.NotBefore})
	}
	return nil
}

// onlyJoins tells that nothing but the completion group changes, which may count
// what has ended already.
func (u *Update) onlyJoins() bool {
	return u.CompletionGroup != nil && u.Source == nil && !u.changesHeaders() &&
		u.Priority == nil && u.Cost == nil && u.RateLimit == nil && u.Group == nil
}

func (u *Update) changesHeaders() bool {
	return u.Headers != nil || len(u.RemoveHeaders)+len(u.SetHeaders)+len(u.AppendHeaders) > 0
}

// headers returns what the headers become. Each new one is acceptable; together
// with those there are they may be too many.
func (u *Update) headers(now []Header) ([]Header, *Error) {
	if !u.changesHeaders() {
		return now, nil
	}
	if u.Headers != nil {
		now = *u.Headers
	}
	gone := slices.Clone(u.RemoveHeaders)
	for _, h := range u.SetHeaders {
		gone = append(gone, h.Name)
	}
	kept := slices.DeleteFunc(slices.Clone(now), func(h Header) bool { return slices.Contains(gone, h.Name) })
	return NormalizeHeaders(slices.Concat(kept, u.SetHeaders, u.AppendHeaders))
}

// sourceReplaced stands in Generation.Source when the source that answered is
// not among the sources any more.
const sourceReplaced = -1

// replaceSource goes on from another URL. The bytes stay until it has answered:
// the same validator and length mean that it goes on where it was.
func (m *machine) replaceSource(url string) {
	if m.uploads() {
		m.redirectSending(url)
		return
	}
	m.Spec.Source, m.Spec.Mirrors = url, nil
	m.SourceIndex, m.SourcesTried = 0, 0
	if m.known() {
		m.Gen.Source = sourceReplaced
	}
}
