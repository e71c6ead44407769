package actorstest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"godwit/endpoint"
	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// Answer is how one request is answered. The zero value is everything asked
// for, at once.
type Answer struct {
	// Err refuses the request.
	Err *transfer.Error
	// Panic, if not empty, panics with it instead of answering; PanicBody does
	// so at the first read of the body.
	Panic, PanicBody string
	// Delay passes before the answer.
	Delay time.Duration
	// Cut is the number of bytes after which the body fails with net.reset, 0
	// for never.
	Cut int64
	// Stall is how long nothing comes at Cut before the body fails with
	// net.stall instead.
	Stall time.Duration
	// Length bounds the bytes of the answer, 0 for all that were asked for.
	Length int64
	// Whole ignores the range: the body begins at byte 0.
	Whole bool
	// NoRanges announces that ranges are not served, NoSize leaves out how long
	// the content is.
	NoRanges, NoSize bool
	// Rate is in bytes a second, 0 for no limit.
	Rate int64
}

// Source serves one content under every URL. It is safe for use by several
// goroutines.
type Source struct {
	// Script decides about each request, nil answers all alike. Index counts
	// requests from 1. It must not be changed once the first has been made.
	Script func(index int, req endpoint.Request) Answer

	mu           sync.Mutex
	content      endpointtest.Content
	requests     []endpoint.Request
	active, most int
	served       int64
}

// NewSource returns a source of size bytes.
func NewSource(size int64) *Source {
	return &Source{content: endpointtest.Content{Seed: 1, Generation: 1, Size: size}}
}

// Content is what the source serves at present.
func (s *Source) Content() endpointtest.Content {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content
}

// Change replaces the content by another of the same size and with another tag.
func (s *Source) Change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content.Generation++
}

// Requests are all requests so far, in order.
func (s *Source) Requests() []endpoint.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]endpoint.Request(nil), s.requests...)
}

// Active is the number of open bodies, Most the highest it ever was.
func (s *Source) Active() (now, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active, s.most
}

// Served is the number of bytes read by anybody so far.
func (s *Source) Served() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// Open answers a request as the script says.
func (s *Source) Open(ctx context.Context, req endpoint.Request) (*endpoint.Response, error) {
	answer := s.count(req)
	if answer.Panic != "" {
		panic(answer.Panic)
	}
	if err := pause(ctx, answer.Delay); err != nil {
		return nil, canceled(err)
	}
	if answer.Err != nil {
		return nil, answer.Err
	}
	content := s.Content()
	tag := fmt.Sprintf(`"%d"`, content.Generation)
	if req.Validator.ETag != "" && req.Validator.ETag != tag {
		return nil, transfer.Errorf(transfer.CodeSourceChanged, "the tag is %s now", tag)
	}
	return s.respond(ctx, req, answer, content, tag), nil
}

func (s *Source) count(req endpoint.Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
	if s.Script == nil {
		return Answer{}
	}
	return s.Script(len(s.requests), req)
}

func (s *Source) respond(ctx context.Context, req endpoint.Request, a Answer, c endpointtest.Content, tag string) *endpoint.Response {
	offset := req.Offset
	if a.Whole {
		offset = 0
	}
	length := c.Size - offset
	if req.Length >= 0 && !a.Whole {
		length = min(length, req.Length)
	}
	if a.Length > 0 {
		length = min(length, a.Length)
	}
	resp := &endpoint.Response{
		Shown:     transfer.Response{ActualURL: transfer.RedactURL(req.URL), StatusCode: 206},
		Validator: transfer.Validator{ETag: tag}, Size: c.Size, Offset: offset, Length: length, Ranges: !a.NoRanges,
		Body: &body{ctx: ctx, source: s, answer: a, content: c, at: offset, end: offset + length},
	}
	if a.NoSize {
		resp.Size, resp.Length = transfer.UnknownSize, transfer.UnknownSize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	s.most = max(s.most, s.active)
	return resp
}

func canceled(err error) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeReset, Message: "the request was canceled", Err: err}
}

// pause waits in a way that a context ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
