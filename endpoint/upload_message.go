package endpoint

import (
	"context"
	"io"
	"net/http"
	"net/url"

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
	// named: the user has named the URL, which may be of another origin than that
	// of the upload.
	named bool
	// fresh asks for a connection of its own. The far side may close one that was
	// kept just when it is used, and then nobody knows what became of the request.
	fresh bool
	// partial: a 308 without a Location is no redirect, but says how much of the
	// content the far side has.
	partial bool
	// once: it must not be made twice. Many servers answer 301 or 302 once they have
	// carried it out, so that these are not followed.
	once bool
	// keyless: it is one of several requests, which must not share a key.
	keyless bool
	// informed is told of informational answers, if it is not nil. It must not
	// block.
	informed func(status int, header http.Header)
}

// deliver makes one request of an upload and reads the answer whole. It follows
// redirects that keep the method within the origin of the request; content and
// the user's headers never go anywhere else. An answer that takes what was not
// even sent is a failure.
func (c *Client) deliver(ctx context.Context, d *Upload, m message) (*uploadReply, *Failure) {
	home, first, e := m.endpoints(d)
	if e != nil {
		return nil, &Failure{Err: about(e, home)}
	}
	sent, target := false, first
	for redirects := 0; ; redirects++ {
		r, f := c.once(ctx, d, m, home, target)
		if f != nil {
			f.Sent = f.Sent || sent
			return nil, f
		}
		sent = sent || r.sent
		r.sent = sent
		if m.final(r) {
			return r.whole()
		}
		if redirects >= c.config.MaxRedirects {
			e = transfer.Errorf(transfer.CodeRedirectMany, "the far side redirected more than %d times", max(c.config.MaxRedirects, 0))
		} else if target, e = redirected(target, r); e == nil && !sameOrigin(first, target) {
			e = elsewhere(target)
		}
		if e != nil {
			e.Status = r.status
			return nil, &Failure{Err: about(e, r.url), Sent: sent, Answer: r.answer()}
		}
	}
}

// final tells that an answer asks for no other request. 303 says that this one was
// carried out (RFC 9110, section 15.4.4).
func (m *message) final(r *uploadReply) bool {
	switch r.status {
	case http.StatusSeeOther:
		return true
	case http.StatusMovedPermanently, http.StatusFound:
		return m.once
	case http.StatusPermanentRedirect:
		return m.partial && len(r.header["Location"]) == 0
	}
	return !isRedirect(r.status)
}

// endpoints are the URLs of the upload and of the request, which may be
// elsewhere only if the user has said so.
func (m *message) endpoints(d *Upload) (home, target *url.URL, e *transfer.Error) {
	if home, e = parse(d.URL); e != nil {
		return nil, nil, e
	}
	if target, e = parse(m.url); e != nil {
		return home, nil, e
	}
	if !m.named && !sameOrigin(home, target) {
		return home, nil, elsewhere(target)
	}
	return home, target, nil
}

func elsewhere(u *url.URL) *transfer.Error {
	return about(transfer.Errorf(transfer.CodeRedirectBody, "the content would go to another origin"), u)
}

// about is describe for uploads; u may be nil.
func about(e *transfer.Error, u *url.URL) *transfer.Error {
	e.Op = "send"
	if u != nil && e.Subject == "" {
		e.Subject = u.Host
	}
	return e
}

// redirected is where the Location of an answer from a URL leads.
func redirected(from *url.URL, r *uploadReply) (*url.URL, *transfer.Error) {
	locations := r.header["Location"]
	if len(locations) != 1 || locations[0] == "" {
		return nil, badRedirect("the redirect does not say where to")
	}
	to, e := resolve(from, locations[0])
	if e == nil && from.Scheme == "https" && to.Scheme != "https" {
		e = transfer.Errorf(transfer.CodeDowngrade, "the far side redirects from https to http")
	}
	if e != nil {
		e.Status = r.status
		return nil, e
	}
	return to, nil
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

// once makes one request, without following anything.
func (c *Client) once(ctx context.Context, d *Upload, m message, home, target *url.URL) (*uploadReply, *Failure) {
	if err := c.config.Policy.check(target, c.config.Proxy != nil); err != nil {
		return nil, &Failure{Err: about(describe(err, target), target)}
	}
	x := newExchange(ctx)
	x.informed = m.informed
	defer x.cancel(nil)
	request, s, e := m.request(x.ctx, d, home, target, c.config.UserAgent)
	if e != nil {
		return nil, &Failure{Err: e}
	}
	defer s.Close() //nolint:errcheck // what was read of it counts
	transport := c.uploads
	if m.fresh {
		transport = c.fresh
	}
	resp, err := transport.RoundTrip(request)
	if err != nil {
		return nil, s.failed(x, err, target)
	}
	x.response = resp
	r := &uploadReply{url: target, status: resp.StatusCode, header: resp.Header}
	r.read(x, c.config.StallTimeout)
	_ = resp.Body.Close()
	read, left, _ := s.state()
	r.sent, r.left = read > 0, left
	return r, nil
}

// request makes the request and its body. It has no GetBody: net/http would make
// some requests twice by itself, with an Idempotency-Key even those that were
// sent.
func (m *message) request(ctx context.Context, d *Upload, home, target *url.URL, agent string) (*http.Request, *sending, *transfer.Error) {
	s := &sending{}
	r, err := http.NewRequestWithContext(ctx, m.method, target.String(), http.NoBody)
	if err != nil {
		return nil, nil, about(transfer.Errorf(transfer.CodeURLInvalid, "the request cannot be made"), target)
	}
	m.setHeaders(r, d, sameOrigin(home, target), agent)
	if m.body == nil || m.size == 0 {
		return r, s, nil
	}
	if s.body, err = m.body(); err != nil {
		return nil, nil, contentError(err)
	}
	s.size, s.left = m.size, m.size
	r.Body, r.ContentLength = s, m.size
	if m.expect {
		r.Header.Set("Expect", "100-continue")
	}
	return r, s, nil
}

// setHeaders sets the user's headers, if they may be sent, and then ours. The
// user's Content-Type counts where there is content.
func (m *message) setHeaders(r *http.Request, d *Upload, trusted bool, agent string) {
	if trusted {
		for _, u := range d.Headers {
			r.Header.Add(u.Name, u.Value)
		}
		if key := d.Outgoing.IdempotencyKey; key != "" && m.body != nil && !m.keyless {
			r.Header.Set("Idempotency-Key", key)
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", agent)
	}
	for name, values := range m.header {
		r.Header[name] = values
	}
	if m.body == nil {
		r.Header.Del("Content-Type")
	} else if r.Header.Get("Content-Type") == "" && m.contentType != "" {
		r.Header.Set("Content-Type", m.contentType)
	}
}
