package endpoint

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"godwit/transfer"
)

// message is one request of an upload.
type message struct {
	method, url string
	// header is the protocol's; it goes before the user's.
	header http.Header
	// body delivers size bytes, anew for each request that is made; nil for none.
	body        func() (io.ReadCloser, error)
	size        int64
	contentType string
	expect      bool
	// keyless: it is one of several requests, which must not share a key.
	keyless bool
	// informed is told of informational answers, if it is not nil. It must not
	// block.
	informed func(status int, header http.Header)
}

// deliver makes one request of an upload and reads the answer whole. It follows
// redirects that keep the method within the origin of the upload; content and
// the user's headers never go anywhere else.
func (c *Client) deliver(ctx context.Context, d *Upload, m message) (*uploadReply, *Failure) {
	home, e := parse(d.URL)
	if e != nil {
		return nil, &Failure{Err: e}
	}
	target, e := parse(m.url)
	if e != nil {
		return nil, &Failure{Err: e}
	}
	sent := false
	for redirects := 0; ; redirects++ {
		if !sameOrigin(home, target) && !d.trusts(target) {
			return nil, &Failure{Err: elsewhere(target), Sent: sent}
		}
		r, f := c.once(ctx, d, m, home, target)
		if f != nil {
			f.Sent = f.Sent || sent
			return nil, f
		}
		if !isRedirect(r.status) || r.status == http.StatusSeeOther {
			return r, nil
		}
		sent = sent || m.size > 0
		if redirects >= c.config.MaxRedirects {
			return nil, &Failure{Sent: sent, Answer: r.answer(), Err: describe(transfer.Errorf(transfer.CodeRedirectMany,
				"the far side redirected more than %d times", max(c.config.MaxRedirects, 0)), target)}
		}
		if target, e = redirected(target, r); e != nil {
			return nil, &Failure{Err: describe(e, r.url), Sent: sent, Answer: r.answer()}
		}
	}
}

// trusts tells that the user has named a URL besides that of the upload.
func (d *Upload) trusts(u *url.URL) bool {
	p := &d.Outgoing.Presigned
	for _, raw := range append([]string{p.CompleteURL, p.AbortURL, p.ObjectURL}, p.PartURLs...) {
		if named, e := parse(raw); raw != "" && e == nil && sameOrigin(named, u) {
			return true
		}
	}
	return false
}

func elsewhere(u *url.URL) *transfer.Error {
	return describe(transfer.Errorf(transfer.CodeRedirectBody, "the content would go to another origin"), u)
}

func redirected(from *url.URL, r *uploadReply) (*url.URL, *transfer.Error) {
	locations := r.header["Location"]
	if len(locations) != 1 || locations[0] == "" {
		return nil, badRedirect("the redirect does not say where to")
	}
	to, e := resolve(from, locations[0])
	if e != nil {
		e.Status = r.status
		return nil, e
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, &transfer.Error{Code: transfer.CodeDowngrade, Status: r.status, Message: "the far side redirects from https to http"}
	}
	return to, nil
}

// once makes one request, without following anything.
func (c *Client) once(ctx context.Context, d *Upload, m message, home, target *url.URL) (*uploadReply, *Failure) {
	if err := c.config.Policy.check(target, c.config.Proxy != nil); err != nil {
		return nil, &Failure{Err: describe(err, target)}
	}
	x := newExchange(ctx)
	x.informed = m.informed
	defer x.cancel(nil)
	w := &watched{x: x, stallAfter: c.config.StallTimeout}
	request, err := m.request(x.ctx, d, w, home, target, c.config.UserAgent)
	if err != nil {
		return nil, &Failure{Err: describe(err, target)}
	}
	resp, err := c.transport.RoundTrip(request)
	w.end()
	if err != nil {
		return nil, w.failed(x, err, target)
	}
	x.response = resp
	r := &uploadReply{url: target, status: resp.StatusCode, header: resp.Header}
	r.read(x, c.config.StallTimeout)
	_ = resp.Body.Close()
	return r, nil
}

func (m *message) request(ctx context.Context, d *Upload, w *watched, home, target *url.URL, agent string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, m.method, target.String(), http.NoBody)
	if err != nil {
		return nil, transfer.Errorf(transfer.CodeURLInvalid, "the request cannot be made")
	}
	if sameOrigin(home, target) {
		for _, u := range d.Headers {
			r.Header.Add(u.Name, u.Value)
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", agent)
	}
	if key := d.Outgoing.IdempotencyKey; key != "" && m.body != nil && !m.keyless {
		r.Header.Set("Idempotency-Key", key)
	}
	for name, values := range m.header {
		r.Header[name] = values
	}
	if m.body == nil {
		r.Header.Del("Content-Type")
		return r, nil
	}
	if r.Header.Get("Content-Type") == "" && m.contentType != "" {
		r.Header.Set("Content-Type", m.contentType)
	}
	if m.size == 0 {
		r.Header.Set("Content-Length", strconv.Itoa(0))
		return r, nil
	}
	if m.expect {
		r.Header.Set("Expect", "100-continue")
	}
	open := func() (io.ReadCloser, error) {
		body, err := m.body()
		if err != nil {
			w.fault(err)
			return nil, err
		}
		return w.watch(body), nil
	}
	if r.Body, err = open(); err != nil {
		return nil, err
	}
	r.GetBody, r.ContentLength = open, m.size
	return r, nil
}

// watched is how the body of a request is read: whether it was, whether reading
// failed, and whether the far side takes nothing any more.
type watched struct {
	x          *exchange
	stallAfter time.Duration
	stall      atomic.Pointer[time.Timer]
	read       atomic.Bool
	err        atomic.Pointer[transfer.Error]
}

// fault notes that the content could not be read.
func (w *watched) fault(err error) {
	var e *transfer.Error
	if !errors.As(err, &e) {
		e = &transfer.Error{Code: transfer.CodeStoreUnavailable, Op: "read source", Message: "the content cannot be read", Err: err}
	}
	w.err.Store(e)
}

// watch returns a body that the far side must take in time.
func (w *watched) watch(body io.ReadCloser) io.ReadCloser {
	w.end()
	timer := time.AfterFunc(w.stallAfter, func() { w.x.cancel(errStall) })
	timer.Stop() // until something was handed over
	w.stall.Store(timer)
	return &watchedBody{ReadCloser: body, w: w, timer: timer}
}

func (w *watched) end() {
	if timer := w.stall.Load(); timer != nil {
		timer.Stop()
	}
}

// failed says what a request came to that had no answer.
func (w *watched) failed(x *exchange, err error, target *url.URL) *Failure {
	if e := w.err.Load(); e != nil {
		return &Failure{Err: e, Unknown: x.wrote.Load(), Sent: w.read.Load()}
	}
	e := describe(x.explain(err), target)
	e.Op = "send"
	return &Failure{Err: e, Unknown: x.wrote.Load(), Sent: w.read.Load()}
}

type watchedBody struct {
	io.ReadCloser
	w     *watched
	timer *time.Timer
}

// Read hands bytes over. The time until the next Read is what the far side takes
// to accept them; after the last one the time-out for its answer counts.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	b.w.read.Store(b.w.read.Load() || n > 0)
	if err == nil {
		b.timer.Reset(b.w.stallAfter)
	} else if !errors.Is(err, io.EOF) {
		b.w.fault(err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}
