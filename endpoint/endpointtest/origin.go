package endpointtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Options describe an origin when it is made.
type Options struct {
	// Seed and Size (in bytes) of its content.
	Seed uint64
	Size int64
	// TLS serves https with the certificate Cert.
	TLS  bool
	Cert CertMode
	// HTTP2 offers HTTP/2; it needs TLS.
	HTTP2 bool
	// Addr is where it listens, 127.0.0.1:0 when empty.
	Addr string
	// Behavior is how it begins.
	Behavior Behavior
}

// Origin is a running server. Its methods may be called from any goroutine.
type Origin struct {
	ledger   *ledger
	listener net.Listener
	server   *http.Server
	scheme   string
	roots    *x509.CertPool
	closed   chan struct{}
	once     sync.Once
	done     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	content  Content
	digests  map[uint64]string
	behavior Behavior
	routes   map[string]http.Handler
}

// New starts an origin that ends with the test.
func New(tb testing.TB, opts Options) *Origin {
	tb.Helper()
	o, err := Start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(o.Close)
	return o
}

// Start starts an origin; the caller closes it.
func Start(opts Options) (*Origin, error) {
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	o := &Origin{
		ledger: newLedger(), listener: listener, scheme: "http", closed: make(chan struct{}),
		content:  Content{Seed: opts.Seed, Generation: 1, Size: opts.Size},
		digests:  map[uint64]string{},
		behavior: opts.Behavior, routes: map[string]http.Handler{},
	}
	o.server = &http.Server{
		Handler:           http.HandlerFunc(o.serve),
		ConnContext:       o.connContext,
		ConnState:         o.connState,
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute,
		Protocols:         new(http.Protocols),
	}
	o.server.Protocols.SetHTTP1(true)
	if opts.TLS {
		if err := o.secure(opts); err != nil {
			_ = listener.Close()
			return nil, err
		}
	}
	o.done.Go(o.run)
	return o, nil
}

func (o *Origin) secure(opts Options) error {
	cert, leaf, err := certificate(opts.Cert)
	if err != nil {
		return err
	}
	o.scheme = "https"
	o.roots = x509.NewCertPool()
	o.roots.AddCert(leaf)
	o.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	o.server.Protocols.SetHTTP2(opts.HTTP2)
	return nil
}

func (o *Origin) run() {
	// Serve always ends with an error: that of Close.
	if o.scheme == "https" {
		_ = o.server.ServeTLS(o.listener, "", "")
		return
	}
	_ = o.server.Serve(o.listener)
}

// Close cuts all connections and stops serving.
func (o *Origin) Close() {
	o.once.Do(func() {
		close(o.closed)
		_ = o.server.Close()
	})
	o.done.Wait()
}

// URL is the address of path, which begins with a slash.
func (o *Origin) URL(path string) string { return o.scheme + "://" + o.Addr() + path }

// Addr is host:port.
func (o *Origin) Addr() string { return o.listener.Addr().String() }

// RootCAs holds the origin's authority, nil without TLS.
func (o *Origin) RootCAs() *x509.CertPool { return o.roots }

// Content is the present generation.
func (o *Origin) Content() Content {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.content
}

// SHA256 is the digest of the present generation in lower-case hex.
func (o *Origin) SHA256() string {
	c := o.Content()
	o.mu.Lock()
	defer o.mu.Unlock()
	if d, ok := o.digests[c.Generation]; ok {
		return d
	}
	d := c.SHA256()
	o.digests[c.Generation] = d
	return d
}

// Set changes the behavior of answers that begin from now on.
func (o *Origin) Set(change func(*Behavior)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.behavior)
}

// Change begins a new generation of the same size, with a new entity tag.
// Answers that already began go on with the old one.
func (o *Origin) Change() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.content.Generation++
}

// Resize begins a new generation of another size in bytes.
func (o *Origin) Resize(size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.content.Generation++
	o.content.Size = size
}

// Handle answers a path with h instead of content.
func (o *Origin) Handle(path string, h http.Handler) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.routes[path] = h
}

// Redirect answers a path with status and Location as given.
func (o *Origin) Redirect(path string, status int, location string) {
	o.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{location}
		w.WriteHeader(status)
	}))
}

// Raw answers a path with exactly these bytes on the wire and closes the
// connection (HTTP/1.1 only).
func (o *Origin) Raw(path, answer string) {
	o.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer o.ledger.disconnected()
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	}))
}

type connKey struct{}

// connection is the state shared by the requests of one connection.
type connection struct {
	id   int64
	mu   sync.Mutex
	next time.Time // when the next byte may be sent
}

// pace returns how long to wait before sending n bytes at rate bytes a second.
func (c *connection) pace(n int, rate int64) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.next.Before(now) {
		c.next = now
	}
	wait := c.next.Sub(now)
	c.next = c.next.Add(time.Duration(int64(n) * int64(time.Second) / rate))
	return wait
}

func (o *Origin) connContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, &connection{id: o.ledger.connected()})
}

func (o *Origin) connState(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		o.ledger.disconnected()
	}
}
