package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Timeouts of the transport. Nothing may wait for ever on a silent server.
const (
	dialTimeout = 10 * time.Second
	// writeStall is how long one piece of a request body may take.
	writeStall = 30 * time.Second
	// idleTimeout is shorter than what servers use (minio 30 s, AWS about
	// 20 s), so that we close an idle connection before they do.
	idleTimeout = 15 * time.Second
	// idlePerHost covers the parts in flight of a busy node; with fewer, each
	// part would dial anew.
	idlePerHost = 256
	// writePiece is the size in bytes of one write to the socket.
	writePiece = 1 << 20
	// maxResponseHeader bounds a response header in bytes.
	maxResponseHeader = 256 << 10
)

// newTransport returns a transport of our own for one store. Environment
// proxies are not used. Waiting for a response is bounded by contexts, as the
// time that is right depends on the operation.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: dialTimeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &pushConn{Conn: c}, nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression:     true,
		ReadBufferSize:         64 << 10,
		WriteBufferSize:        8 << 10,
	}
}

// pushConn bounds every write to the peer, and takes a body that lies in
// memory without copying it through small buffers on the way.
type pushConn struct{ net.Conn }

// Write sends p in pieces, each under its own deadline: progress, not the
// whole, is what has to be timely.
func (c *pushConn) Write(p []byte) (n int, err error) {
	for {
		piece := p[n:min(n+writePiece, len(p))]
		if err := c.SetWriteDeadline(time.Now().Add(writeStall)); err != nil {
			return n, err
		}
		k, err := c.Conn.Write(piece)
		n += k
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom is what net/http calls with the request body.
func (c *pushConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*payload); ok && int64(body.Len()) <= limited.N {
			n, err := body.WriteTo(c)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

// payload is a request body that lies in memory, and tells when the transport
// has let go of it.
type payload struct {
	*bytes.Reader
	once sync.Once
	done func()
}

func (p *payload) Close() error {
	p.once.Do(p.done)
	return nil
}

// trip is one logical request: what goes beside it, and what became of it. It
// rides in the request's context, because minio-go offers no other way to
// reach the HTTP request.
type trip struct {
	ctx context.Context
	// body, when not nil, is the request body.
	body []byte
	// header is added after signing; none of it needs to be signed.
	header http.Header

	// bodies counts the bodies that the transport still holds.
	bodies sync.WaitGroup

	mu   sync.Mutex // guards all below
	sent bool
	err  error
	// serverDate is the Date header of the last answer and skew its distance
	// from this machine's clock, when known.
	serverDate time.Time
	skew       time.Duration
}

type tripKey struct{}

// newTrip returns a trip and the context that carries it.
func newTrip(ctx context.Context) (context.Context, *trip) {
	t := &trip{}
	ctx = context.WithValue(ctx, tripKey{}, t)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: t.noteSent})
	t.ctx = ctx
	return ctx, t
}

func (t *trip) noteSent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = true
}

func (t *trip) wasSent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent
}

func (t *trip) lastError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// clock returns the server's clock minus ours as seen by the last answer.
func (t *trip) clock() (skew time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.skew, !t.serverDate.IsZero()
}

func (t *trip) note(start time.Time, resp *http.Response, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	if resp == nil {
		return
	}
	if date, dateErr := http.ParseTime(resp.Header.Get("Date")); dateErr == nil {
		now := time.Now()
		t.serverDate, t.skew = date, date.Sub(start.Add(now.Sub(start)/2))
	}
}

// wait returns when the transport has let go of every body, so that the
// buffer beneath may be used for something else.
func (t *trip) wait() { t.bodies.Wait() }

// reader returns a fresh body.
func (t *trip) reader() io.ReadCloser {
	t.bodies.Add(1)
	return &payload{Reader: bytes.NewReader(t.body), done: t.bodies.Done}
}

// tripper applies trips to requests.
type tripper struct{ base http.RoundTripper }

func (rt tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	t, _ := req.Context().Value(tripKey{}).(*trip)
	if t == nil {
		return rt.base.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	for k, v := range t.header {
		req.Header[k] = v
	}
	if len(t.body) > 0 && req.ContentLength == int64(len(t.body)) {
		// With GetBody the transport itself repeats a request that met a
		// connection closed while idle, and only if nothing was written.
		req.Body = t.reader()
		req.GetBody = func() (io.ReadCloser, error) { return t.reader(), nil }
	}
	start := time.Now()
	resp, err := rt.base.RoundTrip(req)
	t.note(start, resp, err)
	return resp, err
}
