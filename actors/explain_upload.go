package actors

import (
	"fmt"

	"godwit/transfer"
)

// sending says what an upload that runs is about.
func sending(s *transfer.State) string {
	wantsDigest := s.Spec.WantSHA256 || s.Spec.SHA256 != "" || s.Spec.Outgoing.DigestHeaders
	switch {
	case wantsDigest && s.SHA256 == "":
		return "it is running: the content is being read for its digest, before anything is sent"
	case s.Session.Protocol == "":
		return "it is running: the far side is being asked which protocol it speaks"
	}
	text := fmt.Sprintf("it is running: it is sent with the protocol %s, because %s", s.Session.Protocol, s.Session.Reason)
	if s.Session.Protocol.Resumes() {
		return text + fmt.Sprintf("; %d of %d bytes have arrived", s.Done(), s.Size())
	}
	return text + "; how much has arrived shows when the far side answers"
}
