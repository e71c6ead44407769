package endpoint

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"time"

	"godwit/transfer"
)

// MaxAnswer is how much of the body of an answer to an upload is kept, in bytes.
const MaxAnswer = 64 << 10

// uploadReply is a complete answer to one request of an upload.
type uploadReply struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
	// size of the whole body, or transfer.UnknownSize.
	size int64
}

func (r *uploadReply) ok() bool { return r.status >= 200 && r.status < 300 }

// answer is what users see of a reply.
func (r *uploadReply) answer() *UploadAnswer {
	return &UploadAnswer{Shown: shown(r.url, r.status, r.header), Body: r.body, Size: r.size}
}

// refused is the failure of a reply that does not take what was sent. Whether a
// server that broke down has carried the request out nobody knows.
func (r *uploadReply) refused(sent bool) *Failure {
	e := refusal(Request{}, answer{status: r.status, header: r.header, now: time.Now()})
	switch r.status {
	case http.StatusRequestEntityTooLarge:
		e.Code = transfer.CodeUploadTooLarge
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		e.Code, e.Message = transfer.CodeStatus, refusalText(r.status)
	}
	f := &Failure{Err: describe(e, r.url), Sent: sent, Answer: r.answer()}
	f.Err.Op = "send"
	switch r.status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		f.Unknown = true
	}
	return f
}

// read takes what is kept of an answer's body. That the rest does not come is no
// failure: the status counts.
func (r *uploadReply) read(x *exchange, stall time.Duration) {
	watch := time.AfterFunc(stall, func() { x.cancel(errStall) })
	defer watch.Stop()
	body, err := io.ReadAll(io.LimitReader(x.response.Body, MaxAnswer+1))
	r.body, r.size = body, x.response.ContentLength
	switch {
	case len(body) > MaxAnswer:
		r.body = body[:MaxAnswer]
	case err == nil:
		r.size = int64(len(body))
	}
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
