package endpoint

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// source is the content of an upload. It notes how it is used.
type source struct {
	content endpointtest.Content
	// failAt is the byte at which reading fails with err, if err is not nil.
	failAt int64
	err    error

	opens, open, read, late atomic.Int64
	over                    atomic.Bool // Send has returned
}

func (s *source) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	s.opens.Add(1)
	if s.err != nil && s.failAt < 0 {
		return nil, s.err
	}
	s.open.Add(1)
	return &sourceReader{s: s, at: offset, r: io.LimitReader(s.content.Reader(offset), length)}, nil
}

type sourceReader struct {
	s  *source
	at int64
	r  io.Reader
}

func (r *sourceReader) Read(p []byte) (int, error) {
	if r.s.over.Load() {
		r.s.late.Add(1)
	}
	if r.s.err != nil && r.at >= r.s.failAt {
		return 0, r.s.err
	}
	if r.s.err != nil {
		p = p[:min(int64(len(p)), r.s.failAt-r.at)]
	}
	n, err := r.r.Read(p)
	r.at += int64(n)
	r.s.read.Add(int64(n))
	return n, err
}

func (r *sourceReader) Close() error {
	r.s.open.Add(-1)
	return nil
}

const secretQuery = "?token=S3CRET"

// upload is an upload of size bytes to url.
func upload(protocol transfer.Protocol, url string, size int64) (*Upload, *source) {
	s := &source{content: endpointtest.Content{Seed: 9, Generation: 1, Size: size}}
	method := http.MethodPut
	if protocol == transfer.ProtocolPost {
		method = http.MethodPost
	}
	return &Upload{
		URL: url, Method: method, Size: size, ContentType: "application/octet-stream", Open: s.Open,
		Headers: []transfer.Header{{Name: "Authorization", Value: "Bearer S3CRET"}},
		Session: transfer.Session{Protocol: protocol},
	}, s
}

// noted is what a Progress was told.
type noted struct {
	offsets []int64
	parts   []transfer.SessionPart
}

func (n *noted) progress() Progress {
	lock := make(chan struct{}, 1)
	return Progress{
		Confirmed: func(offset int64, _ time.Time) { n.offsets = append(n.offsets, offset) },
		PartSent: func(p transfer.SessionPart) {
			lock <- struct{}{}
			n.parts = append(n.parts, p)
			<-lock
		},
	}
}

// send sends and checks what holds of every upload: content is closed and not
// touched afterwards, and failures tell no secret.
func send(t testing.TB, c *Client, d *Upload, s *source, from int64, n *noted) (*UploadAnswer, *Failure) {
	t.Helper()
	answer, f := c.Send(t.Context(), d, from, n.progress())
	s.over.Store(true)
	if s.open.Load() != 0 || s.late.Load() != 0 {
		t.Errorf("%d contents are open, %d reads came later", s.open.Load(), s.late.Load())
	}
	s.over.Store(false)
	checkFailure(t, f)
	if (answer == nil) == (f == nil) {
		t.Errorf("answer %v, failure %v", answer, f)
	}
	return answer, f
}

func checkFailure(t testing.TB, f *Failure) {
	t.Helper()
	if f == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %v", f.Err, f.Answer, f.Err.Err)
	if strings.Contains(text, "S3CRET") || f.Err.Code == "" || f.Err.Code == transfer.CodeInternal {
		t.Errorf("the failure is %s", text)
	}
}

// sinkClient reaches a sink.
func sinkClient(t testing.TB, s *endpointtest.Sink, change ...func(*Config)) *Client {
	t.Helper()
	return newClient(t, nil, append(change, func(c *Config) { c.RootCAs = s.RootCAs() })...)
}

// has fails the test unless the sink has the content at path.
func has(t testing.TB, sink *endpointtest.Sink, path string, s *source) endpointtest.SinkObject {
	t.Helper()
	o, ok := sink.Object(path)
	if want := s.content.SHA256(); !ok || o.SHA256 != want {
		t.Errorf("%s: %v, %d bytes %s, want %d bytes %s", path, ok, o.Size, o.SHA256, s.content.Size, want)
	}
	return o
}

func TestWholeDeliversExactly(t *testing.T) {
	for _, tls := range []bool{false, true} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: tls})
		c := sinkClient(t, sink)
		for _, method := range []string{"PUT", "POST", "PATCH", "REPORT"} {
			for _, size := range []int64{0, 1, 4095, 100_000, 5 << 20} {
				path := fmt.Sprintf("/%s-%d", method, size)
				d, s := upload(transfer.ProtocolPut, sink.URL(path+secretQuery), size)
				d.Method = method
				a, f := send(t, c, d, s, 0, &noted{})
				if f != nil || a.Shown.StatusCode != 201 {
					t.Fatalf("%s: %+v", path, f)
				}
				if o := has(t, sink, path, s); o.ContentType != "application/octet-stream" {
					t.Errorf("%s: content type %q", path, o.ContentType)
				}
				if n := sink.Count(method, path); n != 1 || sink.Received(path) != size {
					t.Errorf("%s: %d requests, %d bytes", path, n, sink.Received(path))
				}
			}
		}
	}
}

func TestHeadersOfUploads(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	d, s := upload(transfer.ProtocolPost, sink.URL("/h"), 1000)
	d.SHA256 = s.content.SHA256()
	d.Outgoing.DigestHeaders, d.Outgoing.IdempotencyKey = true, `"key-1"`
	d.Headers = append(d.Headers, transfer.Header{Name: "Content-Type", Value: "text/csv"})
	if _, f := send(t, sinkClient(t, sink), d, s, 0, &noted{}); f != nil {
		t.Fatal(f.Err)
	}
	sum, _ := hex.DecodeString(d.SHA256)
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
	got := sink.Requests()[0].Header
	for name, want := range map[string]string{
		"Content-Type": "text/csv", "Idempotency-Key": `"key-1"`, "Content-Digest": digest, "Repr-Digest": digest,
		"Authorization": "Bearer S3CRET", "User-Agent": "godwit", "Content-Length": "1000", "Expect": "", "Transfer-Encoding": "",
	} {
		if g := got.Get(name); g != want || len(got[name]) > 1 {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

func TestStatusesOfUploads(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	c := sinkClient(t, sink)
	for status, want := range map[int]struct {
		code    transfer.Code
		unknown bool
	}{
		304: {transfer.CodeStatus, false},
		400: {transfer.CodeStatus, false}, 401: {transfer.CodeStatus, false}, 404: {transfer.CodeStatus, false},
		408: {transfer.CodeStatusRetry, false}, 409: {transfer.CodeStatus, false}, 412: {transfer.CodeStatus, false},
		413: {transfer.CodeUploadTooLarge, false}, 416: {transfer.CodeStatus, false},
		421: {transfer.CodeStatusRetry, false}, 425: {transfer.CodeStatusRetry, false},
		429: {transfer.CodeStatusRetry, false}, 500: {transfer.CodeStatusRetry, true},
		501: {transfer.CodeStatus, false}, 502: {transfer.CodeStatusRetry, true},
		503: {transfer.CodeStatusRetry, false}, 504: {transfer.CodeStatusRetry, true}, 507: {transfer.CodeStatus, false},
	} {
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Status: status, RetryAfter: "7"})
		d, s := upload(transfer.ProtocolPut, sink.URL("/f"+secretQuery), 1000)
		_, f := send(t, c, d, s, 0, &noted{})
		if f == nil || f.Err.Code != want.code || f.Err.Status != status || f.Unknown != want.unknown || !f.Sent || f.Answer == nil {
			t.Errorf("%d: %+v", status, f)
			continue
		}
		if retry := f.Err.RetryAfter == 7*time.Second; retry != (want.code == transfer.CodeStatusRetry) {
			t.Errorf("%d: retry after %v", status, f.Err.RetryAfter)
		}
	}
}

// 303 says that the request was carried out, and is never followed.
func TestSeeOtherIsTaken(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Status: 303, Location: "/result" + secretQuery})
	d, s := upload(transfer.ProtocolPost, sink.URL("/f"), 1000)
	a, f := send(t, sinkClient(t, sink), d, s, 0, &noted{})
	if f != nil || a.Shown.StatusCode != 303 || len(sink.Requests()) != 1 {
		t.Fatalf("%+v %+v", a, f)
	}
	if h := a.Shown.Headers; h[len(h)-1] != (transfer.Header{Name: "Location", Value: sink.URL("/result")}) {
		t.Errorf("%v", h)
	}
}

func TestRedirectsOfUploads(t *testing.T) {
	other := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	plain := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	secure := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: true})
	for _, tc := range []struct {
		name     string
		sink     *endpointtest.Sink
		location string
		want     transfer.Code
	}{
		{"same origin", plain, "/there", ""},
		{"same origin, https", secure, "/there", ""},
		{"nowhere", plain, "", transfer.CodeRedirectBad},
		{"another origin", plain, other.URL("/there"), transfer.CodeRedirectBody},
		{"https to http", secure, "http://" + secure.Addr() + "/there", transfer.CodeDowngrade},
		{"itself", plain, "/from", transfer.CodeRedirectMany},
	} {
		for _, status := range []int{301, 302, 307, 308} {
			for i, kind := range []endpointtest.SinkFaultKind{endpointtest.FaultStatus, endpointtest.FaultEarly} {
				tc.sink.Heal()
				tc.sink.Fault(endpointtest.SinkFault{
					Kind: kind, Path: "/from", Times: endpointtest.Always, Status: status, Location: tc.location,
				})
				before := tc.sink.Count("POST", "/there")
				d, s := upload(transfer.ProtocolPost, tc.sink.URL("/from"+secretQuery), 100_000)
				if d.Outgoing.RepeatUnsafe = i == 0; i > 0 {
					d.Outgoing.IdempotencyKey = "key"
				}
				_, f := send(t, sinkClient(t, tc.sink), d, s, 0, &noted{})
				if got := failureCode(f); got != tc.want {
					t.Errorf("%s, %d: %v", tc.name, status, f)
				}
				if tc.want == "" {
					has(t, tc.sink, "/there", s)
					if n := tc.sink.Count("POST", "/there") - before; n != 1 {
						t.Errorf("%s, %d: %d requests", tc.name, status, n)
					}
				}
			}
		}
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("%d requests came to another origin", n)
	}
}

// A server may answer 301 or 302 once it has carried a request out. One that must
// not be made twice is not made again elsewhere.
func TestRedirectsOfOnlyRequests(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	for _, method := range []string{"POST", "PATCH", "PUT"} {
		for _, status := range []int{301, 302} {
			sink.Heal()
			sink.Fault(endpointtest.SinkFault{
				Kind: endpointtest.FaultStatus, Path: "/from", Times: endpointtest.Always, Status: status, Location: "/there",
			})
			before := len(sink.Requests())
			d, s := upload(transfer.ProtocolPost, sink.URL("/from"), 1000)
			d.Method = method
			_, f := send(t, sinkClient(t, sink), d, s, 0, &noted{})
			made := len(sink.Requests()) - before
			switch {
			case method == "PUT":
				if f != nil || made != 2 {
					t.Errorf("%s, %d: %d requests, %+v", method, status, made, f)
				}
			case failureCode(f) != transfer.CodeRedirectBad || !f.Unknown || made != 1:
				t.Errorf("%s, %d: %d requests, %+v", method, status, made, f)
			}
		}
	}
}

// Whether a server that broke down has carried a request out nobody knows, behind
// a proxy with statuses of its own either.
func TestStatusesOfUnknownOutcome(t *testing.T) {
	for status, want := range map[int]bool{
		400: false, 408: false, 429: false, 499: false, 500: true, 501: false, 502: true, 503: false, 504: true, 507: false,
		520: true, 524: true, 599: true,
	} {
		r := uploadReply{url: &url.URL{Scheme: "http", Host: "h"}, status: status}
		if got := r.refused().Unknown; got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

func failureCode(f *Failure) transfer.Code {
	if f == nil {
		return ""
	}
	return f.Err.Code
}

// A redirect may not lead where the policy does not allow, even within a name.
func TestPolicyHoldsForUploads(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	c := sinkClient(t, sink, func(c *Config) { c.Policy = Policy{} })
	d, s := upload(transfer.ProtocolPut, sink.URL("/f"), 1000)
	if _, f := send(t, c, d, s, 0, &noted{}); failureCode(f) != transfer.CodeEgress || f.Unknown || f.Sent {
		t.Errorf("%+v", f)
	}
	if len(sink.Requests()) != 0 {
		t.Error("a request was made")
	}
}

// A client may speak HTTP/2 to sources; uploads stay with HTTP/1.1.
func TestUploadsBesideHTTP2(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{TLS: true, HTTP2: true})
	o.Handle("/f", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	c := newClient(t, o, func(c *Config) { c.HTTP2 = true })
	d, s := upload(transfer.ProtocolPut, o.URL("/f"), 1000)
	a, f := send(t, c, d, s, 0, &noted{})
	if f != nil || a.Shown.StatusCode != 200 || o.Requests()[0].Proto != "HTTP/1.1" {
		t.Fatalf("%+v", f)
	}
	if r, _, err := fetch(t, c, first(o.URL("/g"))); err != nil || o.Requests()[1].Proto != "HTTP/2.0" {
		t.Errorf("%+v %v", r, err)
	}
}
