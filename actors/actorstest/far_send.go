package actorstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/crc64nvme"

	"godwit/endpoint"
	"godwit/transfer"
)

// Send implements actors.Uploads.
func (f *Far) Send(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	switch u.Session.Protocol {
	case transfer.ProtocolS3:
		return f.sendParts(ctx, u, p)
	case transfer.ProtocolPut, transfer.ProtocolPost:
		return f.sendWhole(ctx, u)
	}
	return f.sendChunks(ctx, u, from, p)
}

// take reads size bytes of the content, hands over what came, and says how the
// request ended.
func (f *Far) take(ctx context.Context, u *endpoint.Upload, fault FarFault, from, size int64, got func([]byte)) *endpoint.Failure {
	body, err := u.Open(ctx, from, size)
	if err != nil {
		fail := farUnread(err)
		fail.Unknown, fail.Sent = false, false
		return fail
	}
	defer func() { _ = body.Close() }()
	buf := make([]byte, readSize)
	for n := int64(0); n < size; {
		piece := min(int64(len(buf)), size-n)
		if fault.Cut > 0 {
			if piece = min(piece, fault.Cut-n); piece <= 0 {
				return farBroken(true)
			}
		}
		k, err := body.Read(buf[:piece])
		f.mu.Lock()
		f.read += int64(k)
		f.mu.Unlock()
		got(buf[:k])
		n += int64(k)
		if err != nil && !(errors.Is(err, io.EOF) && n == size) {
			return farUnread(err)
		}
		if fault.Rate > 0 && pause(ctx, time.Duration(k)*time.Second/time.Duration(fault.Rate)) != nil {
			return farBroken(true)
		}
	}
	if ctx.Err() != nil {
		return farBroken(true)
	}
	return nil
}

func farUnread(err error) *endpoint.Failure {
	var e *transfer.Error
	if !errors.As(err, &e) {
		e = &transfer.Error{Code: transfer.CodeReset, Message: "the content cannot be read", Err: err}
	}
	return &endpoint.Failure{Err: e, Unknown: true, Sent: true}
}

func farStopping() *endpoint.Failure {
	return &endpoint.Failure{Err: transfer.Errorf(transfer.CodeShuttingDown, "nothing more is begun")}
}

func (f *Far) sendWhole(ctx context.Context, u *endpoint.Upload) (*endpoint.UploadAnswer, *endpoint.Failure) {
	fault, fail := f.begin(ctx, u, FarSend, 0, u.Size)
	if fail != nil {
		return nil, fail
	}
	var content []byte
	if fail := f.take(ctx, u, fault, 0, u.Size, func(p []byte) { content = append(content, p...) }); fail != nil {
		return nil, fail
	}
	f.arrive(u, content)
	if fault.LostReply {
		return nil, farBroken(true)
	}
	return f.answer(u), nil
}

// session is the upload that is sent; of a protocol without sessions it begins
// with its first byte.
func (f *Far) session(u *endpoint.Upload) *farSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[f.key(u)]
	if s == nil && u.Session.URL == "" {
		s = &farSession{target: u.URL, size: u.Size, parts: map[int][]byte{}}
		f.sessions[f.key(u)] = s
	}
	return s
}

// sendChunks adds bytes to a session, a chunk with each request; what came of a
// chunk that was cut stays.
func (f *Far) sendChunks(ctx context.Context, u *endpoint.Upload, from int64, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	for at := from; ; {
		if u.Finishing() {
			return nil, farStopping()
		}
		size := min(f.Chunk, u.Size-at)
		fault, fail := f.begin(ctx, u, FarSend, at, size)
		if fail != nil {
			return nil, fail
		}
		s := f.session(u)
		if s == nil {
			return nil, farLost()
		}
		if int64(len(s.data)) != at {
			return nil, &endpoint.Failure{Err: transfer.Errorf(transfer.CodeUploadOffset, "it has %d bytes, not %d", len(s.data), at)}
		}
		if fail := f.take(ctx, u, fault, at, size, func(p []byte) {
			f.mu.Lock()
			defer f.mu.Unlock()
			s.data = append(s.data, p...)
		}); fail != nil {
			return nil, fail
		}
		at += size
		if at == u.Size {
			f.complete(u, s, s.data)
		}
		if fault.LostReply {
			return nil, farBroken(true)
		}
		if at == u.Size {
			return f.answer(u), nil
		}
		p.Confirmed(at, time.Time{})
	}
}

func (f *Far) complete(u *endpoint.Upload, s *farSession, content []byte) {
	f.mu.Lock()
	s.done = true
	f.mu.Unlock()
	f.arrive(u, content)
}

// sendParts sends what the session does not have, part by part, and completes
// the upload.
func (f *Far) sendParts(ctx context.Context, u *endpoint.Upload, p endpoint.Progress) (*endpoint.UploadAnswer, *endpoint.Failure) {
	s := f.session(u)
	if len(s.parts) == 0 && len(u.Session.Parts) > 0 {
		return nil, farLost()
	}
	size := u.Session.PartSize
	for n := 1; int64(n-1)*size < u.Size; n++ {
		if u.Session.Has(n) {
			continue
		}
		if u.Finishing() {
			return nil, farStopping()
		}
		offset := int64(n-1) * size
		part := transfer.SessionPart{Number: n, Offset: offset, Size: min(size, u.Size-offset)}
		fault, fail := f.begin(ctx, u, FarSend, offset, part.Size)
		if fail != nil {
			return nil, fail
		}
		if f.session(u) != s {
			return nil, farLost()
		}
		var content []byte
		if fail := f.take(ctx, u, fault, offset, part.Size, func(p []byte) { content = append(content, p...) }); fail != nil {
			return nil, fail
		}
		f.mu.Lock()
		s.parts[n] = content
		f.mu.Unlock()
		if fault.LostReply {
			return nil, farBroken(true)
		}
		part.Ref = fmt.Sprintf("%x", crc64nvme.Checksum(content))
		p.PartSent(part)
	}
	return f.completeParts(ctx, u, s)
}

func (f *Far) completeParts(ctx context.Context, u *endpoint.Upload, s *farSession) (*endpoint.UploadAnswer, *endpoint.Failure) {
	fault, fail := f.begin(ctx, u, FarSend, u.Size, 0)
	if fail != nil {
		return nil, fail
	}
	if f.session(u) != s {
		return nil, farLost()
	}
	if !s.done {
		var whole []byte
		for n := 1; s.parts[n] != nil; n++ {
			whole = append(whole, s.parts[n]...)
		}
		f.complete(u, s, whole)
	}
	if fault.LostReply {
		return nil, farBroken(true)
	}
	return f.answer(u), nil
}
