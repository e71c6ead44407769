package group

import (
	"maps"
	"time"

	"godwit/transfer"
)

// maxLimit is how many members a group can let run at a time.
const maxLimit = 10_000

// New makes the state of a group from a normal spec.
func New(spec Spec, now time.Time) State { return State{Spec: spec, Created: now, Updated: now} }

// Normalize checks a Spec and returns it in its canonical form, with defaults
// filled in. It fails with id.invalid, enum.invalid, limit.invalid or
// label.invalid.
func Normalize(s Spec) (Spec, *transfer.Error) {
	if err := transfer.CheckID(s.Name); err != nil {
		err.Field = "name"
		return Spec{}, err
	}
	if err := transfer.CheckLabels(s.Labels); err != nil {
		return Spec{}, err
	}
	if err := normalizeLimit(&s); err != nil {
		return Spec{}, err
	}
	s.Labels = maps.Clone(s.Labels)
	return s, nil
}

func normalizeLimit(s *Spec) *transfer.Error {
	if s.Behavior == "" {
		s.Behavior = Parallel
	}
	switch {
	case s.Behavior != Parallel && s.Behavior != Serialized:
		return invalid(transfer.CodeEnum, "behavior", "it is PARALLEL or SERIALIZED")
	case s.Limit < 0 || s.Limit > maxLimit:
		return invalid(transfer.CodeLimit, "limit", "a limit is 1 to 10000 members, or 0 for none")
	case s.Behavior == Serialized && s.Limit > 1:
		return invalid(transfer.CodeLimit, "limit", "a serialized group has the limit 1")
	case s.Behavior == Serialized:
		s.Limit = 1
	}
	return nil
}

// ApplyChange changes a group as a user wants it. It fails as Normalize and
// ApplyMove do, and changes nothing then. The members must be all that the group
// has; they may be nil when nothing is moved.
func ApplyChange(s State, m *Members, c Change, now time.Time) (State, *transfer.Error) {
	changed := s
	if c.Behavior != nil {
		if s.Spec.Behavior == Serialized && *c.Behavior == Parallel {
			// Its limit came from being serialized.
			changed.Spec.Limit = 0
		}
		if s.Spec.Behavior != Serialized && *c.Behavior == Serialized {
			changed.Spec.Limit = 1
		}
		changed.Spec.Behavior = *c.Behavior
	}
	if c.Limit != nil {
		changed.Spec.Limit = *c.Limit
	}
	if c.StrictOrder != nil {
		changed.Spec.StrictOrder = *c.StrictOrder
	}
	if c.Paused != nil {
		changed.Paused = *c.Paused
	}
	if err := normalizeLimit(&changed.Spec); err != nil {
		return s, err
	}
	changed.Updated = now
	if c.Move == nil {
		return changed, nil
	}
	moved, err := ApplyMove(changed, m, *c.Move, now)
	if err != nil {
		return s, err
	}
	return moved, nil
}

func invalid(code transfer.Code, field, message string) *transfer.Error {
	return &transfer.Error{Code: code, Op: "validate", Field: field, Message: message}
}
