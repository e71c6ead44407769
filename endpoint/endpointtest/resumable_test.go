package endpointtest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ask makes one request; headers are given as names and values.
func ask(t *testing.T, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return &http.Response{Status: err.Error(), Header: http.Header{}}
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestTusServerTakesWhatIsRight(t *testing.T) {
	s := NewTus(t, ResumableOptions{Expires: time.Hour})
	version := []string{"Tus-Resumable", "1.0.0"}
	resp := ask(t, "POST", s.URL(), "", append(version, "Upload-Length", "5", "Upload-Metadata", "a,b YQ==")...)
	at := s.scheme + "://" + s.Addr() + resp.Header.Get("Location")
	if resp.StatusCode != 201 || resp.Header.Get("Upload-Expires") == "" {
		t.Fatalf("%+v", resp)
	}
	patch := append(version, "Content-Type", "application/offset+octet-stream", "Upload-Offset")
	if resp := ask(t, "PATCH", at, "he", append(patch, "0")...); resp.StatusCode != 204 || resp.Header.Get("Upload-Offset") != "2" {
		t.Errorf("%+v", resp)
	}
	if resp := ask(t, "PATCH", at, "xx", append(patch, "3")...); resp.StatusCode != 409 || s.Conflicts() != 1 {
		t.Errorf("%+v", resp)
	}
	if resp := ask(t, "HEAD", at, "", version...); resp.StatusCode != 200 || resp.Header.Get("Upload-Offset") != "2" ||
		resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v", resp)
	}
	ask(t, "PATCH", at, "llo", append(patch, "2", "Upload-Checksum", "sha1 /PcVsKhHsf2jI5ma4t6QBKYmcco=")...)
	if stored := s.Uploads()[0]; stored.Complete {
		t.Error("a chunk with a wrong checksum was taken")
	}
	ask(t, "PATCH", at, "llo", append(patch, "2")...)
	stored := s.Uploads()[0]
	if !stored.Complete || stored.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("%+v", stored)
	}
	if ask(t, "DELETE", at, "", version...); ask(t, "HEAD", at, "", version...).StatusCode != 404 {
		t.Error("it was not removed")
	}
	if v := s.Violations(); len(v) > 0 || s.Received() != 8 {
		t.Errorf("%v, %d bytes", v, s.Received())
	}
}

func TestTusServerNotesWhatIsWrong(t *testing.T) {
	version := []string{"Tus-Resumable", "1.0.0"}
	for name, tc := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
	}{
		"no version":           {"POST", "", "", []string{"Upload-Length", "5"}, 412},
		"no length":            {"POST", "", "", version, 400},
		"metadata":             {"POST", "", "", append(version, "Upload-Length", "5", "Upload-Metadata", "a YQ==,a YQ=="), 400},
		"content":              {"POST", "", "xx", append(version, "Upload-Length", "5"), 400},
		"length of a final":    {"POST", "", "", append(version, "Upload-Length", "5", "Upload-Concat", "final;/files/u1"), 400},
		"unfinished part":      {"POST", "", "", append(version, "Upload-Concat", "final;/files/u1"), 400},
		"too large":            {"POST", "", "", append(version, "Upload-Length", "101"), 413},
		"method":               {"PATCH", "", "", version, 405},
		"content type":         {"PATCH", "u1", "x", append(version, "Upload-Offset", "0"), 415},
		"no offset":            {"PATCH", "u1", "x", append(version, "Content-Type", "application/offset+octet-stream"), 400},
		"more than its length": {"PATCH", "u1", "123456", append(version, "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0"), 413},
		"checksum":             {"PATCH", "u1", "x", append(version, "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0", "Upload-Checksum", "crc32 YQ=="), 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewTus(t, ResumableOptions{MaxSize: 100})
			ask(t, "POST", s.URL(), "", append(version, "Upload-Length", "5", "Upload-Concat", "partial")...)
			resp := ask(t, tc.method, s.URL()+tc.path, tc.body, tc.headers...)
			if resp.StatusCode != tc.status || len(s.Violations()) != 1 {
				t.Errorf("%d, %v", resp.StatusCode, s.Violations())
			}
		})
	}
}

func TestIETFServerTakesWhatIsRight(t *testing.T) {
	s := NewIETF(t, ResumableOptions{MaxAppend: 10})
	interop := []string{"Upload-Draft-Interop-Version", "8"}
	resp := ask(t, "POST", s.URL(), "", append(interop, "Upload-Complete", "?0", "Upload-Length", "5")...)
	at := s.scheme + "://" + s.Addr() + resp.Header.Get("Location")
	if resp.StatusCode != 201 || resp.Header.Get("Upload-Limit") != "max-append-size=10" {
		t.Fatalf("%+v", resp)
	}
	patch := append(interop, "Content-Type", "application/partial-upload", "Upload-Complete")
	if resp := ask(t, "PATCH", at, "he", append(patch, "?0", "Upload-Offset", "0")...); resp.StatusCode != 204 {
		t.Errorf("%+v", resp)
	}
	if resp := ask(t, "PATCH", at, "xx", append(patch, "?0", "Upload-Offset", "3")...); resp.StatusCode != 409 ||
		resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%+v", resp)
	}
	if resp := ask(t, "HEAD", at, "", interop...); resp.Header.Get("Upload-Offset") != "2" || resp.Header.Get("Upload-Complete") != "?0" {
		t.Errorf("%+v", resp)
	}
	if resp := ask(t, "PATCH", at, "llo", append(patch, "?1", "Upload-Offset", "2")...); resp.StatusCode != 200 ||
		resp.Header.Get("Upload-Complete") != "?1" {
		t.Errorf("%+v", resp)
	}
	// Everything may come with the creation.
	resp = ask(t, "PUT", s.URL(), "hello", append(interop, "Upload-Complete", "?1", "Upload-Length", "5")...)
	if body, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(body, []byte(`{"size":5}`)) {
		t.Errorf("%s %v", body, err)
	}
	for _, stored := range s.Uploads() {
		if !stored.Complete || stored.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
			t.Errorf("%+v", stored)
		}
	}
	if v := s.Violations(); len(v) > 0 || s.Conflicts() != 1 {
		t.Errorf("%v", v)
	}
}

func TestIETFServerNotesWhatIsWrong(t *testing.T) {
	interop := []string{"Upload-Draft-Interop-Version", "8"}
	patch := append(interop, "Content-Type", "application/partial-upload", "Upload-Offset", "0", "Upload-Complete")
	for name, tc := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
	}{
		"no version":       {"HEAD", "u1", "", nil, 204},
		"no completeness":  {"POST", "", "", interop, 400},
		"content type":     {"PATCH", "u1", "x", interop, 415},
		"too much at once": {"PATCH", "u1", "12345", append(patch, "?1"), 413},
		"too little":       {"PATCH", "u1", "1", append(patch, "?0"), 400},
		"another length":   {"PATCH", "u1", "1234", append(patch, "?1"), 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewIETF(t, ResumableOptions{MaxAppend: 4, MinAppend: 2})
			ask(t, "POST", s.URL(), "", append(interop, "Upload-Complete", "?0", "Upload-Length", "5")...)
			resp := ask(t, tc.method, s.URL()+tc.path, tc.body, tc.headers...)
			if resp.StatusCode != tc.status || len(s.Violations()) != 1 {
				t.Errorf("%d, %v", resp.StatusCode, s.Violations())
			}
		})
	}
}

// halting delivers some bytes and then waits for its end.
type halting struct {
	first io.Reader
	end   chan struct{}
}

func (h halting) Read(p []byte) (int, error) {
	if n, err := h.first.Read(p); err == nil {
		return n, nil
	}
	<-h.end
	return 0, errors.New("given up")
}

// A request that its client has given up does not keep an upload from others.
func TestResumableServerEndsOldRequests(t *testing.T) {
	s := NewTus(t, ResumableOptions{})
	version := []string{"Tus-Resumable", "1.0.0"}
	ask(t, "POST", s.URL(), "", append(version, "Upload-Length", "100")...)
	r, err := http.NewRequestWithContext(t.Context(), "PATCH", s.URL()+"u1", nil)
	if err != nil {
		t.Fatal(err)
	}
	body := halting{strings.NewReader("hello"), make(chan struct{})}
	r.Body, r.ContentLength = io.NopCloser(body), 100
	r.Header = http.Header{"Tus-Resumable": {"1.0.0"}, "Upload-Offset": {"0"}, "Content-Type": {"application/offset+octet-stream"}}
	transport := &http.Transport{DisableKeepAlives: true}
	ended := make(chan error)
	go func() {
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		ended <- err
	}()
	for s.Received() < 5 { // the request is under way
		if t.Context().Err() != nil {
			t.Fatal("it never came")
		}
	}
	if resp := ask(t, "HEAD", s.URL()+"u1", "", version...); resp.Header.Get("Upload-Offset") != "5" {
		t.Errorf("%+v", resp)
	}
	close(body.end)
	<-ended
}
