package endpoint

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"godwit/transfer"
)

// chunk sends the bytes from at to before end of the content in a PUT of their
// own, with a Content-Range (RFC 9110, section 14.5). A 308 without a Location is
// an answer.
func (c *Client) chunk(ctx context.Context, d *Upload, url string, at, end int64) (*uploadReply, *Failure) {
	if d.Finishing != nil && d.Finishing() {
		return nil, stopping()
	}
	return c.deliver(ctx, d, message{
		method: http.MethodPut, url: url, size: end - at, contentType: d.ContentType, partial: true, keyless: true,
		header: http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%d", at, end-1, d.Size)}},
		body:   func() (io.ReadCloser, error) { return d.Open(ctx, at, end-at) },
	})
}

func stopping() *Failure {
	return &Failure{Err: transfer.Errorf(transfer.CodeShuttingDown, "this node sends nothing more")}
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
	e := transfer.Errorf(transfer.CodeUploadOffset, "the far side says that it has %d bytes of %d, it had %d before", has, size, before)
	e.Status = r.status
	return &Failure{Err: about(e, r.url), Sent: r.sent, Answer: r.answer()}
}

// wrong is the failure of an answer that the protocol does not know.
func (r *uploadReply) wrong(message string) *Failure {
	return &Failure{
		Err:  about(&transfer.Error{Code: transfer.CodeUploadProtocol, Status: r.status, Message: message}, r.url),
		Sent: r.sent, Answer: r.answer(),
	}
}
