package s3test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Fake is an S3 server inside the test. Buckets need not be created;
// signatures are not checked.
type Fake struct {
	// Endpoint is its "http://127.0.0.1:port".
	Endpoint string

	mu sync.Mutex // guards all below
	// objects is by "bucket/key", uploads by id.
	objects map[string]*object
	uploads map[string]*upload
	faults  func(Call) Fault
	calls   map[string]int
	discard bool
	// ignores lists request headers that the server pretends not to know.
	ignores []string
	now     func() time.Time
	serial  int
}

// object is one published object.
type object struct {
	body     []byte
	size     int64
	etag     string
	meta     http.Header
	crc      uint64
	checked  bool // the upload named a checksum algorithm
	modified time.Time
}

// upload is one multipart upload.
type upload struct {
	name      string
	meta      http.Header
	checked   bool
	initiated time.Time
	parts     map[int]*object
}

// Call is one request as a fault sees it.
type Call struct {
	// Op is the S3 name of the operation, for example "UploadPart".
	Op string
	// Name is "bucket/key", or "bucket/" for operations on a bucket.
	Name string
	// N counts the calls of this operation from 1.
	N int
	// Header is the request's header.
	Header http.Header
}

// Fault says how a call goes wrong. The zero value is no fault.
type Fault struct {
	// Status and Code are answered instead of what would be. A status of 200
	// comes with an error body, as S3 does for CompleteMultipartUpload.
	Status int
	Code   string
	// Raw is answered as the body instead of an S3 error, with Status.
	Raw string
	// Drop closes the connection without an answer.
	Drop bool
	// Apply carries the request out before it goes wrong.
	Apply bool
	// Wait holds the call until the channel is closed or the client is gone.
	Wait <-chan struct{}
	// Header is added to the answer.
	Header http.Header
}

// NewFake starts a fake and stops it at the end of the test.
func NewFake(tb testing.TB) *Fake {
	tb.Helper()
	f := NewServer()
	server := httptest.NewServer(f)
	tb.Cleanup(server.Close)
	f.Endpoint = server.URL
	return f
}

// NewServer returns a fake that is not listening yet: it is an http.Handler.
func NewServer() *Fake {
	return &Fake{
		objects: make(map[string]*object), uploads: make(map[string]*upload),
		calls: make(map[string]int), now: time.Now,
	}
}

// SetFaults installs a function that is asked at every call; nil removes it.
// It may be called from several goroutines at once.
func (f *Fake) SetFaults(faults func(Call) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Discard makes the fake drop the bytes of parts and objects and keep sizes
// only, without checking or computing anything: it measures the client.
func (f *Fake) Discard() *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.discard = true
	return f
}

// Ignore makes the fake ignore these request headers, as servers do that
// accept a condition without obeying it.
func (f *Fake) Ignore(headers ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ignores = headers
}

// SetClock replaces the server's clock, which dates answers and uploads.
func (f *Fake) SetClock(now func() time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now
}

// Objects returns the published objects by "bucket/key".
func (f *Fake) Objects() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := make(map[string][]byte)
	for name, o := range f.objects {
		found[name] = slices.Clone(o.body)
	}
	return found
}

// Uploads returns the ids of the unfinished uploads.
func (f *Fake) Uploads() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.uploads))
}

// Calls returns how often an operation was called.
func (f *Fake) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// DropUpload removes an upload as a lifecycle rule does.
func (f *Fake) DropUpload(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.uploads, id)
}

// nextID returns something unique; mu is held.
func (f *Fake) nextID(kind string) string {
	f.serial++
	return fmt.Sprintf("%s-%06d", kind, f.serial)
}
