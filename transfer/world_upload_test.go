package transfer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// farSide is a model of what takes an upload.
type farSide struct {
	// speaks is the protocol, whatever was asked for.
	speaks Protocol
	// sessions are the uploads in progress by URL, with the bytes they have;
	// known are those whose URL reached a record.
	sessions map[string]int64
	known    map[string]bool
	opened   int
	// concatenates: parts are uploads of their own.
	concatenates bool
	// parts are those of a presigned upload, nil once it is aborted.
	parts map[int]bool
	// doubtful counts the whole requests that may have been carried out since the
	// user last asked for one.
	doubtful int
	// done: it has everything.
	done bool
}

const sentBytes = 30

// newSending draws an upload and its far side.
func newSending(t *rapid.T) *world {
	w := &world{t: t, trouble: true, now: time.Unix(1_800_000_000, 0).UTC(), origin: origin{sizes: []int64{0}}}
	w.store = store{uploads: map[UploadRef]*upload{}}
	speaks := rapid.SampledFrom([]Protocol{ProtocolPut, ProtocolPost, ProtocolTus, ProtocolRange, ProtocolS3}).Draw(t, "protocol")
	w.far = &farSide{speaks: speaks, sessions: map[string]int64{}, known: map[string]bool{}, parts: map[int]bool{}}
	w.far.concatenates = speaks == ProtocolTus && w.flip("concatenates")
	spec := Spec{
		ID: "t", Direction: Upload, Source: "file:///d/x", Destination: "http://h/x", Method: "PUT", Size: UnknownSize,
		Retries: rapid.IntRange(0, 6).Draw(t, "retries"), WantSHA256: w.flip("digest"),
		Outgoing: Outgoing{Protocol: speaks, SourcePin: Pin{Size: sentBytes}, RepeatUnsafe: w.flip("unsafe")},
	}
	switch {
	case speaks == ProtocolPost:
		spec.Method = "POST"
		if w.flip("key") {
			spec.Outgoing.IdempotencyKey = "k"
		}
	case speaks == ProtocolS3:
		spec.PartSize = 10
		spec.Outgoing.Presigned = Presigned{PartURLs: []string{"1", "2", "3"}, CompleteURL: "c", AbortURL: "abort"}
	case w.flip("auto"):
		spec.Outgoing.Protocol = ProtocolAuto
	}
	if w.flip("recoverable") {
		spec.Recoverable = []int{403}
	}
	if w.flip("notification") {
		spec.Notifications = []Notification{{Channel: ChannelLog, Success: "{id}"}}
	}
	w.state = State{Spec: spec, Nonce: "nonce", Phase: PhaseIdle, Created: w.now}
	w.record = copyState(w.state)
	return w
}

// Whatever fails and whenever the owner dies, an upload ends or waits for its
// user, is complete only when the far side says so, makes a request in doubt once
// more only where that is allowed, and leaves no session behind that it knows of.
func TestSendInAnyWorld(t *testing.T) {
	for range 40 {
		rapid.Check(t, func(t *rapid.T) {
			w := newSending(t)
			w.apply(Start{})
			for range rapid.IntRange(20, 120).Draw(t, "steps") {
				w.disturb()
			}
			w.calm()
			w.judgeSending()
		})
	}
}

// learn notes what a record knows of.
func (f *farSide) learn(record *State) {
	f.known[record.Session.URL] = true
	for _, p := range record.Session.Parts {
		f.known[p.Ref] = true
	}
}

// checkSending looks at what an event has done.
func (w *world) checkSending(ev Event, before *State) {
	after := &w.state
	if after.Session.Bytes() < before.Session.Bytes() && !after.Phase.Terminal() && after.Restarts == before.Restarts {
		w.t.Fatalf("%T: from %d bytes to %d without a restart", ev, before.Session.Bytes(), after.Session.Bytes())
	}
	if after.Restarts < before.Restarts || before.MaybeDuplicate && !after.MaybeDuplicate {
		w.t.Fatalf("%T: restarts %d to %d, duplicate %v to %v", ev, before.Restarts, after.Restarts, before.MaybeDuplicate, after.MaybeDuplicate)
	}
	if _, answered := ev.(Answered); !answered && after.Phase == PhaseCompleted && before.Phase != PhaseCompleted {
		w.t.Fatalf("%T: complete without an answer", ev)
	}
	if _, retry := ev.(Retry); retry && before.Phase == PhaseFailed && after.Phase == PhaseQueued {
		w.far.doubtful = 0
	}
}

// beginSend looks at what is recorded when bytes are about to leave.
func (w *world) beginSend() {
	s := &w.state
	if w.record.Session.URL != s.Session.URL {
		w.t.Fatalf("bytes are sent to %q, recorded is %q", s.Session.URL, w.record.Session.URL)
	}
	if s.Session.Protocol.HasSession() && s.Session.URL == "" && !(w.far.concatenates && w.record.Session.Concatenate) {
		w.t.Fatal("bytes are sent without a session")
	}
	if s.Session.Protocol.Resumes() {
		return
	}
	o := &s.Spec.Outgoing
	harmless := s.Spec.Method == "PUT" || o.IdempotencyKey != ""
	switch again := w.far.doubtful > 0; {
	case !w.record.Session.Sent:
		w.t.Fatal("a request is made that is not recorded")
	case again && !harmless && !o.RepeatUnsafe:
		w.t.Fatal("a request in doubt is repeated")
	case again && !harmless && !s.MaybeDuplicate:
		w.t.Fatal("a request in doubt is repeated, and that is not told")
	}
	w.far.doubtful++
}

// atFarSide does what an effect asks of the far side.
func (w *world) atFarSide(e Effect) (Event, bool) {
	f := w.far
	switch e := e.(type) {
	case Probe:
		return Probed{Protocol: f.speaks, Reason: "asked"}, true
	case Digest:
		return Digested{SHA256: "00"}, true
	case OpenSession:
		if f.concatenates {
			return SessionOpened{Session: Session{Concatenate: true, PartSize: 10}}, true
		}
		f.opened++
		url := fmt.Sprintf("http://h/s%d", f.opened)
		f.sessions[url] = 0
		return SessionOpened{Session: Session{URL: url}}, true
	case FindSession:
		return f.find(w), true
	case Send:
		if !f.concatenates {
			f.take(w.state.Session.URL)
		}
		return nil, true
	case Remove:
		delete(f.sessions, e.Upload.ID)
		if e.Upload.ID == "abort" {
			f.parts = nil
		}
		return Removed(e), true
	}
	return nil, false
}

func (f *farSide) find(w *world) Event {
	n, ok := f.sessions[w.state.Session.URL]
	switch {
	case n == sentBytes:
		return Answered{Response: Response{StatusCode: 201}}
	case !ok && w.state.Session.Protocol.HasSession():
		return SendFailed{Lost: true, Err: Errorf(CodeSessionLost, "find")}
	}
	return SessionFound{Offset: n}
}

// take takes some more of what is sent, and tells whether that was all.
func (f *farSide) take(url string) bool {
	switch f.speaks {
	case ProtocolTus, ProtocolRange:
		f.sessions[url] = min(f.sessions[url]+10, sentBytes)
		f.done = f.done || f.sessions[url] == sentBytes
		return f.sessions[url] == sentBytes
	case ProtocolS3:
		if f.parts == nil {
			return false
		}
		for n := 1; n <= 3; n++ {
			if !f.parts[n] {
				f.parts[n] = true
				return false
			}
		}
		f.done = true
	default:
		f.done = true
	}
	return f.done
}

// forget loses a session, or the end of one.
func (f *farSide) forget(w *world) {
	url := w.state.Session.URL
	if parts := w.state.Session.Parts; f.concatenates && len(parts) > 0 {
		delete(f.sessions, parts[0].Ref)
		return
	}
	n, ok := f.sessions[url]
	switch {
	case !ok || n == sentBytes:
	case w.flip("all of it"):
		delete(f.sessions, url)
	default:
		f.sessions[url] = max(n-10, 0)
	}
}

// sendSome sends a little more, fails, or ends.
func (w *world) sendSome(e Send) {
	f, s := w.far, &w.state.Session
	n, ok := f.sessions[s.URL]
	if f.concatenates {
		w.sendPart(e)
		return
	}
	switch {
	case s.Protocol.HasSession() && !ok:
		w.apply(SendFailed{Lost: true, Err: Errorf(CodeSessionLost, "send")})
		return
	case s.Protocol == ProtocolS3 && f.parts == nil:
		w.apply(SendFailed{Lost: true, Err: Errorf(CodeSessionLost, "send")})
		return
	case (s.Protocol == ProtocolTus || s.Protocol == ProtocolRange) && n != e.From:
		w.apply(SendFailed{Err: Errorf(CodeUploadOffset, "send")})
		return
	case w.rarely(8, "sending fails"):
		w.failSend()
		return
	}
	all := f.take(s.URL)
	switch {
	case all && w.rarely(8, "the answer is lost"):
		w.apply(SendFailed{Unknown: true, Sent: true, Err: Errorf(CodeReset, "send")})
		return
	case all:
		w.apply(Answered{Response: Response{StatusCode: 201}, Body: []byte("ok"), BodySize: 2})
		return
	}
	e.From = f.sessions[s.URL]
	w.running = append(w.running, e)
	if s.Protocol != ProtocolS3 {
		w.apply(Confirmed{Offset: e.From})
		return
	}
	for n := range f.parts {
		if !s.Has(n) {
			w.apply(PartSent{Part: SessionPart{Number: n, Size: 10}})
		}
	}
}

// sendPart sends one more part as an upload of its own, or puts them together.
func (w *world) sendPart(e Send) {
	f, s := w.far, &w.state.Session
	for _, p := range s.Parts {
		if _, ok := f.sessions[p.Ref]; !ok {
			w.apply(SendFailed{Lost: true, Err: Errorf(CodeSessionLost, "send")})
			return
		}
	}
	switch {
	case w.rarely(8, "a part fails"):
		w.apply(SendFailed{Unknown: true, Sent: true, Err: failed(CodeReset)})
	case s.Bytes() == sentBytes:
		f.done = true
		w.apply(Answered{Response: Response{StatusCode: 201}})
	default:
		f.opened++
		url := fmt.Sprintf("http://h/s%d", f.opened)
		f.sessions[url] = 10
		n := 1
		for s.Has(n) {
			n++
		}
		w.running = append(w.running, e)
		w.apply(PartSent{Part: SessionPart{Number: n, Size: 10, Ref: url}})
	}
}

// failSend fails for certain, or after the far side may have taken something.
func (w *world) failSend() {
	if w.flip("for certain") {
		if !w.state.Session.Protocol.Resumes() {
			w.far.doubtful--
		}
		code := rapid.SampledFrom([]Code{CodeConnect, CodeStatus, CodeOffline, CodeStatusRetry, CodeStoreCorrupt, CodeSourceChanged}).Draw(w.t, "code")
		w.apply(SendFailed{Err: failed(code), Sent: w.flip("content was sent")})
		return
	}
	if w.flip("it was taken") {
		w.far.take(w.state.Session.URL)
	}
	w.apply(SendFailed{Unknown: true, Sent: true, Err: failed(rapid.SampledFrom([]Code{CodeReset, CodeStatusRetry, CodeStoreCorrupt}).Draw(w.t, "code"))})
}

// judgeSending looks at what is left.
func (w *world) judgeSending() {
	s := &w.state
	if !s.Phase.Terminal() || !s.Settled() {
		w.t.Fatalf("it rests in %s with garbage %v, error %v", s.Phase, s.Garbage, s.Err)
	}
	if s.Phase == PhaseCompleted && (!w.far.done || s.Done() != sentBytes) {
		w.t.Fatalf("complete with %d bytes, but the far side does not have it", s.Done())
	}
	w.judgeSessions()
	if s.Phase == PhaseFailed {
		w.apply(Cancel{})
		for w.step() {
			continue
		}
		if s.Session.URL != "" {
			w.t.Fatalf("a canceled failure keeps %s", s.Session.URL)
		}
		w.judgeSessions()
	}
	w.purge()
	if len(w.record.Garbage) > 0 {
		w.t.Fatalf("the record is left with garbage %v", w.record.Garbage)
	}
}

// judgeSessions: of the sessions that are known, one that was completed stays and
// one that a failed transfer can go on with.
func (w *world) judgeSessions() {
	var left []string
	for url, n := range w.far.sessions {
		kept := w.state.Phase == PhaseFailed && url == w.state.Session.URL || w.state.Phase == PhaseCompleted && w.far.concatenates
		for _, p := range w.state.Session.Parts {
			kept = kept || w.state.Phase == PhaseFailed && url == p.Ref
		}
		if url != "" && w.far.known[url] && n < sentBytes && !kept {
			left = append(left, url)
		}
	}
	if slices.Sort(left); len(left) > 0 {
		w.t.Fatalf("%s, and %v is left", w.state.Phase, left)
	}
}
