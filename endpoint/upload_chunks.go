package endpoint

import (
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"time"

	"godwit/transfer"
)

const (
	// chunkSize is how many bytes one request adds, unless the user or the far
	// side wants otherwise.
	chunkSize = 32 << 20
	// leastChunk is how small a chunk becomes for a far side that takes less in
	// one request than it says: what proxies let through that nobody configured.
	leastChunk = 1 << 20
)

// added is what came of a request that adds bytes to an upload.
type added struct {
	// offset is how many bytes the far side has now.
	offset  int64
	expires time.Time
	answer  *UploadAnswer
	// complete: nothing is missing any more.
	complete bool
}

// chunks adds bytes to one resource, in order, by requests of bounded size.
type chunks struct {
	// total is what the resource is to have, size what one request adds at most
	// and least at least, the last one excepted.
	total, size, least int64
	// add makes one request, with the n bytes from at on.
	add func(at, n int64) (added, *Failure)
	// confirmed is told of what the far side has; nil for nobody.
	confirmed func(offset int64, expires time.Time)
}

// send goes on until the far side says that the upload is complete. What it says
// it has is believed as long as that grows.
func (s *chunks) send(d *Upload, from int64) (*UploadAnswer, *Failure) {
	for at := from; ; {
		n := min(s.size, s.total-at)
		if n > 0 && d.finishing() {
			return nil, &Failure{Err: transfer.Errorf(transfer.CodeShuttingDown, "this node sends no more")}
		}
		got, f := s.add(at, n)
		if f != nil && f.Err.Code == transfer.CodeUploadTooLarge && s.shrink(n) {
			continue
		}
		if f == nil {
			f = s.check(at, n, got)
		}
		if f != nil {
			return nil, f
		}
		if s.confirmed != nil && got.offset > at {
			s.confirmed(got.offset, got.expires)
		}
		if got.complete {
			return got.answer, nil
		}
		at = got.offset
	}
}

// shrink makes chunks smaller after one of n bytes was too large, if they may be.
func (s *chunks) shrink(n int64) bool {
	least := max(s.least, leastChunk)
	if n <= least {
		return false
	}
	s.size = max(n/2, least)
	return true
}

func (s *chunks) check(at, n int64, got added) *Failure {
	var e *transfer.Error
	switch {
	case got.offset > at+n:
		e = transfer.Errorf(transfer.CodeUploadProtocol, "the far side has %d bytes, only %d were sent", got.offset, at+n)
	case !got.complete && got.offset <= at:
		e = transfer.Errorf(transfer.CodeUploadOffset, "the far side has %d bytes after it was sent those from byte %d on", got.offset, at)
	default:
		return nil
	}
	e.Op, e.Status = "send", got.answer.Shown.StatusCode
	return &Failure{Err: e, Sent: n > 0, Answer: got.answer}
}

// connections is how many requests with content there may be at a time; own is the
// protocol's own number.
func (d *Upload) connections(own int) int {
	n := d.Connections
	if n <= 0 {
		n = own
	}
	if d.Share > 0 {
		n = min(n, d.Share)
	}
	return n
}

func (d *Upload) finishing() bool { return d.Finishing != nil && d.Finishing() }

// chunk is how much one request adds if the far side does not mind.
func (d *Upload) chunk() int64 {
	if d.PartSize > 0 {
		return d.PartSize
	}
	return chunkSize
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

// resource is the URL of an upload that the far side has made, of the values of a
// Location. It is sent content and the user's headers, so that it must be within
// the origin that the user named.
func (d *Upload) resource(from *url.URL, status int, locations []string) (string, *transfer.Error) {
	if len(locations) != 1 || locations[0] == "" {
		return "", transfer.Errorf(transfer.CodeUploadProtocol, "the far side does not say where the upload is")
	}
	home, e := parse(d.URL)
	if e != nil {
		return "", e
	}
	to, e := redirected(from, &uploadReply{status: status, header: http.Header{"Location": locations}})
	switch {
	case e != nil && e.Code == transfer.CodeRedirectBad:
		return "", transfer.Errorf(transfer.CodeUploadProtocol, "the far side names no usable URL for the upload")
	case e != nil:
		return "", e
	case !sameOrigin(home, to):
		return "", elsewhere(to)
	}
	return to.String(), nil
}

// failed is the failure of an answer that says something impossible.
func (r *uploadReply) failed(code transfer.Code, sent bool, format string, args ...any) *Failure {
	e := describe(transfer.Errorf(code, format, args...), r.url)
	e.Op, e.Status = "send", r.status
	return &Failure{Err: e, Sent: sent, Answer: r.answer()}
}

// forgotten is the failure of an answer that says that there is no such upload.
func (r *uploadReply) forgotten(sent bool) *Failure {
	f := r.failed(transfer.CodeSessionLost, sent, "the far side has forgotten the upload: it answered %d", r.status)
	f.Lost = true
	return f
}
