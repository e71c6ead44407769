package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"godwit/transfer"
)

// rangeChunk is how many bytes one PUT with a Content-Range has, unless asked.
const rangeChunk = 16 << 20

// ranged sends the content in order, in PUTs with a Content-Range (RFC 9110,
// section 14.5). There is no session: every success says that the chunk is
// there, and HEAD may say how much is.
type ranged struct{}

func (ranged) open(context.Context, *Client, *Upload) (transfer.Session, *Failure) {
	return transfer.Session{}, nil
}

func (ranged) discard(context.Context, *Client, *Upload, string) *Failure { return nil }

// find believes the far side no more than what was confirmed: what lies there
// beyond that may be of an earlier upload to the same URL.
func (ranged) find(ctx context.Context, c *Client, d *Upload) (Found, *Failure) {
	r, f := c.deliver(ctx, d, message{method: http.MethodHead, url: d.URL})
	if f != nil {
		return Found{}, f
	}
	found := Found{Offset: d.Session.Offset}
	if n, ok := r.length(); ok {
		found.Offset = min(n, found.Offset)
	}
	return found, nil
}

// length is what an answer to HEAD says of the length of what is there.
func (r *uploadReply) length() (int64, bool) {
	if r.status != http.StatusOK && r.status != http.StatusNoContent || r.header.Get("Content-Encoding") != "" {
		return 0, false
	}
	return digits(strings.TrimSpace(r.header.Get("Content-Length")))
}

func (p ranged) send(ctx context.Context, c *Client, d *Upload, from int64, progress Progress) (*UploadAnswer, *Failure) {
	if d.Size == 0 {
		return p.sendEmpty(ctx, c, d)
	}
	size := d.chunk(rangeChunk)
	if from >= d.Size {
		from = max(d.Size-size, 0) // its answer is wanted
	}
	for at := from; ; {
		end := min(at+size, d.Size)
		r, f := c.chunk(ctx, d, d.URL, at, end)
		if f != nil {
			return nil, f
		}
		if f = p.refused(r); f != nil {
			return nil, f
		}
		has, told := r.has()
		if told && r.status == http.StatusPermanentRedirect && has < end {
			end = has
			if f = r.moved(at, has, d.Size); f != nil {
				return nil, f
			}
		}
		if end == d.Size {
			return p.check(ctx, c, d, r)
		}
		progress.Confirmed(end, d.Session.Expires)
		at = end
	}
}

func (ranged) sendEmpty(ctx context.Context, c *Client, d *Upload) (*UploadAnswer, *Failure) {
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPut, url: d.URL, contentType: d.ContentType,
		body: d.body(ctx, 0, 0),
	})
	switch {
	case f != nil:
		return nil, f
	case !r.ok():
		return nil, r.refused()
	}
	return r.answer(), nil
}

// refused is nil for an answer that confirms a chunk.
func (ranged) refused(r *uploadReply) *Failure {
	switch r.status {
	case http.StatusPermanentRedirect:
		if _, told := r.has(); told || r.left == 0 {
			return nil
		}
		return r.failed(transfer.CodeUploadProtocol, "the far side answered 308 before it had the chunk, and not how much it has")
	case http.StatusBadRequest, http.StatusNotImplemented, http.StatusRequestedRangeNotSatisfiable:
		return r.failed(transfer.CodeUploadProtocol, "the far side does not take a PUT with Content-Range: %s", refusalText(r.status))
	}
	if r.ok() {
		return nil
	}
	return r.refused()
}

// check looks whether the far side has all of it: one that ignores Content-Range
// has the last chunk only. One that does not answer HEAD is believed.
func (ranged) check(ctx context.Context, c *Client, d *Upload, last *uploadReply) (*UploadAnswer, *Failure) {
	r, f := c.deliver(ctx, d, message{method: http.MethodHead, url: d.URL})
	if f != nil || r.status != http.StatusOK {
		return last.answer(), nil //nolint:nilerr // the far side has taken it
	}
	if n, ok := r.length(); ok && n != d.Size {
		e := transfer.Errorf(transfer.CodeUploadIncomplete, "the far side has %d bytes, %d were sent", n, d.Size)
		return nil, &Failure{Err: about(e, r.url), Sent: true, Answer: last.answer()}
	}
	return last.answer(), nil
}

// chunk sends the bytes from at to before end of the content in a PUT of their
// own, with a Content-Range (RFC 9110, section 14.5). A 308 without a Location is
// an answer.
func (c *Client) chunk(ctx context.Context, d *Upload, url string, at, end int64) (*uploadReply, *Failure) {
	if d.finishing() {
		return nil, stopping()
	}
	return c.deliver(ctx, d, message{
		method: http.MethodPut, url: url, size: end - at, contentType: d.ContentType, partial: true, keyless: true,
		header: http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%d", at, end-1, d.Size)}},
		body:   d.body(ctx, at, end-at),
	})
}

// has is how many bytes an answer 308 says the far side has: those up to the end
// of its Range, which begins at 0. Without one ok is false.
func (r *uploadReply) has() (n int64, ok bool) {
	last, found := strings.CutPrefix(strings.ReplaceAll(r.header.Get("Range"), " ", ""), "bytes=0-")
	if n, ok = digits(last); !found || !ok {
		return 0, false
	}
	return n + 1, true
}

// moved is the failure of an answer that says that the far side has other bytes
// than it should; nil where it has at least one more than before, and not all.
func (r *uploadReply) moved(before, has, size int64) *Failure {
	if has > before && has < size {
		return nil
	}
	return r.failed(transfer.CodeUploadOffset, "the far side says that it has %d bytes of %d, it had %d before", has, size, before)
}
