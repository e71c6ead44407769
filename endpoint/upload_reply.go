package endpoint

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"godwit/transfer"
)

// MaxAnswer is how much of the body of an answer to an upload is kept, in bytes.
const MaxAnswer = 64 << 10

// answerTimeout is how long the whole of an answer to an upload may take. Some
// services begin it before they have put the parts of an object together.
const answerTimeout = 15 * time.Minute

// uploadReply is a complete answer to one request of an upload.
type uploadReply struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
	// size of the whole body, or transfer.UnknownSize.
	size int64
	// broken: the body did not come whole. sent: some of the content was sent to
	// have the answer. left is how many bytes were not.
	broken, sent bool
	left         int64
}

func (r *uploadReply) ok() bool { return r.status >= 200 && r.status < 300 }

// whole is the reply, unless it takes content that it did not wait for.
func (r *uploadReply) whole() (*uploadReply, *Failure) {
	if !r.ok() && r.status != http.StatusSeeOther || r.left == 0 {
		return r, nil
	}
	return nil, r.failed(transfer.CodeUploadIncomplete, "the far side answered %d when %d bytes were still to be sent", r.status, r.left)
}

// answer is what users see of a reply.
func (r *uploadReply) answer() *UploadAnswer {
	return &UploadAnswer{Shown: shown(r.url, r.status, r.header), Body: r.body, Size: r.size}
}

// located is the answer with where the result is to be found, without a query.
func (r *uploadReply) located() *UploadAnswer {
	a := r.answer()
	if locations := r.header["Location"]; len(locations) == 1 {
		if u, e := resolve(r.url, locations[0]); e == nil {
			a.Shown.Headers = append(a.Shown.Headers, transfer.Header{Name: "Location", Value: transfer.RedactURL(u.String())})
		}
	}
	return a
}

// failed is the failure of an answer that is of no use.
func (r *uploadReply) failed(code transfer.Code, format string, args ...any) *Failure {
	e := about(transfer.Errorf(code, format, args...), r.url)
	e.Status = r.status
	return &Failure{Err: e, Sent: r.sent, Answer: r.answer()}
}

// forgotten is the failure of an answer that says that there is no such upload.
func (r *uploadReply) forgotten() *Failure {
	f := r.failed(transfer.CodeSessionLost, "the far side has forgotten the upload: it answered %d", r.status)
	f.Lost = true
	return f
}

// refused is the failure of a reply that does not take what was sent. Whether a
// server that broke down has carried the request out nobody knows.
func (r *uploadReply) refused() *Failure {
	e := refusal(Request{}, answer{status: r.status, header: r.header, now: time.Now()})
	switch r.status {
	case http.StatusRequestEntityTooLarge:
		e.Code = transfer.CodeUploadTooLarge
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		e.Code, e.Message = transfer.CodeStatus, refusalText(r.status)
	}
	f := &Failure{Err: about(e, r.url), Sent: r.sent, Answer: r.answer()}
	switch r.status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		f.Unknown = true
	default:
		// Proxies have statuses of their own for a server that broke down.
		f.Unknown = r.status >= 500 && http.StatusText(r.status) == ""
	}
	return f
}

// read takes what is kept of an answer's body. That the rest does not come is no
// failure: the status counts.
func (r *uploadReply) read(x *exchange, stall time.Duration) {
	most := time.AfterFunc(answerTimeout, func() { x.cancel(errStall) })
	defer most.Stop()
	watch := time.AfterFunc(stall, func() { x.cancel(errStall) })
	defer watch.Stop()
	body, err := io.ReadAll(io.LimitReader(&touching{x.response.Body, watch, stall}, MaxAnswer+1))
	r.body, r.size, r.broken = body, x.response.ContentLength, err != nil
	switch {
	case len(body) > MaxAnswer:
		r.body = body[:MaxAnswer]
	case err == nil:
		r.size = int64(len(body))
	}
}

// touching starts a timer anew at each read.
type touching struct {
	io.Reader
	timer *time.Timer
	after time.Duration
}

// Read implements io.Reader.
func (t *touching) Read(p []byte) (int, error) {
	t.timer.Reset(t.after)
	return t.Reader.Read(p)
}
