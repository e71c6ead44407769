package endpoint

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sync"

	"godwit/transfer"
)

// sending is the body of one request of an upload as net/http reads it. Once it
// is closed the content is not touched any more, whatever net/http still does.
type sending struct {
	mu   sync.Mutex
	body io.ReadCloser // nil: there is none, or it is closed
	// left is how many bytes are still to be read, of size.
	left, size int64
	err        *transfer.Error
}

// Read implements io.Reader. It ends after the announced length even where the
// content does not.
func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.body == nil:
		return 0, errClosed
	case s.left == 0:
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.body.Read(p)
	s.left -= int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF) && s.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		err = transfer.Errorf(transfer.CodeSourceChanged, "the content ended %d bytes early", s.left)
	}
	s.err = contentError(err)
	return n, s.err
}

// Close implements io.Closer.
func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}

// state is how many bytes were read and how many are left, and why reading
// failed.
func (s *sending) state() (read, left int64, err *transfer.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size - s.left, s.left, s.err
}

// contentError is the error of content that cannot be read.
func contentError(err error) *transfer.Error {
	var e *transfer.Error
	if errors.As(err, &e) {
		return e
	}
	return &transfer.Error{Code: transfer.CodeStoreUnavailable, Op: "read source", Message: "the content cannot be read", Err: err}
}

// failed says what a request came to that had no answer.
func (s *sending) failed(x *exchange, err error, target *url.URL) *Failure {
	read, _, e := s.state()
	f := &Failure{Err: e, Unknown: x.wrote(), Sent: read > 0}
	if e == nil || context.Cause(x.ctx) != nil {
		f.Err = describe(x.explain(err), target)
		f.Err.Op = "send"
	}
	return f
}
