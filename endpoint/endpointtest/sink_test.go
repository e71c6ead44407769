package endpointtest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// do makes a request to a sink; the answer is nil when there was none.
func do(t *testing.T, s *Sink, method, target string, body []byte, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL(target), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.RootCAs()}, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// status is that of a request, 0 for no answer.
func status(t *testing.T, s *Sink, method, target string, body []byte, headers ...string) int {
	t.Helper()
	if r := do(t, s, method, target, body, headers...); r != nil {
		return r.StatusCode
	}
	return 0
}

func TestSinkTakesWhole(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := NewSink(t, SinkOptions{TLS: secure})
		c := Content{Seed: 1, Size: 100_000}
		body, _ := io.ReadAll(c.Reader(0))
		for n := 1; n <= 2; n++ {
			if got := status(t, s, "PUT", "/f", body, "Content-Type", "text/csv"); got != 201 {
				t.Fatalf("status %d", got)
			}
			o, ok := s.Object("/f")
			if !ok || o.SHA256 != c.SHA256() || o.Size != c.Size || !bytes.Equal(o.Data, body) || o.Writes != n || o.ContentType != "text/csv" {
				t.Errorf("%+v", o)
			}
		}
		if s.Received("/f") != 2*c.Size || s.Count("PUT", "/f") != 2 || s.Count("", "") != 2 {
			t.Errorf("received %d", s.Received("/f"))
		}
		if err := s.WaitReceived(t.Context(), "/f", 2*c.Size); err != nil {
			t.Error(err)
		}
		if r := do(t, s, "HEAD", "/f", nil); r.StatusCode != 200 || r.ContentLength != c.Size {
			t.Errorf("%s, %d bytes", r.Status, r.ContentLength)
		}
		if a, b := status(t, s, "DELETE", "/f", nil), status(t, s, "GET", "/f", nil); a != 204 || b != 404 {
			t.Errorf("%d, then %d", a, b)
		}
	}
}

// More than is kept in memory still has its digest.
func TestSinkTakesLarge(t *testing.T) {
	s := NewSink(t, SinkOptions{})
	body := make([]byte, maxStored+1)
	if got := status(t, s, "PUT", "/f", body); got != 201 {
		t.Fatalf("status %d", got)
	}
	if o, _ := s.Object("/f"); o.Size != int64(len(body)) || o.Data != nil || len(o.SHA256) != 64 {
		t.Errorf("%d bytes, %d kept", o.Size, len(o.Data))
	}
}

func TestSinkTakesRanges(t *testing.T) {
	s := NewSink(t, SinkOptions{})
	for _, step := range []struct {
		body, header string
		want         int
	}{
		{"abc", "bytes 0-2/8", 204},
		{"x", "bytes 5-5/8", 416},
		{"bcde", "bytes 1-4/8", 204},
		{"fgh", "bytes 5-7/8", 204},
		{"x", "bytes 7-3/8", 400},
		{"x", "items 0-1/8", 400},
	} {
		if got := status(t, s, "PUT", "/f", []byte(step.body), "Content-Range", step.header); got != step.want {
			t.Errorf("%+v: %d", step, got)
		}
	}
	if o, _ := s.Object("/f"); string(o.Data) != "abcdefgh" {
		t.Errorf("%q", o.Data)
	}
	if got := status(t, NewSink(t, SinkOptions{NoRanges: true}), "PUT", "/f", []byte("x"), "Content-Range", "bytes 0-0/1"); got != 501 {
		t.Errorf("no ranges: %d", got)
	}
}

func TestSinkHasSessions(t *testing.T) {
	s := NewSink(t, SinkOptions{})
	unit := make([]byte, 256<<10)
	total := len(unit) + 3
	location := do(t, s, "POST", "/f", nil, "X-Goog-Resumable", "start").Header.Get("Location")
	at := location[len(s.URL("")):]
	if got := status(t, s, "PUT", at, unit[:100], "Content-Range", fmt.Sprintf("bytes 0-99/%d", total)); got != 400 {
		t.Errorf("a chunk of an odd size: %d", got)
	}
	r := do(t, s, "PUT", at, unit, "Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(unit)-1, total))
	if r.StatusCode != 308 || r.Header.Get("Range") != fmt.Sprintf("bytes=0-%d", len(unit)-1) {
		t.Errorf("%s %v", r.Status, r.Header)
	}
	if got := status(t, s, "PUT", at, []byte("end"), "Content-Range", fmt.Sprintf("bytes %d-%d/%d", len(unit), total-1, total)); got != 200 {
		t.Errorf("the end: %d", got)
	}
	if got := status(t, s, "PUT", at, nil, "Content-Range", fmt.Sprintf("bytes */%d", total)); got != 200 {
		t.Errorf("a question after the end: %d", got)
	}
	if o, _ := s.Object("/f"); o.Size != int64(total) || o.Writes != 1 {
		t.Errorf("%d bytes, made %d times", o.Size, o.Writes)
	}
	if a, b := status(t, s, "DELETE", at, nil), status(t, s, "PUT", at, nil); a != 499 || b != 499 {
		t.Errorf("canceled: %d, %d", a, b)
	}
	s.Forget()
	if got := status(t, s, "PUT", at, nil); got != 404 {
		t.Errorf("forgotten: %d", got)
	}
}

func TestSinkHasParts(t *testing.T) {
	s := NewSink(t, SinkOptions{})
	id := s.NewUpload("/f")
	list := ""
	for n, part := range []string{"abc", "de"} {
		r := do(t, s, "PUT", fmt.Sprintf("/f?uploadId=%s&partNumber=%d", id, n+1), []byte(part))
		list += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n+1, r.Header.Get("ETag"))
	}
	if parts, ok := s.Parts(id); !ok || !slices.Equal(parts, []int{1, 2}) {
		t.Errorf("%v", parts)
	}
	const form = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</CompleteMultipartUpload>`
	for _, step := range []struct {
		body string
		want int
	}{{"<a/>", 400}, {fmt.Sprintf(form, "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"), 400}, {fmt.Sprintf(form, list), 200}, {fmt.Sprintf(form, list), 404}} {
		if got := status(t, s, "POST", "/f?uploadId="+id, []byte(step.body)); got != step.want {
			t.Errorf("%q: %d", step.body, got)
		}
	}
	if o, _ := s.Object("/f"); string(o.Data) != "abcde" {
		t.Errorf("%q", o.Data)
	}
	id = s.NewUpload("/g")
	if got := status(t, s, "DELETE", "/g?uploadId="+id, nil); got != 204 {
		t.Errorf("abort: %d", got)
	}
	if _, ok := s.Parts(id); ok {
		t.Error("it is still there")
	}
}

func TestSinkFaults(t *testing.T) {
	body := make([]byte, 100_000)
	for _, tc := range []struct {
		fault           SinkFault
		status          int
		received        int64
		taken, twoWrong bool
	}{
		{SinkFault{Kind: FaultStatus, Status: 503}, 503, 100_000, false, false},
		{SinkFault{Kind: FaultEarly, Status: 413}, 413, 0, false, false},
		{SinkFault{Kind: FaultEarly, Status: 413, At: 5000}, 413, 5000, false, false},
		{SinkFault{Kind: FaultCut, At: 5000}, 0, 5000, false, false},
		{SinkFault{Kind: FaultLost}, 0, 100_000, true, false},
		{SinkFault{Kind: FaultLost, Times: 2, Method: "PUT", Path: "/f"}, 0, 100_000, true, true},
		{SinkFault{Kind: FaultLost, Method: "POST"}, 201, 100_000, true, false},
		{SinkFault{Kind: FaultLost, Skip: 1}, 201, 100_000, true, true},
	} {
		s := NewSink(t, SinkOptions{})
		s.Fault(tc.fault)
		got := status(t, s, "PUT", "/f", body)
		if got == 0 && tc.fault.Kind == FaultEarly {
			got = tc.status // net/http may see the reset first
		}
		if _, taken := s.Object("/f"); got != tc.status || s.Received("/f") != tc.received || taken != tc.taken {
			t.Errorf("%+v: %d, %d bytes, taken %v", tc.fault, got, s.Received("/f"), taken)
		}
		if got = status(t, s, "PUT", "/f", body); (got == 0) != tc.twoWrong {
			t.Errorf("%+v: the second time %d", tc.fault, got)
		}
		s.Heal()
		if got = status(t, s, "PUT", "/f", body); got != 201 {
			t.Errorf("%+v: healed, %d", tc.fault, got)
		}
	}
}
