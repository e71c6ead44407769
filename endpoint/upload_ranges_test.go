package endpoint

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// resume plays the core: it sends, and asks and goes on after each failure that
// may pass, until the upload has ended.
func resume(t testing.TB, c *Client, d *Upload, s *source) (*UploadAnswer, *Failure) {
	t.Helper()
	from := d.Session.Offset
	for range 20 {
		n := &noted{}
		a, f := send(t, c, d, s, from, n)
		for _, o := range n.offsets {
			if o <= d.Session.Offset || o > d.Size {
				t.Errorf("confirmed %d after %d", o, d.Session.Offset)
			}
			d.Session.Offset = o
		}
		if f == nil || f.Lost || f.Err.Code.Class() != transfer.Transient {
			return a, f
		}
		found, f := c.FindSession(t.Context(), d)
		for range 10 {
			if checkFailure(t, f); f != nil {
				found, f = c.FindSession(t.Context(), d)
			}
		}
		if found.Answer != nil {
			return found.Answer, nil
		}
		if found.Offset < d.Session.Offset {
			t.Fatalf("%d bytes found, %d confirmed", found.Offset, d.Session.Offset)
		}
		from = found.Offset
	}
	t.Fatal("the upload does not end")
	return nil, nil
}

func TestRangesDeliverInChunks(t *testing.T) {
	for _, opts := range []endpointtest.SinkOptions{{}, {NoHead: true}, {TLS: true}} {
		sink := endpointtest.NewSink(t, opts)
		for _, size := range []int64{0, 1, 100_000, 100_001, 250_000} {
			d, s := upload(transfer.ProtocolRange, sink.URL("/f"+secretQuery), size)
			d.PartSize, d.Outgoing.IdempotencyKey = 100_000, "key"
			n := &noted{}
			before, received := sink.Count("PUT", "/f"), sink.Received("/f")
			if _, f := send(t, sinkClient(t, sink), d, s, 0, n); f != nil {
				t.Fatalf("%d: %+v", size, f)
			}
			has(t, sink, "/f", s)
			if got := sink.Received("/f") - received; got != size {
				t.Errorf("%d: %d bytes came", size, got)
			}
			want := max(1, (size+99_999)/100_000)
			if requests := sink.Requests(); size > 0 && slices.ContainsFunc(requests, func(r endpointtest.Request) bool {
				return r.Header.Get("Content-Range") != "" && r.Header.Get("Idempotency-Key") != ""
			}) {
				t.Error("requests that differ have one key")
			}
			if got := int64(sink.Count("PUT", "/f") - before); got != want || int64(len(n.offsets)) != want-1 {
				t.Errorf("%d: %d requests, confirmed %v", size, got, n.offsets)
			}
		}
	}
}

func TestRangesResume(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{NoHead: rapid.Bool().Draw(rt, "no HEAD")})
		defer sink.Close()
		d, s := upload(transfer.ProtocolRange, sink.URL("/f"), rapid.Int64Range(1, 300_000).Draw(rt, "size"))
		d.PartSize = rapid.Int64Range(20_000, 200_000).Draw(rt, "part")
		for range rapid.IntRange(0, 4).Draw(rt, "faults") {
			sink.Fault(endpointtest.SinkFault{
				Method: "PUT", Skip: rapid.IntRange(0, 2).Draw(rt, "skip"), At: rapid.Int64Range(0, 100_000).Draw(rt, "at"),
				Kind:   rapid.SampledFrom([]endpointtest.SinkFaultKind{endpointtest.FaultCut, endpointtest.FaultLost, endpointtest.FaultStatus}).Draw(rt, "kind"),
				Status: 503,
			})
		}
		c := sinkClient(t, sink)
		if _, f := resume(t, c, d, s); f != nil {
			rt.Fatalf("%+v", f)
		}
		has(t, sink, "/f", s)
		c.Close()
	})
}

func TestRangesAreRefused(t *testing.T) {
	for _, status := range []int{400, 416, 501} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Status: status})
		d, s := upload(transfer.ProtocolRange, sink.URL("/f"), 1000)
		_, f := send(t, sinkClient(t, sink), d, s, 0, &noted{})
		if failureCode(f) != transfer.CodeUploadProtocol || f.Err.Status != status || !strings.Contains(f.Err.Message, "Content-Range") {
			t.Errorf("%d: %+v", status, f)
		}
	}
}

// A server that ignores Content-Range has the last chunk only, and says so.
func TestIgnoredRangesAreNoticed(t *testing.T) {
	for _, noHead := range []bool{false, true} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{IgnoreRanges: true, NoHead: noHead})
		d, s := upload(transfer.ProtocolRange, sink.URL("/f"), 1000)
		d.PartSize = 600
		want := transfer.CodeUploadIncomplete
		if noHead {
			want = "" // nobody can tell
		}
		if _, f := send(t, sinkClient(t, sink), d, s, 0, &noted{}); failureCode(f) != want {
			t.Errorf("%+v", f)
		}
	}
}

// What lies at the URL may be of an earlier upload.
func TestRangesBelieveNoMoreThanConfirmed(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	c := sinkClient(t, sink)
	old, s := upload(transfer.ProtocolPut, sink.URL("/f"), 5000)
	if _, f := send(t, c, old, s, 0, &noted{}); f != nil {
		t.Fatal(f.Err)
	}
	d, _ := upload(transfer.ProtocolRange, sink.URL("/f"), 9000)
	for _, recorded := range []int64{0, 3000, 5000, 9000} {
		d.Session.Offset = recorded
		found, f := c.FindSession(t.Context(), d)
		if f != nil || found.Offset != min(recorded, 5000) || found.Answer != nil {
			t.Errorf("%d: %+v %+v", recorded, found, f)
		}
	}
}

// A 308 may confirm less than was sent.
func TestRangesConfirmedInPart(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{NoHead: true})
	c := sinkClient(t, sink)
	d, s := upload(transfer.ProtocolRange, sink.URL("/f"), 1000)
	sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Status: 308})
	n := &noted{}
	d.PartSize = 600
	if _, f := send(t, c, d, s, 0, n); f != nil || !slices.Equal(n.offsets, []int64{600}) {
		t.Errorf("%v %+v", n.offsets, f)
	}
	for value, want := range map[string]int64{"bytes=0-299": 300, "bytes=0-": -1, "bytes=1-5": -1, "": -1, "0-4": -1} {
		r := &uploadReply{header: http.Header{"Range": {value}}}
		if got, ok := r.has(); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d %v", value, got, ok)
		}
	}
}

func TestFinishingBeginsNothing(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	for _, protocol := range []transfer.Protocol{transfer.ProtocolPut, transfer.ProtocolRange} {
		d, s := upload(protocol, sink.URL("/f"), 1000)
		d.Finishing = func() bool { return true }
		_, f := send(t, sinkClient(t, sink), d, s, 0, &noted{})
		if failureCode(f) != transfer.CodeShuttingDown || f.Unknown || f.Sent || len(sink.Requests()) != 0 {
			t.Errorf("%s: %+v", protocol, f)
		}
	}
}

func TestFinishingEndsBetweenChunks(t *testing.T) {
	for _, protocol := range []transfer.Protocol{transfer.ProtocolRange, transfer.ProtocolGCS} {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		c := sinkClient(t, sink)
		d, s := upload(protocol, sink.URL("/f"), 1_000_000)
		d.PartSize = gcsUnit
		if protocol.HasSession() {
			openSession(t, c, d)
		}
		asked := 0
		d.Finishing = func() bool { asked++; return asked > 2 }
		n := &noted{}
		_, f := send(t, c, d, s, 0, n)
		if failureCode(f) != transfer.CodeShuttingDown || f.Unknown || !slices.Equal(n.offsets, []int64{gcsUnit, 2 * gcsUnit}) {
			t.Errorf("%s: %v %+v", protocol, n.offsets, f)
		}
	}
}

func openSession(t testing.TB, c *Client, d *Upload) {
	t.Helper()
	session, f := c.OpenSession(t.Context(), d)
	if f != nil {
		t.Fatalf("%+v", f)
	}
	session.Protocol, d.Session = d.Session.Protocol, session
	d.Session.Protocol = session.Protocol
}

func TestSessionsDeliver(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: true})
	c := sinkClient(t, sink)
	for _, size := range []int64{0, 1, gcsUnit, gcsUnit + 1, 5*gcsUnit + 77} {
		d, s := upload(transfer.ProtocolGCS, sink.URL("/f"+secretQuery), size)
		d.Headers = append(d.Headers, transfer.Header{Name: "Content-Type", Value: "text/csv"})
		d.PartSize = 2*gcsUnit + 5
		openSession(t, c, d)
		if left := time.Until(d.Session.Expires); left < gcsLife-time.Hour || left > gcsLife {
			t.Errorf("it is kept for %v", left)
		}
		n := &noted{}
		received := sink.Received("/f")
		if _, f := send(t, c, d, s, 0, n); f != nil {
			t.Fatalf("%d: %+v", size, f)
		}
		if o := has(t, sink, "/f", s); o.ContentType != "text/csv" {
			t.Errorf("content type %q", o.ContentType)
		}
		if got := sink.Received("/f") - received; got != size {
			t.Errorf("%d: %d bytes came", size, got)
		}
	}
}

func TestSessionsResume(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
		defer sink.Close()
		c := sinkClient(t, sink)
		defer c.Close()
		d, s := upload(transfer.ProtocolGCS, sink.URL("/f"), rapid.Int64Range(0, 5*gcsUnit).Draw(rt, "size"))
		d.PartSize = gcsUnit
		openSession(t, c, d)
		faults := rapid.IntRange(0, 4).Draw(rt, "faults")
		for range faults {
			sink.Fault(endpointtest.SinkFault{
				Method: "PUT", Skip: rapid.IntRange(0, 3).Draw(rt, "skip"), At: rapid.Int64Range(0, gcsUnit).Draw(rt, "at"),
				Kind:   rapid.SampledFrom([]endpointtest.SinkFaultKind{endpointtest.FaultCut, endpointtest.FaultLost, endpointtest.FaultStatus}).Draw(rt, "kind"),
				Status: 503,
			})
		}
		if _, f := resume(t, c, d, s); f != nil {
			rt.Fatalf("%+v", f)
		}
		if o := has(t, sink, "/f", s); o.Writes != 1 {
			rt.Errorf("made %d times", o.Writes)
		}
		// The far side takes bytes as they come, so that nothing it has is sent
		// again.
		if got := sink.Received("/f"); got > d.Size {
			rt.Errorf("%d bytes came of %d", got, d.Size)
		}
	})
}

func TestSessionsAreLostAndCanceled(t *testing.T) {
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	c := sinkClient(t, sink)
	for name, end := range map[string]func(*Upload){
		"forgotten": func(*Upload) { sink.Forget() },
		"canceled": func(d *Upload) {
			for range 2 { // a second time is no failure
				if e := c.Discard(t.Context(), d, d.Session.URL); e != nil {
					t.Error(e)
				}
			}
		},
	} {
		d, s := upload(transfer.ProtocolGCS, sink.URL("/f"), 1000)
		openSession(t, c, d)
		end(d)
		_, f := c.FindSession(t.Context(), d)
		checkFailure(t, f)
		if f == nil || !f.Lost || f.Err.Code != transfer.CodeSessionLost {
			t.Errorf("%s: %+v", name, f)
		}
		if _, f = send(t, c, d, s, 0, &noted{}); f == nil || !f.Lost {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestSessionsElsewhereAreRefused(t *testing.T) {
	other := endpointtest.NewSink(t, endpointtest.SinkOptions{})
	sink := endpointtest.NewSink(t, endpointtest.SinkOptions{TLS: true})
	for location, want := range map[string]transfer.Code{
		"":                               transfer.CodeUploadProtocol,
		other.URL("/s"):                  transfer.CodeDowngrade,
		"https://storage.example/s?id=1": transfer.CodeRedirectBody,
		"ftp://" + sink.Addr() + "/s":    transfer.CodeRedirectScheme,
	} {
		sink.Heal()
		sink.Fault(endpointtest.SinkFault{Kind: endpointtest.FaultStatus, Status: 200, Location: location})
		d, _ := upload(transfer.ProtocolGCS, sink.URL("/f"), 1000)
		session, f := sinkClient(t, sink).OpenSession(t.Context(), d)
		checkFailure(t, f)
		if failureCode(f) != want || session.URL != "" {
			t.Errorf("%q: %+v %+v", location, session, f)
		}
		if d.Session.URL = "https://elsewhere.example/s"; want == "" {
			continue
		}
		if _, f = sinkClient(t, sink).FindSession(t.Context(), d); failureCode(f) != transfer.CodeRedirectBody {
			t.Errorf("%+v", f)
		}
	}
	if len(other.Requests()) != 0 {
		t.Error("something went to another origin")
	}
}

// A far side that says that it has less, or all but does not end, is asked again
// by the core.
func TestOffsetsThatDoNotFit(t *testing.T) {
	at := func(r *uploadReply, before, has int64) transfer.Code { return failureCode(r.moved(before, has, 1000)) }
	home, _ := parse("http://h.example/")
	r := &uploadReply{status: 308, url: home}
	if got := at(r, 0, 500); got != "" {
		t.Errorf("more: %s", got)
	}
	for _, tc := range [][2]int64{{500, 500}, {500, 0}, {500, 1000}} {
		if got := at(r, tc[0], tc[1]); got != transfer.CodeUploadOffset {
			t.Errorf("%v: %q", tc, got)
		}
	}
}
