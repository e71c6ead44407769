package send

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"godwit/actors/fetch"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// mostRefs bounds what all parts of an upload are called by the far side, in
// bytes together: the record of the transfer holds it.
const mostRefs = 1 << 20

// Far is the far side of uploads. *endpoint.Client is one.
type Far interface {
	Probe(ctx context.Context, u *endpoint.Upload) (endpoint.Choice, *endpoint.Failure)
	OpenSession(ctx context.Context, u *endpoint.Upload) (transfer.Session, *endpoint.Failure)
	FindSession(ctx context.Context, u *endpoint.Upload) (endpoint.Found, *endpoint.Failure)
	Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure)
}

// Sender carries out the requests of one run of an upload. Each method returns
// the event that answers its effect, or nil when the run has ended or was told
// to finish.
type Sender struct {
	far     Far
	run     *fetch.Run
	content *Content
	upload  endpoint.Upload
	report  func(transfer.Event)

	mu sync.Mutex
	// session is what is known of the far side, this run's part included; refs is
	// how long the names of its parts are.
	session transfer.Session
	refs    int
}

// NewSender returns a sender of content. The upload needs neither Open nor
// Finishing nor Size; report takes what happens meanwhile, and never blocks for
// long.
func NewSender(far Far, run *fetch.Run, content *Content, upload endpoint.Upload, report func(transfer.Event)) *Sender {
	upload.Open, upload.Finishing, upload.Size = content.Open, run.Finishing, content.Size()
	s := &Sender{far: far, run: run, content: content, upload: upload, report: report, session: upload.Session}
	for _, p := range s.session.Parts {
		s.refs += len(p.Ref)
	}
	return s
}

// Probe asks which protocol the far side speaks.
func (s *Sender) Probe(ctx context.Context) transfer.Event {
	choice, f := s.far.Probe(ctx, &s.upload)
	if f != nil {
		return s.failed(ctx, f)
	}
	return transfer.Probed{Protocol: choice.Protocol, Reason: choice.Reason}
}

// Open makes the session.
func (s *Sender) Open(ctx context.Context) transfer.Event {
	session, f := s.far.OpenSession(ctx, &s.upload)
	if f != nil {
		return s.failed(ctx, f)
	}
	return transfer.SessionOpened{Session: session}
}

// Find asks what the far side has.
func (s *Sender) Find(ctx context.Context) transfer.Event {
	found, f := s.far.FindSession(ctx, &s.upload)
	switch {
	case f != nil:
		return s.failed(ctx, f)
	case found.Answer != nil:
		return s.answered(ctx, found.Answer)
	}
	// What is there beyond what is known came of a request that was cut off: that
	// is progress as any other.
	s.confirmed(ctx, found.Offset, found.Expires)
	return transfer.SessionFound{Offset: found.Offset, Expires: found.Expires}
}

// Send sends what the far side does not have.
func (s *Sender) Send(ctx context.Context, from int64) transfer.Event {
	defer func() { s.run.Landed(s.run.InFlight()) }()
	answer, f := s.far.Send(ctx, &s.upload, from, endpoint.Progress{
		Confirmed: func(offset int64, expires time.Time) { s.confirmed(ctx, offset, expires) },
		PartSent:  func(p transfer.SessionPart) { s.partSent(ctx, p) },
	})
	if f != nil {
		return s.failed(ctx, f)
	}
	return s.answered(ctx, answer)
}

// Digest computes the SHA-256 of the content.
func (s *Sender) Digest(ctx context.Context) transfer.Event {
	h := sha256.New()
	if err := s.content.copy(ctx, h, 0, s.content.Size()); err != nil {
		if e := asError(err); e.Code != transfer.CodeSourceChanged {
			return transfer.StoreFailed{Err: e}
		}
		return transfer.BodyLost{Err: asError(err)}
	}
	return transfer.Digested{SHA256: hex.EncodeToString(h.Sum(nil))}
}

// failed is the event of a failure. Content that changed needs no other try, and
// what was never begun is no failure.
func (s *Sender) failed(ctx context.Context, f *endpoint.Failure) transfer.Event {
	lost := s.content.Lost()
	switch {
	case lost != nil:
		return transfer.BodyLost{Err: lost}
	case ctx.Err() != nil, f.Err.Code == transfer.CodeShuttingDown:
		return nil
	}
	ev := transfer.SendFailed{Err: f.Err, Unknown: f.Unknown, Lost: f.Lost, Sent: f.Sent}
	if a := f.Answer; a != nil {
		ev.Response, ev.Body, ev.BodySize = a.Shown, a.Body, a.Size
	}
	return ev
}

// confirmed reports how many bytes the far side has, with their checksum.
func (s *Sender) confirmed(ctx context.Context, offset int64, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.session.Offset
	if offset <= known || offset > s.content.Size() {
		return
	}
	crc, err := s.content.CRC64(ctx, known, offset-known)
	if err != nil {
		// The next request finds out what is wrong with the source.
		return
	}
	s.session.Offset = offset
	s.session.CRC64 = storage.CombineCRC64(s.session.CRC64, crc, offset-known)
	s.content.forget(known, offset-known)
	s.run.Landed(offset - known)
	s.report(transfer.Confirmed{Offset: offset, CRC64: s.session.CRC64, Expires: expires})
}

// partSent reports a part that the far side has, with its checksum.
func (s *Sender) partSent(ctx context.Context, p transfer.SessionPart) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session.Has(p.Number) || s.refs+len(p.Ref) > mostRefs {
		return
	}
	crc, err := s.content.CRC64(ctx, p.Offset, p.Size)
	if err != nil {
		return
	}
	p.CRC64 = crc
	s.refs += len(p.Ref)
	s.session.Parts = withPart(s.session.Parts, p)
	s.content.forget(p.Offset, p.Size)
	s.run.Landed(p.Size)
	s.report(transfer.PartSent{Part: p})
}

// withPart returns parts with one more, in order of numbers.
func withPart(parts []transfer.SessionPart, p transfer.SessionPart) []transfer.SessionPart {
	out := make([]transfer.SessionPart, 0, len(parts)+1)
	for len(parts) > 0 && parts[0].Number < p.Number {
		out, parts = append(out, parts[0]), parts[1:]
	}
	return append(append(out, p), parts...)
}

// answered says that the far side has everything, whose checksum is put together
// from what it confirmed and what was read since.
func (s *Sender) answered(ctx context.Context, a *endpoint.UploadAnswer) transfer.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, crc := s.session.Offset, s.session.CRC64
	for _, p := range s.session.Parts {
		if p.Offset < at {
			continue
		}
		gap, err := s.content.CRC64(ctx, at, p.Offset-at)
		if err != nil {
			return s.unread(ctx, err)
		}
		crc = storage.CombineCRC64(crc, gap, p.Offset-at)
		crc, at = storage.CombineCRC64(crc, p.CRC64, p.Size), p.Offset+p.Size
	}
	rest, err := s.content.CRC64(ctx, at, s.content.Size()-at)
	if err != nil {
		return s.unread(ctx, err)
	}
	crc = storage.CombineCRC64(crc, rest, s.content.Size()-at)
	return transfer.Answered{Response: a.Shown, Body: a.Body, BodySize: a.Size, CRC64: crc}
}

// unread says that nobody knows any more what the far side has, because the
// content cannot be read.
func (s *Sender) unread(ctx context.Context, err error) transfer.Event {
	return s.failed(ctx, &endpoint.Failure{Err: asError(err), Unknown: true})
}
