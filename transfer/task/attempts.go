package task

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// append adds an attempt to the history.
func (m *machine) append(a Attempt) {
	m.History = append(slices.Clone(m.History), a)
	m.History = m.History[max(len(m.History)-maxHistory, 0):]
}

// remember writes down how an attempt ended: beside its beginning, if that was
// recorded.
func (m *machine) remember(a Attempt) {
	a.Output = cutOutput(a.Output, m.Spec.Kind == Exec)
	if a.End.IsZero() {
		a.End = m.c.Now
	}
	if n := len(m.History); n > 0 && m.History[n-1].End.IsZero() {
		begun := m.History[n-1]
		a.Start, a.Node = begun.Start, begun.Node
		m.History = m.History[:n-1]
	}
	m.append(a)
}

// cutOutput bounds an output, keeping its end or its beginning, and takes out
// what a terminal would act on. A record holds text, so it becomes UTF-8.
func cutOutput(s string, end bool) string {
	// Each byte may become one of three, and the rest is not wanted anyway.
	if end {
		s = s[max(len(s)-maxOutput, 0):]
	} else {
		s = s[:min(len(s), maxOutput)]
	}
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) <= maxOutput {
		return s
	}
	if end {
		s = s[len(s)-maxOutput:]
		for !utf8.RuneStart(s[0]) {
			s = s[1:]
		}
		return s
	}
	cut := maxOutput
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
