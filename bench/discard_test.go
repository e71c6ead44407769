package main

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// call sends one request and returns status, header and body.
func call(t *testing.T, server, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestDiscardKeepsSizesOfMultipartUploads(t *testing.T) {
	s := httptest.NewServer(newDiscard())
	defer s.Close()
	_, _, text := call(t, s.URL, http.MethodPost, "/b/k?uploads", "", "X-Amz-Meta-Token", "t1")
	var created struct{ UploadId string }
	if err := xml.Unmarshal([]byte(text), &created); err != nil || created.UploadId == "" {
		t.Fatalf("%q, %v", text, err)
	}
	for number, body := range map[string]string{"1": "abc", "2": "defgh"} {
		if status, header, _ := call(t, s.URL, http.MethodPut, "/b/k?uploadId="+created.UploadId+"&partNumber="+number, body); status != 200 || header.Get("ETag") == "" {
			t.Errorf("part %s: status %d", number, status)
		}
	}
	if status, _, _ := call(t, s.URL, http.MethodHead, "/b/k", ""); status != http.StatusNotFound {
		t.Errorf("status %d before the upload is complete", status)
	}
	if status, _, _ := call(t, s.URL, http.MethodPost, "/b/k?uploadId="+created.UploadId, "<x/>"); status != 200 {
		t.Errorf("complete: status %d", status)
	}
	_, header, _ := call(t, s.URL, http.MethodHead, "/b/k", "")
	if header.Get("Content-Length") != "8" || header.Get("X-Amz-Meta-Token") != "t1" {
		t.Errorf("%v", header)
	}
	if status, _, _ := call(t, s.URL, http.MethodPost, "/b/k?uploadId="+created.UploadId, "<x/>"); status != http.StatusNotFound {
		t.Errorf("the upload is still there: status %d", status)
	}
}

func TestDiscardObeysIfNoneMatch(t *testing.T) {
	s := httptest.NewServer(newDiscard())
	defer s.Close()
	for i, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		if status, _, _ := call(t, s.URL, http.MethodPut, "/b/k", "x", "If-None-Match", "*"); status != want {
			t.Errorf("write %d: status %d, want %d", i+1, status, want)
		}
	}
	if status, _, _ := call(t, s.URL, http.MethodPut, "/b/k", "longer"); status != http.StatusOK {
		t.Errorf("unconditional write: status %d", status)
	}
	target := &s3Target{endpoint: s.URL}
	if header, err := target.ask(t.Context(), http.MethodHead, "k"); err == nil {
		t.Errorf("another bucket has the object: %v", header)
	}
}
