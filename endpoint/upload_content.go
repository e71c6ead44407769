package endpoint

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
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

func stopping() *Failure {
	return &Failure{Err: transfer.Errorf(transfer.CodeShuttingDown, "this node sends nothing more")}
}

func (d *Upload) finishing() bool { return d.Finishing != nil && d.Finishing() }

// chunk is how much one request adds if the far side does not mind, where the
// protocol's own size is own.
func (d *Upload) chunk(own int64) int64 {
	if d.PartSize > 0 {
		return d.PartSize
	}
	return own
}

// body delivers n bytes of the content from offset on, as often as it is asked.
func (d *Upload) body(ctx context.Context, offset, n int64) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if n == 0 {
			return http.NoBody, nil
		}
		return d.Open(ctx, offset, n)
	}
}

// sum reads n bytes of the content from offset on and hashes them.
func (d *Upload) sum(ctx context.Context, h hash.Hash, offset, n int64) ([]byte, *Failure) {
	err := func() error {
		r, err := d.body(ctx, offset, n)()
		if err != nil {
			return err
		}
		_, err = io.CopyN(h, r, n)
		return errors.Join(err, r.Close())
	}()
	if err != nil {
		return nil, &Failure{Err: contentError(err)}
	}
	return h.Sum(nil), nil
}

// wholeSum is the SHA-256 of the content if n bytes from offset on are all of it
// and it is known.
func (d *Upload) wholeSum(offset, n int64) ([]byte, bool) {
	if offset != 0 || n != d.Size || d.SHA256 == "" {
		return nil, false
	}
	sum, err := hex.DecodeString(d.SHA256)
	return sum, err == nil
}

// mediaType is that of the content, as the user says or as is known.
func (d *Upload) mediaType() string {
	for _, h := range d.Headers {
		if http.CanonicalHeaderKey(h.Name) == "Content-Type" {
			return h.Value
		}
	}
	return d.ContentType
}

// digests sets Content-Digest and Repr-Digest of the whole content (RFC 9530),
// which are the same as nothing is encoded.
func (d *Upload) digests(h http.Header) {
	if !d.Outgoing.DigestHeaders {
		return
	}
	if sum, err := hex.DecodeString(d.SHA256); err == nil && len(sum) > 0 {
		value := "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
		h.Set("Content-Digest", value)
		h.Set("Repr-Digest", value)
	}
}
