package transfer

import (
	"slices"
	"time"
)

// Pauses that a transfer ends by itself: without a network, and for attention.

// Bounds of the waits of a paused transfer.
const (
	offlineFirst = 5 * time.Second
	offlineMost  = time.Minute
	resolveFirst = time.Minute
	resolveMost  = time.Hour
)

// doubled is first, doubled with each further try up to most, with a jitter of a
// quarter so that many do not come at once.
func doubled(first, most time.Duration, tries int, random float64) time.Duration {
	wait := first
	for ; tries > 1 && wait < most; tries-- {
		wait *= 2
	}
	wait = min(wait, most)
	return max(wait-time.Duration(random*float64(wait/4)), first)
}

// offline waits until there is a network again. That spends no retries, because
// no server has failed.
func (m *machine) offline(err *Error) {
	m.Err = err
	m.Outages++
	m.NotBefore = m.c.Now.Add(doubled(offlineFirst, offlineMost, m.Outages, m.c.Random))
	m.nextSource()
	m.addPause(PauseNoNetwork)
	m.pause()
}

// askForAttention pauses a transfer that somebody can mend. How long it waits in
// all is not renewed by what does not help.
func (m *machine) askForAttention(err *Error) {
	m.Err = err
	if m.AttentionDeadline.IsZero() {
		ttl := m.Spec.AttentionTTL
		if ttl == 0 {
			ttl = DefaultAttentionTTL
		}
		m.AttentionDeadline = m.c.Now.Add(ttl)
	}
	m.addPause(PauseRecoverableError)
	m.NotBefore = m.c.Now
	if m.Resolves > 0 {
		// What the resolver said last did not help: it is not asked in a loop.
		m.NotBefore = m.c.Now.Add(doubled(resolveFirst, resolveMost, m.Resolves, m.c.Random))
	}
	m.pause()
	m.announce()
	m.attend()
}

// attended ends a call for attention, and what it has counted.
func (m *machine) attended() {
	m.AttentionDeadline, m.Resolves, m.Resolving = time.Time{}, 0, false
}

func (m *machine) onWoken() {
	switch {
	case m.Phase != PhasePaused:
	case slices.Equal(m.Pauses, []PauseReason{PauseNoNetwork}):
		if !m.c.Now.Before(m.NotBefore) {
			m.Pauses = nil
			m.queue(time.Time{})
		}
	case slices.Contains(m.Pauses, PauseRecoverableError):
		m.attend()
	}
}

// attend does what is due for a transfer that waits for attention.
func (m *machine) attend() {
	switch {
	case !m.c.Now.Before(m.AttentionDeadline):
		m.expire()
	case m.resolvable() && !m.Resolving && !m.c.Now.Before(m.NotBefore):
		m.Resolving = true
		m.do(Resolve{})
	}
}

func (m *machine) expire() {
	why := Errorf(CodeAttention, "nobody attended to it in time")
	if m.Err != nil {
		why.Message += ": " + m.Err.Message
		why.Status = m.Err.Status
	}
	m.end(PhaseFailed, why)
}

// onResolved goes on with what the resolver said, or asks again later.
func (m *machine) onResolved(ev Resolved) {
	if !m.Resolving {
		return
	}
	m.Resolving = false
	if m.Phase != PhasePaused || !slices.Contains(m.Pauses, PauseRecoverableError) {
		return
	}
	m.Resolves++
	if !ev.Found || m.checkSending(ev.Source, ev.Headers) != nil {
		m.NotBefore = m.c.Now.Add(doubled(resolveFirst, resolveMost, m.Resolves, m.c.Random))
		m.persist()
		return
	}
	if ev.Source != nil {
		m.replaceSource(*ev.Source)
	}
	if ev.Headers != nil {
		m.Spec.Headers = *ev.Headers
	}
	m.SourcesTried = 0
	m.unpause(PauseRecoverableError)
}

// unpause takes reasons back, and goes on if there is none left.
func (m *machine) unpause(reasons ...PauseReason) {
	m.Pauses = slices.DeleteFunc(slices.Clone(m.Pauses), func(r PauseReason) bool { return slices.Contains(reasons, r) })
	if len(m.Pauses) == 0 {
		m.queue(time.Time{})
	} else {
		m.persist()
	}
}

// resolvable tells that a resolver can be asked, and a user has not paused the
// transfer as well.
func (s *State) resolvable() bool {
	return s.Spec.Resolver.URL != "" && !slices.Contains(s.Pauses, PauseApplication)
}

// WakeAt is when a paused transfer has something to do by itself, zero for
// never.
func (s *State) WakeAt() time.Time {
	switch {
	case s.Phase != PhasePaused:
	case slices.Equal(s.Pauses, []PauseReason{PauseNoNetwork}):
		return s.NotBefore
	case slices.Contains(s.Pauses, PauseRecoverableError):
		if s.resolvable() && s.NotBefore.Before(s.AttentionDeadline) {
			return s.NotBefore
		}
		return s.AttentionDeadline
	}
	return time.Time{}
}
