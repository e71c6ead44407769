package endpoint

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"godwit/transfer"
)

const (
	// s3Connections is how many parts are sent at a time, unless asked, and
	// s3InFlight how many bytes they have together at most.
	s3Connections = 3
	s3InFlight    = 64 << 20
)

// presigned sends the parts of an S3 multipart upload, and completes it, with
// URLs that somebody else has signed.
type presigned struct{}

func (presigned) open(context.Context, *Client, *Upload) (transfer.Session, *Failure) {
	return transfer.Session{}, nil
}

// find knows nothing: which parts there are only the record says.
func (presigned) find(_ context.Context, _ *Client, d *Upload) (Found, *Failure) {
	return Found{Offset: d.Session.Offset}, nil
}

func (presigned) discard(ctx context.Context, c *Client, d *Upload, url string) *Failure {
	return c.erase(ctx, d, message{method: http.MethodDelete, url: url, named: true})
}

func (p presigned) send(ctx context.Context, c *Client, d *Upload, _ int64, progress Progress) (*UploadAnswer, *Failure) {
	s, e := newS3Parts(d)
	if e != nil {
		return nil, &Failure{Err: e}
	}
	sent := len(s.todo) > 0
	var workers sync.WaitGroup
	for range s.connections() {
		workers.Go(func() {
			for {
				part, ok := s.next()
				if !ok {
					return
				}
				f := p.sendPart(ctx, c, d, &part)
				s.done(part, f)
				if f == nil {
					progress.PartSent(part)
				}
			}
		})
	}
	workers.Wait()
	if s.failure != nil {
		s.failure.Sent = true
		return nil, s.failure
	}
	return p.complete(ctx, c, d, s.have, sent)
}

// sendPart sends one part and notes its ETag. The content's type is no part's, so
// that none is sent unless the user wants one.
func (presigned) sendPart(ctx context.Context, c *Client, d *Upload, part *transfer.SessionPart) *Failure {
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPut, url: d.Outgoing.Presigned.PartURL(d.URL, part.Number), named: true, keyless: true, size: part.Size,
		body: func() (io.ReadCloser, error) { return d.Open(ctx, part.Offset, part.Size) },
	})
	if f != nil {
		return f
	}
	if !r.ok() {
		return r.refusedS3()
	}
	if part.Ref = r.header.Get("Etag"); part.Ref == "" {
		return r.wrong("the answer to a part has no ETag")
	}
	return nil
}

// s3Parts are the parts of one upload while they are sent.
type s3Parts struct {
	d       *Upload
	mu      sync.Mutex
	todo    []transfer.SessionPart
	have    []transfer.SessionPart
	failure *Failure // the first
}

func newS3Parts(d *Upload) (*s3Parts, *transfer.Error) {
	size := d.Session.PartSize
	if size <= 0 {
		return nil, transfer.Errorf(transfer.CodeInternal, "the upload has no part size")
	}
	count := max(1, (d.Size+size-1)/size)
	if urls := len(d.Outgoing.Presigned.PartURLs); urls > 0 && int64(urls) < count || count > transfer.MaxPresigned {
		return nil, transfer.Errorf(transfer.CodePresigned, "the content has %d parts of %d bytes, there are URLs for %d", count, size, urls)
	}
	s := &s3Parts{d: d}
	for i := range count {
		part := transfer.SessionPart{Number: int(i) + 1, Offset: i * size, Size: min(size, d.Size-i*size)}
		if !d.Session.Has(part.Number) {
			s.todo = append(s.todo, part)
		}
	}
	s.have = append(s.have, d.Session.Parts...)
	return s, nil
}

// connections is how many parts are sent at a time.
func (s *s3Parts) connections() int {
	return max(1, min(s.d.connections(s3Connections), int(s3InFlight/s.d.Session.PartSize), len(s.todo)))
}

// next takes a part to be sent. After a failure there is none.
func (s *s3Parts) next() (transfer.SessionPart, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil || len(s.todo) == 0 {
		return transfer.SessionPart{}, false
	}
	if s.d.Finishing != nil && s.d.Finishing() {
		s.failure = stopping()
		return transfer.SessionPart{}, false
	}
	part := s.todo[0]
	s.todo = s.todo[1:]
	return part, true
}

func (s *s3Parts) done(part transfer.SessionPart, f *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		s.have = append(s.have, part)
	} else if s.failure == nil {
		s.failure = f
	}
}

// refusedS3 is refused, but for what S3 says in the body alone: that the content
// came too slowly.
func (r *uploadReply) refusedS3() *Failure {
	f := r.refused(r.sent)
	if _, code := s3Result(r.body); code == "RequestTimeout" {
		f.Err.Code = transfer.CodeStatusRetry
		f.Err.Message = fmt.Sprintf("%s: %s", f.Err.Message, code)
	}
	return f
}
