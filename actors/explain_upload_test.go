package actors

import (
	"strings"
	"testing"

	"godwit/transfer"
)

func TestExplainUpload(t *testing.T) {
	upload := func(change func(*transfer.State)) *transfer.State {
		s := &transfer.State{Phase: transfer.PhaseRunning, Spec: transfer.Spec{Direction: transfer.Upload, Source: "file:///srv/f"}}
		s.Spec.Outgoing.SourcePin.Size = 10
		change(s)
		return s
	}
	for want, s := range map[string]*transfer.State{
		"is being asked": upload(func(*transfer.State) {}),
		"for its digest": upload(func(s *transfer.State) { s.Spec.Outgoing.DigestHeaders = true }),
		"tus, because it says so; 4 of 10 bytes": upload(func(s *transfer.State) {
			s.Session = transfer.Session{Protocol: transfer.ProtocolTus, Reason: "it says so", Offset: 4}
		}),
		"put, because it was asked for; how much": upload(func(s *transfer.State) {
			s.Session = transfer.Session{Protocol: transfer.ProtocolPut, Reason: "it was asked for"}
		}),
	} {
		if got := strings.Join(reasons(s, ""), "\n"); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
