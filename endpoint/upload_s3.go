package endpoint

import (
	"context"
	"fmt"
	"net/http"

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
	return c.erase(ctx, d, message{method: http.MethodDelete, url: url})
}

func (p presigned) send(ctx context.Context, c *Client, d *Upload, _ int64, progress Progress) (*UploadAnswer, *Failure) {
	if e := checkS3Parts(d); e != nil {
		return nil, &Failure{Err: e}
	}
	s := newParts(d, s3Connections, s3InFlight, func(part *transfer.SessionPart) *Failure { return p.sendPart(ctx, c, d, part) })
	sent := len(s.todo) > 0
	have, f := s.run(progress.PartSent)
	if f != nil {
		f.Sent = true
		return nil, f
	}
	return p.complete(ctx, c, d, have, sent)
}

// checkS3Parts refuses parts that there are no URLs for.
func checkS3Parts(d *Upload) *transfer.Error {
	size := d.Session.PartSize
	if size <= 0 {
		return transfer.Errorf(transfer.CodeInternal, "the upload has no part size")
	}
	count := max(1, (d.Size+size-1)/size)
	if urls := len(d.Outgoing.Presigned.PartURLs); urls > 0 && int64(urls) < count || count > transfer.MaxPresigned {
		return transfer.Errorf(transfer.CodePresigned, "the content has %d parts of %d bytes, there are URLs for %d", count, size, urls)
	}
	return nil
}

// sendPart sends one part and notes its ETag. The content's type is no part's, so
// that none is sent unless the user wants one.
func (presigned) sendPart(ctx context.Context, c *Client, d *Upload, part *transfer.SessionPart) *Failure {
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPut, url: d.Outgoing.Presigned.PartURL(d.URL, part.Number), named: true, keyless: true, size: part.Size,
		body: d.body(ctx, part.Offset, part.Size),
	})
	if f != nil {
		return f
	}
	if !r.ok() {
		return r.refusedS3()
	}
	if part.Ref = r.header.Get("Etag"); part.Ref == "" {
		return r.failed(transfer.CodeUploadProtocol, "the answer to a part has no ETag")
	}
	return nil
}

// refusedS3 is refused, but for what S3 says in the body alone: that the content
// came too slowly.
func (r *uploadReply) refusedS3() *Failure {
	f := r.refused()
	if _, code := s3Result(r.body); code == "RequestTimeout" {
		f.Err.Code = transfer.CodeStatusRetry
		f.Err.Message = fmt.Sprintf("%s: %s", f.Err.Message, code)
	}
	return f
}
