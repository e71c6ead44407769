package node

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	pb "godwit/protos/godwit/v1"
)

// farSide takes uploads, and says so. It reads every request to its end.
type farSide struct {
	*httptest.Server
	mu   sync.Mutex
	sent []sentRequest
	// answers are given in place of the usual answer, by path; n is which request
	// to this path it is, from 1 on.
	answers map[string]func(n int, w http.ResponseWriter)
	// Requests to paths that begin with "/held" are read, told to arrived, and
	// answered when open is called.
	arrived chan string
	opened  chan struct{}
	open    func()
}

// sentRequest is a request as it came.
type sentRequest struct {
	method, path, query string
	header              http.Header
	body                []byte
}

func newFarSide(t *testing.T) *farSide {
	t.Helper()
	f := &farSide{answers: map[string]func(int, http.ResponseWriter){}, arrived: make(chan string, 64), opened: make(chan struct{})}
	f.open = sync.OnceFunc(func() { close(f.opened) })
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	t.Cleanup(f.open)
	return f
}

func (f *farSide) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions || r.Method == http.MethodHead {
		w.WriteHeader(http.StatusNoContent) // speaks nothing
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut off
	}
	f.mu.Lock()
	f.sent = append(f.sent, sentRequest{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, body})
	n := 0
	for _, s := range f.sent {
		if s.path == r.URL.Path {
			n++
		}
	}
	answer := f.answers[r.URL.Path]
	f.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/held") {
		f.arrived <- r.URL.Path
		select {
		case <-f.opened:
		case <-r.Context().Done():
			return
		}
	}
	if answer != nil {
		answer(n, w)
		return
	}
	w.Header().Set("ETag", `"42"`)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, "kept\n")
}

// requests are those that came whole, in order.
func (f *farSide) requests() []sentRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]sentRequest(nil), f.sent...)
}

// paths are those of the requests that came whole.
func (f *farSide) paths() (paths []string) {
	for _, r := range f.requests() {
		paths = append(paths, r.path)
	}
	return paths
}

// holds waits until a request was read that is not answered yet.
func (p *parity) holds(f *farSide) {
	p.Helper()
	select {
	case <-f.arrived:
	case <-p.ctx.Done():
		p.Fatal("nothing arrived")
	}
}

// content is what an upload of an id sends, in bytes 300 KiB and a few.
func content(id string) []byte {
	return bytes.Repeat([]byte(id+" is sent. "), 300<<10/(len(id)+10)+1)
}

// upload is one of a file that has the content of its id.
func (p *parity) upload(id, url string) *pb.Transfer {
	p.Helper()
	if err := os.WriteFile(p.file(id+".src"), content(id), 0o600); err != nil {
		p.Fatal(err)
	}
	return &pb.Transfer{
		Id: id, Direction: pb.Transfer_UPLOAD, Upload: &pb.Upload{Protocol: "put"},
		Source: &pb.Endpoint{Url: "file://" + p.file(id+".src")}, Destination: &pb.Endpoint{Url: url},
	}
}

// post is an upload that is not idempotent.
func (p *parity) post(id, url, key string) *pb.Transfer {
	p.Helper()
	spec := p.upload(id, url)
	spec.Upload = &pb.Upload{Protocol: "post", IdempotencyKey: key}
	return spec
}

// read is what is read of a transfer: of an upload, the answer.
func (p *parity) read(id string) string {
	p.Helper()
	body := p.c.Read(p.ctx, id, 0)
	defer func() { _ = body.Close() }()
	return string(must(io.ReadAll(body))(p))
}

// tusServer speaks as much of tus 1.0.0 as one upload at a time needs. It forgets
// the first upload when the second piece of it comes, which it holds until then.
type tusServer struct {
	*httptest.Server
	mu      sync.Mutex
	uploads int
	patches int
	got     []byte
	forget  chan struct{}
}

func newTusServer(t *testing.T) *tusServer {
	t.Helper()
	s := &tusServer{forget: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *tusServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Tus-Resumable", "1.0.0")
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := r.URL.Path != fmt.Sprint("/files/", s.uploads)
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Tus-Version", "1.0.0")
		w.Header().Set("Tus-Extension", "creation")
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost:
		s.uploads++
		s.got = nil
		w.Header().Set("Location", fmt.Sprint("/files/", s.uploads))
		w.WriteHeader(http.StatusCreated)
	case gone || r.Header.Get("Upload-Offset") != strconv.Itoa(len(s.got)) && r.Method == http.MethodPatch:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.Itoa(len(s.got)))
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodPatch:
		s.patch(w, r, body)
	}
}

func (s *tusServer) patch(w http.ResponseWriter, r *http.Request, body []byte) {
	if s.patches++; s.patches == 2 {
		select {
		case <-s.forget:
		case <-r.Context().Done():
		}
		s.uploads++
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.got = append(s.got, body...)
	w.Header().Set("Upload-Offset", strconv.Itoa(len(s.got)))
	w.WriteHeader(http.StatusNoContent)
}
