package transfer

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Uploads: a session in place of a generation. What the far side has counts, so
// it is asked before anything is sent again; and what it cannot be asked about
// is not repeated unless that does no harm.

const (
	// maxSessionsLost bounds how often the far side may forget what it had before
	// the upload gives up.
	maxSessionsLost = 3
	// sendCheckpoint is the least time between two records of mere progress. Where
	// the far side can be asked, a lost one costs nothing but a reading of the
	// source.
	sendCheckpoint = 2 * time.Second
	// mostUnrecorded is how many bytes may be unrecorded where it cannot be asked.
	// With those on their way they are what a crash may cost.
	mostUnrecorded = 32 << 20
	// closePatience is how long a far side is asked to forget what is left of an
	// upload that has ended.
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
	if s.Protocol == ProtocolS3 && s.PartSize == 0 {
		s.PartSize = m.Spec.presignedPartSize()
	}
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

// choose begins with nothing at the far side.
func (m *machine) choose(p Protocol, reason string) {
	m.Session = Session{Protocol: p, Reason: reason}
}

// send sends what the far side does not have. A request that holds everything is
// recorded before it is made: nobody could be asked about it later.
func (m *machine) send(from int64) {
	if !m.Session.Protocol.Resumes() {
		if m.inDoubt() {
			m.end(PhaseFailed, m.maybeDuplicate(m.Err))
			return
		}
		if m.Session.Sent {
			m.Restarts++
			m.MaybeDuplicate = m.MaybeDuplicate || !m.harmless()
		}
		m.Session.Sent = true
		m.persist()
	}
	m.do(Send{From: from})
}

// inDoubt tells that a request may have been carried out that must not be
// repeated.
func (m *machine) inDoubt() bool { return m.Session.Sent && !m.repeatable() }

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
	m.send(m.Session.Offset)
}

// onSessionFound goes on from what the far side has.
func (m *machine) onSessionFound(ev SessionFound) {
	if !m.running() {
		return
	}
	if !ev.Expires.IsZero() {
		m.Session.Expires = ev.Expires
	}
	switch size := m.Spec.ContentSize(); {
	case ev.Offset > size:
		m.end(PhaseFailed, Errorf(CodeUploadProtocol, "the far side says that it has %d bytes of %d", ev.Offset, size))
	case ev.Offset < m.Session.Offset:
		m.sessionLost(Errorf(CodeSessionLost, "the far side has %d bytes, it had %d before", ev.Offset, m.Session.Offset))
	default:
		m.attemptedFrom(ev.Offset)
		m.send(ev.Offset)
	}
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
	unrecorded := m.Session.Offset - m.PersistedBytes
	if m.c.Now.Sub(m.Persisted) >= sendCheckpoint || !m.Session.Protocol.HasSession() && unrecorded >= mostUnrecorded {
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
	m.SourcesTried = 0
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
		m.Response, m.Answer, m.AnswerSize = ev.Response, ev.Body, ev.BodySize
	}
	switch {
	case !ev.Unknown:
		m.Session.Sent = false
	case m.Session.Concatenate:
		// What would put the same parts together makes another upload of them.
		m.MaybeDuplicate = true
	}
	asks := m.Session.Protocol.HasSession() && m.Session.URL != "" || m.Session.Protocol == ProtocolRange
	switch {
	case m.inDoubt():
		m.end(PhaseFailed, m.maybeDuplicate(ev.Err))
	case ev.Lost:
		m.sessionLost(ev.Err)
	case ev.Err.Code == CodeUploadOffset && asks:
		m.askAgain(ev.Err)
	default:
		m.onSourceFailed(ev.Err, 0)
	}
	if ev.Sent && !ev.Unknown && !m.Session.Protocol.Resumes() && !m.Phase.Terminal() {
		m.Restarts++
	}
}

// leaveParts notes that parts which are all there may have been put together: that
// is asked for again.
func (m *machine) leaveParts() {
	if m.running() && m.Session.Concatenate && m.Session.Bytes() == m.Spec.ContentSize() {
		m.MaybeDuplicate = true
	}
}

// askAgain asks at once what the far side has, because it had something else than
// was thought.
func (m *machine) askAgain(err *Error) {
	if m.spent(m.Spec.Retries) {
		m.end(PhaseFailed, err)
		return
	}
	m.Err = err
	m.do(Halt{})
	m.do(FindSession{})
}

// restartSending begins again because of what came back. Of a source that changed
// there is nothing left to send.
func (m *machine) restartSending(err *Error) {
	switch err.Code {
	case CodeSourceChanged:
		m.end(PhaseFailed, err)
	case CodeSessionLost:
		m.sessionLost(err)
	default:
		m.sendAgain(err)
	}
}

// sessionLost begins again because the far side has forgotten what it had.
func (m *machine) sessionLost(err *Error) {
	m.SessionsLost++
	if m.SessionsLost > maxSessionsLost {
		m.end(PhaseFailed, err)
		return
	}
	m.sendAgain(err)
}

// sendAgain drops what was sent and sends it later.
func (m *machine) sendAgain(err *Error) {
	left := m.dropSession()
	m.retryLater(err, m.Spec.Retries)
	if !m.Phase.Terminal() {
		m.removeAll(left)
	}
}

// dropSession takes nothing for sent any more, and returns what becomes garbage
// at the far side by that. Its protocol stays, and that a request is in doubt.
func (m *machine) dropSession() []UploadRef {
	if m.Session.Bytes() > 0 {
		m.Restarts++
	}
	m.HighWater = 0
	sent := m.Session.Sent
	left := m.setAside("")
	m.Session.Sent = sent
	return left
}

// forgetSession makes everything that the far side keeps garbage, to be removed
// once that is recorded.
func (m *machine) forgetSession() { m.setAside(m.Spec.Outgoing.Presigned.AbortURL) }

func (m *machine) setAside(abort string) (left []UploadRef) {
	s := &m.Session
	for _, url := range s.leftovers(abort) {
		left = append(left, UploadRef{Name: string(cmp.Or(s.Protocol, m.Spec.Outgoing.Protocol)), ID: url})
	}
	m.Garbage = append(slices.Clone(m.Garbage), left...)
	m.choose(s.Protocol, s.Reason)
	return left
}

// leftovers are the URLs that the far side is to be asked to delete. A presigned
// upload is there before it has run; one that was let go has a protocol, and no
// part size any more.
func (s *Session) leftovers(abort string) (urls []string) {
	if s.URL != "" {
		urls = append(urls, s.URL)
	}
	if abort != "" && (s.Protocol == "" || s.PartSize > 0) {
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

// redirectSending goes on at another URL. A session has a URL of its own, of the
// same origin: at another origin the upload begins anew. Ranges that were sent
// lie at the URL itself: anew even where only its path is another.
func (m *machine) redirectSending(url string) {
	s := &m.Session
	origin := originOf(url) != originOf(m.Spec.Destination)
	path := RedactURL(url) != RedactURL(m.Spec.Destination)
	if origin && s.Protocol != ProtocolS3 || path && s.Protocol == ProtocolRange {
		m.dropSession()
	}
	if origin && m.Spec.Outgoing.Protocol == ProtocolAuto {
		s.Protocol, s.Reason = "", ""
	}
	m.Spec.Destination = m.Spec.destination(url)
	m.SourcesTried = 0
}

// checkSending refuses a URL and headers that this upload cannot go on with; nil
// stands for those there are.
func (m *machine) checkSending(url *string, headers *[]Header) *Error {
	if !m.uploads() {
		return nil
	}
	if url != nil {
		if err := checkPartToken(&m.Spec.Outgoing, m.Spec.destination(*url)); err != nil {
			return err
		}
	}
	if headers == nil {
		return nil
	}
	return checkUploadHeaders(*headers, len(m.Spec.Outgoing.Form.Parts) > 0)
}

// originOf is scheme, host and port of a canonical URL.
func originOf(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	authority, _ := cutAuthority(rest)
	return scheme + "://" + authority
}
