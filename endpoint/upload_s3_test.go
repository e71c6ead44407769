package endpoint

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// presign makes an upload of size bytes to /o of a sink, in parts of partSize.
func presign(sink *endpointtest.Sink, size, partSize int64) (*Upload, *source, string) {
	id := sink.NewUpload("/o")
	url := sink.URL("/o?uploadId=" + id)
	d, s := upload(transfer.ProtocolS3, sink.URL("/o?uploadId="+id+"&partNumber={part}&X-Amz-Signature=S3CRET"), size)
	d.Session.PartSize = partSize
	d.Outgoing.Presigned = transfer.Presigned{CompleteURL: url, AbortURL: url, ObjectURL: sink.URL("/o")}
	return d, s, id
}

func TestPresignedDelivers(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: true})
	for _, size := range []int64{0, 1, 1000, 1001, 5500} {
		d, s, _ := presign(sink, size, 1000)
		n := &noted{}
		a, f := send(t, sinkClient(t, sink), d, s, 0, n)
		if f != nil || !strings.Contains(string(a.Body), "CompleteMultipartUploadResult") {
			t.Fatalf("%d: %+v", size, f)
		}
		has(t, sink, "/o", s)
		if want := max(1, int((size+999)/1000)); len(n.parts) != want {
			t.Errorf("%d: parts %v", size, n.parts)
		}
	}
	for _, r := range sink.Requests() {
		if r.Method == "PUT" && r.Header.Get("Content-Type") != "" {
			t.Errorf("a part has a type: %v", r.Header)
		}
	}
}

// Parts may have URLs of their own, elsewhere: the user's headers do not go there.
func TestPresignedElsewhere(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	d, s, id := presign(sink, 2500, 1000)
	for n := range 3 {
		d.Outgoing.Presigned.PartURLs = append(d.Outgoing.Presigned.PartURLs,
			sink.URL("/o?uploadId="+id+"&partNumber="+strconv.Itoa(n+1)))
	}
	d.URL, d.Outgoing.IdempotencyKey = "http://127.0.0.1:1/o", "key"
	if _, f := send(t, sinkClient(t, sink), d, s, 0, &noted{}); f != nil {
		t.Fatalf("%+v", f)
	}
	has(t, sink, "/o", s)
	for _, r := range sink.Requests() {
		if r.Header.Get("Authorization")+r.Header.Get("Idempotency-Key") != "" {
			t.Errorf("%s has the user's headers", r.Path)
		}
	}
	d, s, _ = presign(sink, 2500, 1000)
	d.Outgoing.Presigned.PartURLs = []string{d.URL, d.URL}
	if _, f := send(t, sinkClient(t, sink), d, s, 0, &noted{}); failureCode(f) != transfer.CodePresigned || f.Unknown {
		t.Errorf("%+v", f)
	}
}

// Whatever breaks, only parts that are not known are sent again, and the object
// is made once.
func TestPresignedResumes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		defer sink.Close()
		c := sinkClient(t, sink)
		defer c.Close()
		d, s, _ := presign(sink, rapid.Int64Range(0, 500_000).Draw(rt, "size"), 100_000)
		d.Connections = rapid.IntRange(0, 4).Draw(rt, "connections")
		for range rapid.IntRange(0, 5).Draw(rt, "faults") {
			sink.Fault(endpointtest.SinkFault{
				Skip: rapid.IntRange(0, 4).Draw(rt, "skip"), At: rapid.Int64Range(0, 100_000).Draw(rt, "at"),
				Kind:   rapid.SampledFrom([]endpointtest.SinkFaultKind{endpointtest.FaultCut, endpointtest.FaultLost, endpointtest.FaultStatus}).Draw(rt, "kind"),
				Status: 503,
			})
		}
		for try := 0; ; try++ {
			n := &noted{}
			_, f := send(t, c, d, s, 0, n)
			for _, p := range n.parts {
				if d.Session.Has(p.Number) {
					rt.Errorf("part %d was sent again", p.Number)
				}
				d.Session.Parts = append(d.Session.Parts, p)
			}
			slices.SortFunc(d.Session.Parts, func(a, b transfer.SessionPart) int { return a.Number - b.Number })
			if f == nil {
				break
			}
			if try > 10 || f.Err.Code.Class() != transfer.Transient {
				rt.Fatalf("%+v", f)
			}
		}
		if o := has(t, sink, "/o", s); o.Writes != 1 {
			rt.Errorf("made %d times", o.Writes)
		}
	})
}

// The answer to the completion was lost: the object tells.
func TestCompletionThatIsNotKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*endpointtest.Sink, *Upload)
		want    transfer.Code
		unknown bool
	}{
		"completed": {func(*endpointtest.Sink, *Upload) {}, "", false},
		"nothing to ask": {func(_ *endpointtest.Sink, d *Upload) {
			d.Outgoing.Presigned.ObjectURL = ""
		}, transfer.CodeMaybeDuplicate, true},
		"another size":    {func(_ *endpointtest.Sink, d *Upload) { d.Size-- }, transfer.CodeStatus, false},
		"another content": {func(_ *endpointtest.Sink, d *Upload) { d.Session.Parts[0].Ref = `"` + strings.Repeat("0", 32) + `"` }, transfer.CodeStatus, false},
		"not there":       {func(s *endpointtest.Sink, d *Upload) { d.Outgoing.Presigned.ObjectURL = s.URL("/other") }, transfer.CodeStatus, false},
		"not now": {func(s *endpointtest.Sink, _ *Upload) {
			s.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Method: "HEAD", Status: 503})
		}, transfer.CodeStatusRetry, false},
	} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		c := sinkClient(t, sink)
		d, s, _ := presign(sink, 2500, 1000)
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultLost, Method: "POST"})
		n := &noted{}
		_, f := send(t, c, d, s, 0, n)
		if f == nil || !f.Unknown || f.Err.Code != transfer.CodeReset {
			t.Fatalf("%s: %+v", name, f)
		}
		d.Session.Parts = n.parts
		slices.SortFunc(d.Session.Parts, func(a, b transfer.SessionPart) int { return a.Number - b.Number })
		tc.prepare(sink, d)
		before := sink.Received("/o")
		a, f := send(t, c, d, s, 0, &noted{})
		if failureCode(f) != tc.want || f != nil && f.Unknown != tc.unknown || f == nil && a.Shown.StatusCode != 200 {
			t.Errorf("%s: %+v", name, f)
		}
		if f != nil && f.Err.Code == transfer.CodeStatus && f.Err.Status != 404 {
			t.Errorf("%s: status %d", name, f.Err.Status)
		}
		if sink.Received("/o") != before {
			t.Errorf("%s: parts were sent again", name)
		}
	}
}

func TestErrorsOfS3(t *testing.T) {
	const form = `<?xml version="1.0"?><Error><Code>%s</Code><Message>S3CRET</Message></Error>`
	for _, tc := range []struct {
		method, code string
		status       int
		want         transfer.Code
		unknown      bool
	}{
		{"POST", "InternalError", 200, transfer.CodeStatusRetry, true},
		{"POST", "SlowDown", 200, transfer.CodeStatusRetry, true},
		{"POST", "InvalidPart", 200, transfer.CodeStatus, false},
		{"POST", "InvalidPart", 400, transfer.CodeStatus, false},
		{"POST", "NoSuchUpload", 404, transfer.CodeStatus, false},
		{"POST", "AccessDenied", 403, transfer.CodeStatus, false},
		{"POST", "InternalError", 500, transfer.CodeStatusRetry, true},
		{"PUT", "AccessDenied", 403, transfer.CodeStatus, false},
		{"PUT", "ExpiredToken", 400, transfer.CodeStatus, false},
		{"PUT", "RequestTimeout", 400, transfer.CodeStatusRetry, false},
		{"PUT", "NoSuchUpload", 404, transfer.CodeStatus, false},
		{"PUT", "SlowDown", 503, transfer.CodeStatusRetry, false},
		{"PUT", "", 200, transfer.CodeUploadProtocol, false}, // no ETag
	} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		sink.Fault(endpointtest.SinkFault{
			Kind: endpointtest.FaultStatus, Method: tc.method, Times: endpointtest.Always, Status: tc.status, Body: fmt.Sprintf(form, tc.code),
		})
		d, s, _ := presign(sink, 2500, 1000)
		_, f := d.sendTo(t, sink, s)
		if failureCode(f) != tc.want || f.Err.Status != tc.status || f.Unknown != tc.unknown {
			t.Errorf("%s %s: %+v", tc.method, tc.code, f)
		}
	}
}

// sendTo sends without looking for secrets in the kept answer, which is the far
// side's own.
func (d *Upload) sendTo(t *testing.T, sink *endpointtest.Sink, _ *source) (*UploadAnswer, *Failure) {
	t.Helper()
	return sinkClient(t, sink).Send(t.Context(), d, 0, (&noted{}).progress())
}

// The parts that are sent at a time have 64 MiB together at most.
func TestPartsInFlightAreBounded(t *testing.T) {
	for _, tc := range []struct {
		connections, share int
		partSize           int64
		parts, want        int
	}{
		{0, 0, 5 << 20, 100, 3},
		{16, 0, 5 << 20, 100, 12},
		{64, 0, 16 << 20, 100, 4},
		{8, 0, 1 << 30, 100, 1},
		{8, 0, 5 << 20, 2, 2},
		{0, 0, 5 << 20, 0, 1},
		{0, 2, 5 << 20, 100, 2},
		{0, 9, 5 << 20, 100, 3},
		{4, 1, 5 << 20, 100, 1},
	} {
		s := &s3Parts{
			d:    &Upload{Connections: tc.connections, Share: tc.share, Session: transfer.Session{PartSize: tc.partSize}},
			todo: make([]transfer.SessionPart, tc.parts),
		}
		if got := s.connections(); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}

func TestFinishingEndsBetweenParts(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	d, s, id := presign(sink, 10_000, 1000)
	var mu sync.Mutex
	asked := 0
	d.Finishing = func() bool {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return asked > 4
	}
	n := &noted{}
	_, f := send(t, sinkClient(t, sink), d, s, 0, n)
	if failureCode(f) != transfer.CodeShuttingDown || f.Unknown || len(n.parts) != 4 {
		t.Errorf("%v %+v", n.parts, f)
	}
	if parts, _ := sink.Parts(id); len(parts) != 4 {
		t.Errorf("the far side has %v", parts)
	}
}

func TestAbortOfPresigned(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	d, _, id := presign(sink, 1000, 1000)
	d.URL = "http://127.0.0.1:1/o"
	for range 2 { // a second time is no failure
		if e := sinkClient(t, sink).Discard(t.Context(), d, d.Outgoing.Presigned.AbortURL); e != nil {
			t.Error(e)
		}
	}
	if _, ok := sink.Parts(id); ok {
		t.Error("the upload is still there")
	}
	sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Method: http.MethodDelete, Status: 503})
	if e := sinkClient(t, sink).Discard(t.Context(), d, d.Outgoing.Presigned.AbortURL); e == nil || e.Code != transfer.CodeStatusRetry {
		t.Error(e)
	}
}

func TestETagsOfParts(t *testing.T) {
	part := func(s string) transfer.SessionPart {
		return transfer.SessionPart{Ref: fmt.Sprintf(`"%x"`, md5.Sum([]byte(s)))}
	}
	a, b := md5.Sum([]byte("a")), md5.Sum([]byte("b"))
	both := fmt.Sprintf(`"%x-2"`, md5.Sum(append(a[:], b[:]...)))
	for _, tc := range []struct {
		etag  string
		parts []transfer.SessionPart
		want  bool
	}{
		{both, []transfer.SessionPart{part("a"), part("b")}, true},
		{both, []transfer.SessionPart{part("b"), part("a")}, false},
		{both, []transfer.SessionPart{part("a")}, false},
		{both, []transfer.SessionPart{part("a"), {Ref: "opaque"}}, true},
		{`"opaque"`, []transfer.SessionPart{part("a")}, true},
		{"", []transfer.SessionPart{part("a")}, true},
	} {
		if got := madeOf(tc.etag, tc.parts); got != tc.want {
			t.Errorf("%s: %v", tc.etag, got)
		}
	}
}
