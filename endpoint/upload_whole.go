package endpoint

import (
	"context"
	"net/http"

	"godwit/transfer"
)

// whole sends everything in one request, PUT, POST or another method. It cannot
// be asked about.
type whole struct{}

func (whole) open(context.Context, *Client, *Upload) (transfer.Session, *Failure) {
	return transfer.Session{}, nil
}

func (whole) find(context.Context, *Client, *Upload) (Found, *Failure) { return Found{}, nil }

func (whole) discard(context.Context, *Client, *Upload, string) *Failure { return nil }

func (whole) send(ctx context.Context, c *Client, d *Upload, _ int64, _ Progress) (*UploadAnswer, *Failure) {
	if d.finishing() {
		return nil, stopping()
	}
	header := http.Header{}
	d.digests(header)
	reply, f := c.deliver(ctx, d, message{
		method: d.Method, url: d.URL, header: header, expect: d.Outgoing.Expect, contentType: d.ContentType,
		body: d.body(ctx, 0, d.Size), size: d.Size, fresh: true, once: !d.repeatable(),
	})
	switch {
	case f != nil:
		return nil, f
	case reply.ok(), reply.status == http.StatusSeeOther:
		// 303 says that the request was carried out, and where to look for what
		// came of it (RFC 9110, section 15.4.4).
		return reply.located(), nil
	case isRedirect(reply.status):
		f = reply.failed(transfer.CodeRedirectBad, "the far side redirects a request that must not be made twice, and may have carried it out")
		f.Unknown = true
		return nil, f
	}
	return nil, reply.refused()
}

// repeatable tells that the request may be made twice.
func (d *Upload) repeatable() bool {
	return transfer.Idempotent(d.Method) || d.Outgoing.IdempotencyKey != "" || d.Outgoing.RepeatUnsafe
}
