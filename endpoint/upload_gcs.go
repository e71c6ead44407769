package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"godwit/transfer"
)

const (
	// gcsChunk is how many bytes one request has, unless asked; all but the last
	// have a multiple of gcsUnit.
	gcsChunk = 32 << 20
	gcsUnit  = 256 << 10
	// gcsLife is for how long a session is kept.
	gcsLife = 7 * 24 * time.Hour
	// statusCanceled is what the service answers once a session was deleted.
	statusCanceled = 499
)

// gcs is the resumable upload of Google Cloud Storage. The URL is that which
// makes a session, the JSON API's or a signed one of the XML API.
type gcs struct{}

func (gcs) open(ctx context.Context, c *Client, d *Upload) (transfer.Session, *Failure) {
	header := http.Header{
		"X-Goog-Resumable":        {"start"}, // signed URLs have it among what is signed
		"X-Upload-Content-Length": {strconv.FormatInt(d.Size, 10)},
		"X-Upload-Content-Type":   {d.mediaType()},
	}
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPost, url: d.URL, header: header, keyless: true,
		body: d.body(ctx, 0, 0), // so that a Content-Type is sent, if it is signed
	})
	if f != nil {
		return transfer.Session{}, f
	}
	if !r.ok() {
		return transfer.Session{}, r.refused()
	}
	at, e := d.resource(r.url, r.status, r.header["Location"])
	if e != nil {
		return transfer.Session{}, &Failure{Err: about(e, r.url), Answer: r.answer()}
	}
	return transfer.Session{URL: at, Expires: time.Now().Add(gcsLife)}, nil
}

// status asks how much of the content is there, which also ends an upload that
// has everything.
func (gcs) status(ctx context.Context, c *Client, d *Upload) (*uploadReply, *Failure) {
	return c.deliver(ctx, d, message{
		method: http.MethodPut, url: d.Session.URL, partial: true,
		header: http.Header{"Content-Range": {fmt.Sprintf("bytes */%d", d.Size)}},
	})
}

func (p gcs) find(ctx context.Context, c *Client, d *Upload) (Found, *Failure) {
	r, f := p.status(ctx, c, d)
	if f != nil {
		return Found{}, f
	}
	if f = p.refused(r); f != nil {
		return Found{}, f
	}
	if r.ok() {
		return Found{Offset: d.Size, Answer: r.answer()}, nil
	}
	n, _ := r.has()
	return Found{Offset: n}, nil
}

// refused is nil for an answer that says how much is there, or that all is.
func (gcs) refused(r *uploadReply) *Failure {
	switch r.status {
	case http.StatusPermanentRedirect:
		return nil
	case http.StatusNotFound, http.StatusGone, statusCanceled:
		return r.forgotten()
	}
	if r.ok() {
		return nil
	}
	return r.refused()
}

func (p gcs) send(ctx context.Context, c *Client, d *Upload, from int64, progress Progress) (*UploadAnswer, *Failure) {
	size := max(d.chunk(gcsChunk)/gcsUnit*gcsUnit, gcsUnit)
	for at := from; ; {
		var r *uploadReply
		var f *Failure
		if at >= d.Size {
			r, f = p.status(ctx, c, d)
		} else {
			r, f = c.chunk(ctx, d, d.Session.URL, at, min(at+size, d.Size))
		}
		if f != nil {
			return nil, f
		}
		if f = p.refused(r); f != nil {
			return nil, f
		}
		if r.ok() {
			return p.finish(r, at+size, d.Size)
		}
		has, _ := r.has()
		if f = r.moved(at, has, d.Size); f != nil {
			return nil, f
		}
		progress.Confirmed(has, d.Session.Expires)
		at = has
	}
}

// finish is the answer to the last chunk.
func (gcs) finish(r *uploadReply, end, size int64) (*UploadAnswer, *Failure) {
	if end < size {
		return nil, r.failed(transfer.CodeUploadProtocol, "the far side took the upload for complete after %d bytes of %d", end, size)
	}
	return r.answer(), nil
}

func (gcs) discard(ctx context.Context, c *Client, d *Upload, url string) *Failure {
	return c.erase(ctx, d, message{method: http.MethodDelete, url: url})
}

// erase makes a request that deletes. What is gone, or never was, is deleted. It
// may lie where the upload went before its user named another origin, which the
// user's headers are not sent to.
func (c *Client) erase(ctx context.Context, d *Upload, m message) *Failure {
	m.named = true
	r, f := c.deliver(ctx, d, m)
	if f != nil {
		return f
	}
	switch r.status {
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed, http.StatusNotImplemented, statusCanceled:
		return nil
	}
	if r.ok() {
		return nil
	}
	return r.refused()
}
