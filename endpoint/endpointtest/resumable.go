package endpointtest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ResumableOptions describe a server for uploads when it is made.
type ResumableOptions struct {
	// TLS serves https, HTTP2 offers HTTP/2 with it.
	TLS, HTTP2 bool
	// Addr is where it listens, 127.0.0.1:0 when empty.
	Addr string
	// Dir is where content is kept, one file for each upload; in memory when
	// empty.
	Dir string
	// Extensions are those of tus, TusExtensions when nil.
	Extensions []string
	// Algorithms are those of the tus checksum extension, sha1 and sha256 when
	// nil.
	Algorithms []string
	// MaxSize, MaxAppend and MinAppend are limits in bytes, 0 for none.
	MaxSize, MaxAppend, MinAppend int64
	// Expires is how long an upload is said to be kept, 0 for nothing said.
	Expires time.Duration
	// Faults is how it begins.
	Faults ResumableFaults
}

// ResumableFaults is everything that a test can command of a server for uploads.
// The zero value is a server without faults. Times may be Always.
type ResumableFaults struct {
	// Status answers requests of Method ("" for any but OPTIONS) with that status
	// before anything is read, StatusTimes times, after the first StatusAfter
	// ones, with RetryAfter as sent if it is not empty.
	Status      int
	StatusTimes int
	StatusAfter int
	Method      string
	RetryAfter  string
	// OptionsStatus answers OPTIONS with that status.
	OptionsStatus int
	// CutAfter ends the connection after so many bytes of a request that adds
	// some, keeping them, CutTimes times.
	CutAfter int64
	CutTimes int
	// LoseReplies carries out so many requests of LoseMethod and ends the
	// connection instead of answering.
	LoseReplies int
	LoseMethod  string
	// Locked answers HEAD and PATCH with 423, so many times.
	Locked int
	// KeepLess drops the last bytes of a request that adds some and says so,
	// KeepTimes times.
	KeepLess  int64
	KeepTimes int
	// Lie is added to the offset that an answer to PATCH names, LieTimes times.
	Lie      int64
	LieTimes int
	// Damage flips a bit of what arrives by so many requests.
	Damage int
	// NoPatch answers PATCH with 405: POST with X-HTTP-Method-Override is taken.
	NoPatch bool
	// ForgetParts removes partial uploads once they were put together.
	ForgetParts bool
	// Location, in place of that of the upload made.
	Location string
	// NoInterim sends no informational answers.
	NoInterim bool
	// ResultStatus is what the complete upload is answered with, 200 when 0.
	ResultStatus int
	// NoComplete leaves Upload-Complete out of answers to PATCH.
	NoComplete bool
	// MaxBody answers 413 to requests with more bytes, as a proxy does; 0 for
	// none.
	MaxBody int64
}

// Stored is an upload that a server has.
type Stored struct {
	// Path is that of its URL.
	Path string
	// Offset is how many bytes it has, Length how many it is to have.
	Offset, Length int64
	// Partial is a part of another upload; Complete, that nothing is missing.
	Partial, Complete bool
	// Metadata is the Upload-Metadata (tus) or the Content-Disposition.
	Metadata string
	// ContentType is that of the creation.
	ContentType string
	// SHA256 is the digest of what it has, in lower-case hex.
	SHA256 string
}

// Resumable is a running server for uploads: of tus, or of resumable uploads for
// HTTP. It takes what its specification allows, and notes what a client does
// against it. Its methods may be called from any goroutine.
type Resumable struct {
	opts     ResumableOptions
	listener net.Listener
	server   *http.Server
	scheme   string
	roots    *x509.CertPool
	once     sync.Once
	// done counts run and the connections: net/http lingers on one whose request
	// it has not read whole.
	done sync.WaitGroup

	mu         sync.Mutex // guards what follows
	faults     ResumableFaults
	uploads    map[string]*upload
	order      []*upload
	violations []string
	requests   []Request
	received   int64
	conflicts  int
}

// Path is where uploads are made.
const Path = "/files/"

func startResumable(opts ResumableOptions, serve func(*Resumable) http.HandlerFunc) (*Resumable, error) {
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Resumable{opts: opts, listener: listener, scheme: "http", faults: opts.Faults, uploads: map[string]*upload{}}
	s.server = &http.Server{
		Handler: serve(s), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.done.Add(1)
			case http.StateClosed:
				s.done.Done()
			}
		},
	}
	s.server.Protocols.SetHTTP1(true)
	if opts.TLS {
		cert, leaf, err := certificate(CertValid)
		if err != nil {
			_ = listener.Close()
			return nil, err
		}
		s.scheme, s.roots = "https", x509.NewCertPool()
		s.roots.AddCert(leaf)
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		s.server.Protocols.SetHTTP2(opts.HTTP2)
	}
	s.done.Go(s.run)
	return s, nil
}

func newResumable(tb testing.TB, opts ResumableOptions, start func(ResumableOptions) (*Resumable, error)) *Resumable {
	tb.Helper()
	s, err := start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

func (s *Resumable) run() {
	// Serve always ends with an error: that of Close.
	if s.scheme == "https" {
		_ = s.server.ServeTLS(s.listener, "", "")
		return
	}
	_ = s.server.Serve(s.listener)
}

// Close cuts all connections and forgets everything.
func (s *Resumable) Close() {
	s.once.Do(func() { _ = s.server.Close() })
	s.done.Wait()
	s.mu.Lock()
	order := s.order
	s.uploads, s.order = map[string]*upload{}, nil
	s.mu.Unlock()
	for _, u := range order {
		u.busy.Lock()
		u.content.close()
		u.busy.Unlock()
	}
}

// URL is where uploads are made.
func (s *Resumable) URL() string { return s.scheme + "://" + s.Addr() + Path }

// Addr is host:port.
func (s *Resumable) Addr() string { return s.listener.Addr().String() }

// RootCAs holds the server's authority, nil without TLS.
func (s *Resumable) RootCAs() *x509.CertPool { return s.roots }

// Set changes the faults of requests that begin from now on.
func (s *Resumable) Set(change func(*ResumableFaults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

// Forget makes the uploads whose URLs end in suffix, all when empty, answer with
// status from now on: 404 or 410.
func (s *Resumable) Forget(status int, suffix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, u := range s.uploads {
		if strings.HasSuffix(path, suffix) {
			u.gone = status
		}
	}
}

// Violations are what clients did against the specification.
func (s *Resumable) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// Requests lists the requests received so far, without their bodies.
func (s *Resumable) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Received is the number of content bytes that arrived, repeated ones included.
func (s *Resumable) Received() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// Conflicts is how many requests named another offset than the upload has.
func (s *Resumable) Conflicts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}

// Uploads lists what the server has, in the order in which it was made, without
// what it has forgotten.
func (s *Resumable) Uploads() []Stored {
	s.mu.Lock()
	order := slices.Clone(s.order)
	s.mu.Unlock()
	var all []Stored
	for _, u := range order {
		u.busy.Lock()
		if u.gone == 0 {
			all = append(all, u.stored())
		}
		u.busy.Unlock()
	}
	return all
}

// violated notes what a client did against the specification.
func (s *Resumable) violated(r *http.Request, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, r.Method+" "+r.URL.Path+": "+what)
}

// record notes a request.
func (s *Resumable) record(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, Host: r.Host, Query: r.URL.RawQuery, Header: r.Header.Clone(), Proto: r.Proto, At: time.Now(),
	})
}

// strikes answers a request with a status on command.
func (s *Resumable) strikes(w http.ResponseWriter, method string, length int64) bool {
	status, after := s.striking(method, length)
	if status == 0 {
		return false
	}
	if after != "" {
		w.Header().Set("Retry-After", after)
	}
	http.Error(w, "refused on command", status)
	return true
}

func (s *Resumable) striking(method string, length int64) (status int, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.faults
	switch {
	case f.Status != 0 && f.StatusTimes != 0 && (f.Method == "" || f.Method == method):
		if f.StatusAfter > 0 {
			f.StatusAfter--
			return 0, ""
		}
		spend(&f.StatusTimes)
		return f.Status, f.RetryAfter
	case (method == http.MethodHead || method == http.MethodPatch) && spend(&f.Locked):
		return http.StatusLocked, ""
	case f.MaxBody > 0 && length > f.MaxBody:
		return http.StatusRequestEntityTooLarge, ""
	}
	return 0, ""
}

// loses ends the connection in place of an answer, on command.
func (s *Resumable) loses(method string) {
	s.mu.Lock()
	lost := s.faults.LoseMethod == method && spend(&s.faults.LoseReplies)
	s.mu.Unlock()
	if lost {
		panic(http.ErrAbortHandler)
	}
}
