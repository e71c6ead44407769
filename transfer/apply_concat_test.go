package transfer

import (
	"slices"
	"testing"
	"time"
)

// inParts is a transfer that sends uploads of their own, which are put together.
func inParts() State {
	spec := Spec{Direction: Upload, Source: "file:///a", Destination: "http://h/files/", Retries: 5}
	spec.Outgoing.Protocol = ProtocolTus
	return State{
		Spec: spec, Phase: PhaseRunning,
		Session: Session{Protocol: ProtocolTus, Concatenate: true, PartSize: 10, Parts: []SessionPart{{Number: 1, Size: 10, Ref: "http://h/files/1"}}},
	}
}

// There is no one resource to ask: the parts on record are what is known.
func TestPartsOfTheirOwnAreSentWithoutAsking(t *testing.T) {
	s := inParts()
	opened := s.Session
	s.Session = Session{Protocol: ProtocolTus}
	s, effects, err := Apply(s, SessionOpened{Session: opened}, Context{Now: time.Unix(1, 0)})
	if err != nil || !slices.Contains(effects, Effect(Send{})) || !slices.Contains(effects, Effect(Persist{})) || !s.Session.Concatenate {
		t.Errorf("%v %v %+v", effects, err, s.Session)
	}
	s.Phase = PhaseQueued
	_, effects, err = Apply(s, Granted{}, Context{Now: time.Unix(2, 0)})
	if err != nil || !slices.Contains(effects, Effect(Send{})) {
		t.Errorf("%v %v", effects, err)
	}
}

// Whoever asked for the parts to be put together, and does not know whether they
// were, says so when that is asked for again.
func TestPartsMayBePutTogetherTwice(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		s, _, err := Apply(inParts(), SendFailed{Err: Errorf(CodeReset, "cut"), Unknown: unknown}, Context{Now: time.Unix(1, 0)})
		if err != nil || s.MaybeDuplicate != unknown || len(s.Session.Parts) != 1 {
			t.Errorf("unknown %v: %v %+v %v", unknown, s.MaybeDuplicate, s.Session, err)
		}
	}
	// So does whoever was interrupted when all of them were there.
	for _, ev := range []Event{Recovered{}, Revoked{}, Pause{}} {
		for size := range int64(2) {
			s := inParts()
			s.Spec.Outgoing.SourcePin.Size = 10 + size
			s, _, err := Apply(s, ev, Context{Now: time.Unix(1, 0)})
			if err != nil || s.MaybeDuplicate != (size == 0) || len(s.Session.Parts) != 1 {
				t.Errorf("%T, %d bytes missing: %v %+v %v", ev, size, s.MaybeDuplicate, s.Session, err)
			}
		}
	}
	// Once they are gone the content is sent again, as parts of other uploads.
	s, _, err := Apply(inParts(), SendFailed{Err: Errorf(CodeSessionLost, "gone"), Lost: true}, Context{Now: time.Unix(1, 0)})
	if err != nil || s.Session.Concatenate || len(s.Session.Parts) > 0 || s.SessionsLost != 1 {
		t.Errorf("%+v %v", s.Session, err)
	}
}
