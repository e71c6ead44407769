package transfer

import "time"

// Uploads: a session in place of a generation. What the far side has counts, so
// it is asked before anything is sent again; and what it cannot be asked about
// is not repeated unless that does no harm.

const (
	// maxSessionsLost bounds how often in a row the far side may forget what it
	// had before the upload gives up.
	maxSessionsLost = 3
	// sendCheckpoint is the least time between two records of mere progress. The
	// far side knows better, so that a lost one costs nothing but a reading of
	// the source.
	sendCheckpoint = 2 * time.Second
	// closePatience is how long a far side is asked to forget an upload that has
	// ended otherwise.
	closePatience = time.Hour
)

func (m *machine) uploads() bool { return m.Spec.Direction == Upload }

// beginSending is what a slot is for.
func (m *machine) beginSending() {
	m.Attempts++
	m.remember(Attempt{Time: m.c.Now, URL: RedactURL(m.Spec.Destination), Node: m.c.Node, Offset: m.Session.Offset})
	m.sendNext()
}

// sendNext decides what is to be found out before bytes are sent.
func (m *machine) sendNext() {
	if m.Session.Protocol == "" && m.Spec.Outgoing.Protocol != ProtocolAuto {
		m.choose(m.Spec.Outgoing.Protocol, "it was asked for")
	}
	s := &m.Session
	switch {
	case m.SHA256 == "" && (m.wantsSHA256() || m.Spec.Outgoing.DigestHeaders):
		m.do(Digest{})
	case s.Protocol == "":
		m.do(Probe{})
	case s.Protocol.HasSession() && s.URL == "" && !s.Concatenate:
		m.do(OpenSession{})
	case s.URL != "", s.Protocol == ProtocolRange && s.Offset > 0:
		m.do(FindSession{})
	default:
		m.send(s.Offset)
	}
}

func (m *machine) choose(p Protocol, reason string) {
	m.Session = Session{Protocol: p, Reason: reason}
	if p == ProtocolS3 {
		m.Session.PartSize = m.Spec.presignedPartSize()
	}
}

// send sends what the far side does not have. A request that must not be made
// twice is recorded before it is made.
func (m *machine) send(from int64) {
	if !m.repeatable() {
		if m.Session.Sent {
			m.end(PhaseFailed, m.maybeDuplicate(m.Err))
			return
		}
		m.Session.Sent = true
		m.persist()
	}
	m.do(Send{From: from})
}

func (m *machine) maybeDuplicate(cause *Error) *Error {
	e := Errorf(CodeMaybeDuplicate, "nobody knows whether the far side has carried out the request, and it must not be repeated")
	if cause != nil {
		e.Message += ": " + cause.Message
		e.Status, e.Err = cause.Status, cause
	}
	return e
}

func (m *machine) onProbed(ev Probed) {
	if m.running() {
		m.choose(ev.Protocol, ev.Reason)
		m.sendNext()
	}
}

// onContentDigested compares the content with what was declared before anything
// is sent.
func (m *machine) onContentDigested(sum string) {
	if want := m.Spec.SHA256; want != "" && want != sum {
		m.end(PhaseFailed, Errorf(CodeMismatch, "the content has sha256 %s, %s was declared; nothing was sent", sum, want))
		return
	}
	m.SHA256 = sum
	m.sendNext()
}

// onSessionOpened records where the upload is to be continued before it has any
// bytes.
func (m *machine) onSessionOpened(ev SessionOpened) {
	if !m.running() {
		return
	}
	protocol, reason := m.Session.Protocol, m.Session.Reason
	m.Session = ev.Session
	m.Session.Protocol, m.Session.Reason = protocol, reason
	m.persist()
	m.send(0)
}

// onSessionFound goes on from what the far side has.
func (m *machine) onSessionFound(ev SessionFound) {
	if !m.running() {
		return
	}
	if !ev.Expires.IsZero() {
		m.Session.Expires = ev.Expires
	}
	if ev.Offset < m.Session.Offset {
		m.sessionLost(Errorf(CodeSessionLost, "the far side has %d bytes, it had %d before", ev.Offset, m.Session.Offset))
		return
	}
	m.send(ev.Offset)
}

func (m *machine) onConfirmed(ev Confirmed) {
	if !m.running() || ev.Offset <= m.Session.Offset {
		return
	}
	m.Session.Offset, m.Session.CRC64 = ev.Offset, ev.CRC64
	if !ev.Expires.IsZero() {
		m.Session.Expires = ev.Expires
	}
	m.progressed()
	if m.c.Now.Sub(m.Persisted) >= sendCheckpoint {
		m.persist()
	}
}

// onPartSent records each part: nobody but the record knows it.
func (m *machine) onPartSent(ev PartSent) {
	if m.running() && m.Session.add(ev.Part) {
		m.progressed()
		m.persist()
	}
}

func (m *machine) progressed() {
	m.SourcesTried, m.SessionsLost = 0, 0
	m.attended()
}

func (m *machine) onAnswered(ev Answered) {
	if !m.running() {
		return
	}
	m.attempted(ev.Response.StatusCode, nil)
	m.Response, m.Answer, m.AnswerSize = ev.Response, ev.Body, ev.BodySize
	m.CRC64, m.HasCRC64 = ev.CRC64, true
	m.Failures, m.Outages = 0, 0
	// What the far side has is the user's from now on.
	m.choose(m.Session.Protocol, m.Session.Reason)
	m.end(PhaseCompleted, nil)
}

// onSendFailed decides what a failed request of an upload means.
func (m *machine) onSendFailed(ev SendFailed) {
	if !m.running() {
		return
	}
	m.attempted(ev.Err.Status, ev.Err)
	if ev.Response.StatusCode != 0 {
		m.Response = ev.Response
		m.Answer, m.AnswerSize = ev.Body, ev.BodySize
	}
	unsafe := m.Spec.Outgoing.RepeatUnsafe && m.Spec.Outgoing.IdempotencyKey == ""
	switch {
	case !ev.Unknown:
		m.Session.Sent = false
	case !m.repeatable():
		m.end(PhaseFailed, m.maybeDuplicate(ev.Err))
		return
	case m.Session.Concatenate, unsafe && !m.Session.Protocol.Resumes():
		// What would put the same parts together makes another upload of them.
		m.MaybeDuplicate = true
	}
	if ev.Sent && !m.Session.Protocol.Resumes() {
		m.Restarts++
	}
	switch {
	case ev.Lost:
		m.sessionLost(ev.Err)
	case ev.Err.Code == CodeUploadOffset && m.Failures < m.Spec.Retries:
		m.Failures++
		m.Err = ev.Err
		m.do(Halt{})
		m.do(FindSession{})
	default:
		m.onSourceFailed(ev.Err, 0)
	}
}

// restartSending drops what was sent: bytes that came back otherwise, or of a
// source that changed, in which case there is nothing left to send.
func (m *machine) restartSending(err *Error) {
	if err.Code == CodeSourceChanged {
		m.end(PhaseFailed, err)
		return
	}
	m.dropSession()
	m.retryLater(err, m.Spec.Retries)
}

// sessionLost begins again, because the far side has forgotten what it had.
func (m *machine) sessionLost(err *Error) {
	m.SessionsLost++
	if m.SessionsLost > maxSessionsLost {
		m.end(PhaseFailed, err)
		return
	}
	m.dropSession()
	m.retryLater(err, m.Spec.Retries)
}

// dropSession forgets an upload; its protocol stays.
func (m *machine) dropSession() {
	if m.Session.Bytes() > 0 {
		m.Restarts++
	}
	m.HighWater = 0
	m.choose(m.Session.Protocol, m.Session.Reason)
}

// forgetSession makes what the far side keeps garbage, to be removed once that is
// recorded.
func (m *machine) forgetSession() {
	s := &m.Session
	for _, url := range s.leftovers(m.Spec.Outgoing.Presigned.AbortURL) {
		m.Garbage = append(m.Garbage, UploadRef{Name: string(s.Protocol), ID: url})
	}
	m.choose(s.Protocol, s.Reason)
}

// leftovers are the URLs that the far side is to be asked to delete.
func (s *Session) leftovers(abort string) (urls []string) {
	if s.URL != "" {
		urls = append(urls, s.URL)
	}
	if s.Protocol == ProtocolS3 && abort != "" {
		urls = append(urls, abort)
	}
	if s.Concatenate {
		for _, p := range s.Parts {
			urls = append(urls, p.Ref)
		}
	}
	return urls
}

// add notes a part, in order of numbers; one that is there already changes
// nothing.
func (s *Session) add(p SessionPart) bool {
	i, found := s.find(p.Number)
	if !found {
		parts := make([]SessionPart, 0, len(s.Parts)+1)
		s.Parts = append(append(append(parts, s.Parts[:i]...), p), s.Parts[i:]...)
	}
	return !found
}
