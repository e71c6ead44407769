package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"godwit/bug"
	"godwit/transfer"
)

// Client opens sources and sends uploads. It is safe for concurrent use and keeps
// connections.
type Client struct {
	config Config
	// transport is for sources, the others are for uploads: uploads keeps its
	// connections, fresh makes one for each request.
	transport, uploads, fresh *http.Transport
}

// New makes a Client. It fails with a *transfer.Error for a proxy that is none.
func New(config Config) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	sources, err := config.transport(config.HTTP2, config.HeaderTimeout)
	if err != nil {
		return nil, err
	}
	// HTTP/2 would hide from a connection that the far side takes nothing.
	uploads, err := config.transport(false, config.UploadTimeout)
	if err != nil {
		return nil, err
	}
	fresh := uploads.Clone()
	fresh.MaxIdleConnsPerHost = -1
	return &Client{config: config, transport: sources, uploads: uploads, fresh: fresh}, nil
}

// transport makes one whose answers begin in time, once a request was sent.
func (c Config) transport(http2 bool, answer time.Duration) (*http.Transport, error) {
	d := &dialer{config: c}
	t := &http.Transport{
		Proxy:                  http.ProxyURL(c.Proxy), // nil: none, whatever the environment says
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.TLSTimeout,
		ResponseHeaderTimeout:  answer,
		ExpectContinueTimeout:  expectTimeout,
		MaxResponseHeaderBytes: c.MaxHeaderBytes,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    c.MaxIdlePerHost,
		IdleConnTimeout:        c.IdleTimeout,
		ReadBufferSize:         c.ReadBuffer,
		Protocols:              new(http.Protocols),
	}
	if u := c.Proxy; u != nil && u.Scheme == "socks5" {
		socks, err := newSocksDialer(d, u)
		if err != nil {
			return nil, err
		}
		t.Proxy, t.DialContext = nil, socks.dial
	}
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(http2)
	return t, nil
}

// Close drops the connections that are idle. Bodies that are open stay open.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.uploads.CloseIdleConnections()
}

// Open asks for a range of a source and returns an answer that was checked
// against the request. Errors are *transfer.Error; when ctx ended, they wrap its
// error. Ctx also bounds reading the body, which the caller closes.
//
// Where an empty source or a server that dislikes ranges answers 416 to a
// request for byte 0, or a server sends a part without saying of how much, Open
// asks once more for the whole.
func (c *Client) Open(ctx context.Context, req Request) (*Response, error) {
	first, e := begin(&req)
	if e != nil {
		return nil, e
	}
	r, e := c.follow(ctx, req, first)
	if e != nil && e.Status == http.StatusRequestedRangeNotSatisfiable && req.Offset == 0 && !req.Whole {
		req.Whole = true
		if r, e = c.follow(ctx, req, first); e == nil {
			r.Ranges = false // whatever it says, it has just refused one
		}
	}
	if e == nil && partOfUnknown(req, r) {
		// More may follow, and only the length of the whole can tell.
		_ = r.Body.Close()
		req.Whole = true
		r, e = c.follow(ctx, req, first)
	}
	if e != nil {
		return nil, e
	}
	return r, nil
}

// partOfUnknown tells an answer to a request for everything whose Content-Range
// has a range, but "*" as the total (RFC 9110, section 14.4).
func partOfUnknown(req Request, r *Response) bool {
	return !req.Whole && req.Offset == 0 && req.Length == transfer.UnknownSize &&
		r.Size == transfer.UnknownSize && r.Ranges
}

// begin checks a request and makes its first hop. Only GET has ranges (RFC 9110,
// section 14.2).
func begin(req *Request) (hop, *transfer.Error) {
	u, e := parse(req.URL)
	if e != nil {
		e.Op = "open"
		return hop{}, e
	}
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	if req.Offset < 0 || req.Length == 0 || req.Length < transfer.UnknownSize {
		return hop{}, &transfer.Error{
			Code: transfer.CodeInternal, Op: "open", Subject: u.Host,
			Message: "an impossible range was asked for",
		}
	}
	req.Whole = req.Whole || req.Method != http.MethodGet
	if req.Whole {
		req.Offset = 0
	}
	h := hop{url: u, method: req.Method, body: req.OpenBody, size: req.BodySize, trusted: true}
	if len(req.Body) > 0 {
		body := req.Body
		h.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		h.size = int64(len(body))
	}
	return h, nil
}

// follow sends a request along a chain of redirects to its answer.
func (c *Client) follow(ctx context.Context, req Request, h hop) (*Response, *transfer.Error) {
	for redirects := 0; ; redirects++ {
		if err := c.config.Policy.check(h.url, c.config.Proxy != nil); err != nil {
			return nil, describe(err, h.url)
		}
		x, err := c.send(ctx, req, h)
		if err != nil {
			return nil, describe(err, h.url)
		}
		if !isRedirect(x.response.StatusCode) {
			return c.accept(req, h, x)
		}
		x.discard()
		if redirects >= c.config.MaxRedirects {
			return nil, describe(transfer.Errorf(transfer.CodeRedirectMany,
				"the far side redirected more than %d times", max(c.config.MaxRedirects, 0)), h.url)
		}
		status := x.response.StatusCode
		next, e := h.next(status, x.response.Header["Location"])
		if e != nil {
			e.Status = status
			return nil, describe(e, h.url)
		}
		h = next
	}
}

// send makes one request. Its error may be any.
func (c *Client) send(ctx context.Context, req Request, h hop) (*exchange, error) {
	x := newExchange(ctx)
	r, err := http.NewRequestWithContext(x.ctx, h.method, h.url.String(), http.NoBody)
	if err != nil {
		x.cancel(nil)
		return nil, transfer.Errorf(transfer.CodeURLInvalid, "the request cannot be made")
	}
	if h.body != nil {
		if r.Body, err = h.body(); err != nil {
			x.cancel(nil)
			return nil, err
		}
		r.GetBody, r.ContentLength = h.body, h.size
	}
	c.setHeaders(r, req, h)
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		err = x.explain(err)
		x.cancel(nil)
		return nil, err
	}
	x.response = resp
	if bug.Seeded == bug.DecodeGzip {
		unpack(resp)
	}
	return x, nil
}

// setHeaders sets the user's headers, if they may be sent, and then ours.
func (c *Client) setHeaders(r *http.Request, req Request, h hop) {
	if h.trusted {
		for _, u := range req.Headers {
			r.Header.Add(u.Name, u.Value)
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", c.config.UserAgent)
	}
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Del("Referer")
	r.Header.Del("Range")
	r.Header.Del("If-Range")
	if req.Whole {
		return
	}
	value := "bytes=" + strconv.FormatInt(req.Offset, 10) + "-"
	if req.Length > 0 {
		value += strconv.FormatInt(req.Offset+req.Length-1, 10)
	}
	r.Header.Set("Range", value)
	if v := req.Validator.IfRange(); v != "" {
		r.Header.Set("If-Range", v)
	}
}

// accept judges the last answer of a chain and takes over its body.
func (c *Client) accept(req Request, h hop, x *exchange) (*Response, *transfer.Error) {
	header := x.response.Header
	r, e := judge(req, answer{
		status: x.response.StatusCode, header: header, length: x.response.ContentLength,
		ranged: !req.Whole, now: time.Now(),
	})
	if e != nil {
		if e.Status == 0 {
			e.Status = x.response.StatusCode
		}
		x.discard()
		return nil, describe(e, h.url)
	}
	r.Shown = shown(h.url, x.response.StatusCode, header)
	r.Body = newBody(x, h.url.Host, r.Length, c.config)
	return r, nil
}

// discard gets rid of an answer that is not wanted. A short body is read, within
// bounds, because its connection is worth more.
func (x *exchange) discard() {
	x.drain(x.response.ContentLength)
	_ = x.response.Body.Close()
	x.cancel(nil)
}

// drain reads left more bytes, if they are few and come at once.
func (x *exchange) drain(left int64) {
	if left < 0 || left > maxDrain {
		return
	}
	t := time.AfterFunc(drainTimeout, func() { x.cancel(errDrain) })
	defer t.Stop()
	// Whatever goes wrong shows in the connection not being used again.
	_, _ = io.CopyN(io.Discard, x.response.Body, maxDrain+1)
}

var errDrain = errors.New("the rest of the body did not come")

// proxyAnswered refuses a tunnel that the proxy refuses, without its words.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return transfer.Errorf(transfer.CodeConnect, "the proxy answered %d %s",
		answer.StatusCode, http.StatusText(answer.StatusCode))
}
