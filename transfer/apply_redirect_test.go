package transfer

import (
	"testing"
	"time"
)

// Parts that all go to one URL would take each other's place there.
func TestPresignedKeepsURLsForParts(t *testing.T) {
	spec := Spec{Direction: Upload, Destination: "http://h/x?n={part}", Outgoing: Outgoing{Protocol: ProtocolS3}}
	paused := State{Spec: spec, Phase: PhasePaused, Pauses: []PauseReason{PauseRecoverableError}, Resolving: true}
	c := Context{Now: time.Unix(1, 0)}
	for url, want := range map[string]string{
		"http://h/y": "", "http://h/y?n={part}": "http://h/y?n={part}", "http://h/y?n=%7Bpart%7D": "http://h/y?n={part}",
	} {
		s, _, err := Apply(paused, Update{Source: &url}, c)
		if refused := err != nil && err.Code == CodePresigned; refused != (want == "") || !refused && s.Spec.Destination != want {
			t.Errorf("update to %s: %v, %s", url, err, s.Spec.Destination)
		}
		s, _, _ = Apply(paused, Resolved{Found: true, Source: &url}, c)
		if goesOn := s.Phase == PhaseQueued; goesOn != (want != "") || goesOn && s.Spec.Destination != want {
			t.Errorf("resolved to %s: %s, %s", url, s.Phase, s.Spec.Destination)
		}
	}
	paused.Spec.Outgoing.Presigned.PartURLs = []string{"http://h/1"}
	url := "http://h/y"
	if _, _, err := Apply(paused, Update{Source: &url}, c); err != nil {
		t.Errorf("with URLs of its own: %v", err)
	}
}
