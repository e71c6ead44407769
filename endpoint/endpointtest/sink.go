package endpointtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// SinkOptions describe a sink when it is made.
type SinkOptions struct {
	// TLS serves https with a certificate that is valid for RootCAs.
	TLS bool
	// Addr is where it listens, 127.0.0.1:0 when empty.
	Addr string
	// Rate is how many bytes a second it takes of one request, 0 for no limit.
	Rate int64
	// NoHead answers 405 to HEAD. NoRanges answers 501 to a PUT with
	// Content-Range; IgnoreRanges takes it for the whole content.
	NoHead, NoRanges, IgnoreRanges bool
}

// Sink is an HTTP far side that takes uploads and remembers them. Every path
// takes PUT, POST and PATCH of everything, PUT with Content-Range, HEAD, GET and
// DELETE. A POST with "X-Goog-Resumable: start" makes a session of Google Cloud
// Storage, and the parts of an S3 multipart upload are told by their query.
// Signatures are not looked at. Its methods may be called from any goroutine.
type Sink struct {
	opts     SinkOptions
	listener net.Listener
	server   *http.Server
	scheme   string
	roots    *x509.CertPool
	closed   chan struct{}
	once     sync.Once
	done     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	changed  chan struct{}
	objects  map[string]*stored
	sessions map[string]*session
	uploads  map[string]*multipart
	faults   []*SinkFault
	requests []Request
	received map[string]int64
	serial   int
}

// NewSink starts a sink that ends with the test.
func NewSink(tb testing.TB, opts SinkOptions) *Sink {
	tb.Helper()
	s, err := StartSink(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// StartSink starts a sink; the caller closes it.
func StartSink(opts SinkOptions) (*Sink, error) {
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Sink{
		opts: opts, listener: listener, scheme: "http", closed: make(chan struct{}), changed: make(chan struct{}),
		objects: map[string]*stored{}, sessions: map[string]*session{}, uploads: map[string]*multipart{},
		received: map[string]int64{},
	}
	s.server = &http.Server{
		Handler: http.HandlerFunc(s.serve), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
	}
	if opts.TLS {
		cert, leaf, err := certificate(CertValid)
		if err != nil {
			_ = listener.Close()
			return nil, err
		}
		s.scheme, s.roots = "https", x509.NewCertPool()
		s.roots.AddCert(leaf)
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	s.done.Go(s.run)
	return s, nil
}

func (s *Sink) run() {
	// Serve always ends with an error: that of Close.
	if s.scheme == "https" {
		_ = s.server.ServeTLS(s.listener, "", "")
		return
	}
	_ = s.server.Serve(s.listener)
}

// Close cuts all connections and stops taking uploads.
func (s *Sink) Close() {
	s.once.Do(func() {
		close(s.closed)
		_ = s.server.Close()
	})
	s.done.Wait()
}

// URL is the address of path, which begins with a slash.
func (s *Sink) URL(path string) string { return s.scheme + "://" + s.Addr() + path }

// Addr is host:port.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// RootCAs holds the sink's authority, nil without TLS.
func (s *Sink) RootCAs() *x509.CertPool { return s.roots }

// SinkObject is what lies at a path.
type SinkObject struct {
	// Size is in bytes, SHA256 in lower-case hex.
	Size   int64
	SHA256 string
	// Data is the content, nil where it has more than 64 MiB.
	Data []byte
	// ContentType is that of the request that made it. Writes counts how often an
	// object was made there.
	ContentType string
	Writes      int
}

// Object is what lies at a path; ok is false for nothing.
func (s *Sink) Object(path string) (o SinkObject, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.objects[path]
	if !ok {
		return SinkObject{}, false
	}
	return at.show(), true
}

// Received is how many bytes of content came to a path, those of requests that
// failed included. Of sessions and parts it counts for the object's path.
func (s *Sink) Received(path string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received[path]
}

// WaitReceived waits until n bytes came to a path.
func (s *Sink) WaitReceived(ctx context.Context, path string, n int64) error {
	for {
		s.mu.Lock()
		got, changed := s.received[path], s.changed
		s.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Requests lists the requests so far, without bodies.
func (s *Sink) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is how many requests of a method came to a path; "" is any.
func (s *Sink) Count(method, path string) (n int) {
	for _, r := range s.Requests() {
		if (method == "" || r.Method == method) && (path == "" || r.Path == path) {
			n++
		}
	}
	return n
}

// Forget drops all sessions and multipart uploads.
func (s *Sink) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
	clear(s.uploads)
}

func (s *Sink) count(path string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received[path] += int64(n)
	close(s.changed)
	s.changed = make(chan struct{})
}
