package transfer

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// outgoing makes the spec of a history that of an upload: "upload=PROTOCOL", with
// "key", "unsafe" or "signed", and "content" bytes.
func outgoing(w words, p Protocol, spec *Spec, t *testing.T) {
	spec.Direction, spec.Source, spec.Destination, spec.PartSize = Upload, "file:///d/x", "http://far/x?secret", 0
	spec.Outgoing = Outgoing{Protocol: p, SourcePin: Pin{Size: w.number(t, "content", 30)}, RepeatUnsafe: w.has("unsafe")}
	if w.named["method"] == "" {
		spec.Method = "PUT"
	}
	if w.has("key") {
		spec.Outgoing.IdempotencyKey = "k"
	}
	if p == ProtocolS3 {
		spec.PartSize = 10
		spec.Outgoing.Presigned = Presigned{PartURLs: []string{"1", "2", "3"}, CompleteURL: "c", AbortURL: "http://far/abort"}
	}
}

// garbage is what lies at a far side under a URL, or in a store under an id.
func (h *history) garbage(id string) UploadRef {
	for _, up := range h.state.Garbage {
		if up.ID == id {
			return up
		}
	}
	return UploadRef{Name: "/d/x", ID: id}
}

// reportSending parses what workers of uploads report.
func (h *history) reportSending(w words) Event {
	answer := Response{StatusCode: int(w.number(h.t, "answer", 0))}
	switch w.name {
	case "probed":
		return Probed{Protocol: Protocol(w.args[0]), Reason: "it says so"}
	case "session":
		if w.has("concatenate") {
			return SessionOpened{Session: Session{Concatenate: true, PartSize: 10}}
		}
		return SessionOpened{Session: Session{URL: w.args[0], Expires: h.now.Add(24 * time.Hour)}}
	case "at":
		return SessionFound{Offset: h.offset(w)}
	case "confirmed":
		return Confirmed{Offset: h.offset(w), CRC64: uint64(h.offset(w))}
	case "part-sent":
		n := int(h.offset(w))
		return PartSent{Part: SessionPart{Number: n, Offset: int64(n-1) * 10, Size: 10, Ref: "http://far/" + w.args[0]}}
	case "answered":
		answer.StatusCode = 201
		return Answered{Response: answer, Body: []byte("ok"), BodySize: 2, CRC64: 7}
	case "send-failed":
		ev := SendFailed{Err: h.failure(w), Unknown: w.has("unknown"), Lost: w.has("lost"), Sent: w.has("sent"), Response: answer}
		if answer.StatusCode != 0 {
			ev.Body, ev.BodySize = []byte("no"), 2
		}
		return ev
	}
	h.t.Fatalf("no event is called %q", w.name)
	return nil
}

func (h *history) offset(w words) int64 {
	n, err := strconv.ParseInt(w.args[0], 10, 64)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func effectOfSending(e Effect) string {
	if send, ok := e.(Send); ok {
		return fmt.Sprintf("Send from %d", send.From)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", e), "transfer.")
}

// session adds what is known of the far side.
func (h *history) session(add func(when bool, format string, args ...any)) {
	s := &h.state
	add(s.Session.Protocol != "", "via %s", s.Session.Protocol)
	add(s.Session.URL != "", "at %s", s.Session.URL)
	add(s.Session.Concatenate, "in uploads of their own")
	add(s.Session.Bytes() > 0, "%d bytes", s.Session.Bytes())
	add(s.Session.Sent, "sent")
	add(s.SessionsLost > 0, "lost %d", s.SessionsLost)
	add(s.MaybeDuplicate, "maybe-duplicate")
	add(s.AnswerSize > 0, "answer %d %q", s.Response.StatusCode, s.Answer)
	add(s.Spec.Direction == Upload && s.SHA256 != "", "digested")
}
