package transfer

import "slices"

// Wants tells whether an effect that was put off (see [After]) is still to be
// carried out: the state may have moved on since.
func (s *State) Wants(e Effect) bool {
	switch e := e.(type) {
	case Begin:
		return s.MaybeBegun && s.Phase.Terminal() && e.Token == s.Gen.Token
	case Complete:
		return s.Phase == PhaseCompleting && e.Upload == s.Gen.Upload
	case Delete:
		return s.Purging
	case Remove:
		return slices.Contains(s.Garbage, e.Upload)
	}
	return true
}
