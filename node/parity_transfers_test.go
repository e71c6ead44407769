package node

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

var parityTransfers = []parityLine{
	{"to a file and to an object store", parityDestinations},
	{"request body given inline", parityInlineBody},
	{"request body that lies in a store", parityStoredBody},
	{"custom verb, GET by default", parityVerbs},
	{"headers at creation, appended, removed and replaced later", parityHeaders},
	{"secrets are sealed, userinfo in a URL is refused", paritySecrets},
	{"response is absent before the first answer, then status, headers, final URL and resumable", parityResponse},
	{"history of attempts", parityHistory},
	{"id stays over a restart of the node", parityID},
}

// newOrigin has a megabyte and 17 bytes.
func newOrigin(t *testing.T, change ...func(*endpointtest.Behavior)) *endpointtest.Origin {
	t.Helper()
	opts := endpointtest.Options{Seed: 7, Size: 1<<20 + 17}
	for _, f := range change {
		f(&opts.Behavior)
	}
	return endpointtest.New(t, opts)
}

func parityDestinations(t *testing.T) {
	fake := s3test.NewFake(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	o := newOrigin(t)
	p := newParityAlone(t, func(c *Config) { c.StateStore = "s3://state/cluster?endpoint=" + fake.Endpoint })
	p.create(p.spec("file", o.URL("/f")))
	object := p.spec("object", o.URL("/f"))
	object.Destination.Url, object.PartSize = "s3://bucket/key", 0
	p.create(object)
	p.completed("file", o)
	p.status("object", pb.Transfer_COMPLETED)
	body := p.c.Read(p.ctx, "object", 0)
	defer body.Close()
	if err := o.Content().Verify(body); err != nil {
		t.Errorf("the object: %v", err)
	}
}

// A form that the server wants before it gives the content, and wants again.
func parityInlineBody(t *testing.T) {
	o := newOrigin(t, func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusServiceUnavailable, 1 })
	p := newParity(t)
	spec := p.spec("t", o.URL("/form"))
	spec.Method, spec.Body = http.MethodPost, []byte("answer=42")
	p.create(spec)
	p.completed("t", o)
	requests := o.Requests()
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	for _, r := range requests {
		if r.Method != http.MethodPost || string(r.Body) != "answer=42" {
			t.Errorf("%s with body %q", r.Method, r.Body)
		}
	}
}

func parityStoredBody(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	for _, id := range []string{"same", "changed"} {
		body := p.file(id + ".body")
		if err := os.WriteFile(body, []byte("body of "+id), 0o600); err != nil {
			t.Fatal(err)
		}
		spec := p.spec(id, o.URL("/"+id))
		spec.Method, spec.BodySource = http.MethodPost, &pb.Endpoint{Url: "file://" + body}
		p.add(spec)
	}
	if err := os.WriteFile(p.file("changed.body"), []byte("not what it was at creation"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"same", "changed"} {
		must(p.c.Start(p.ctx, id))(p)
	}
	p.completed("same", o)
	if got := p.status("changed", pb.Transfer_FAILED).GetError().GetCode(); got != "source.changed" {
		t.Errorf("failed with %s", got)
	}
	for _, r := range o.Requests() {
		if r.Path != "/same" && len(r.Body) > 0 || r.Path == "/same" && string(r.Body) != "body of same" {
			t.Errorf("%s was sent %q", r.Path, r.Body)
		}
	}
}

func parityVerbs(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	report := p.spec("report", o.URL("/report"))
	report.Method = "REPORT"
	p.create(report)
	p.create(p.spec("plain", o.URL("/plain")))
	p.completed("report", o)
	if got := p.completed("plain", o).GetMethod(); got != http.MethodGet {
		t.Errorf("the method is shown as %q", got)
	}
	for _, r := range o.Requests() {
		if want := map[string]string{"/report": "REPORT", "/plain": http.MethodGet}[r.Path]; r.Method != want {
			t.Errorf("%s of %s", r.Method, r.Path)
		}
	}
}

func parityHeaders(t *testing.T) {
	o := newOrigin(t)
	tap := turnOn(o, "/f", 300<<10)
	p := newParity(t)
	spec := p.spec("t", o.URL("/f"))
	spec.Headers = []*pb.Header{{Name: "X-Many", Value: "1"}, {Name: "X-Gone", Value: "1"}, {Name: "X-New", Value: "old"}}
	p.add(spec)
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{
		Id: "t", AppendHeaders: []*pb.Header{{Name: "X-Many", Value: "2"}}, RemoveHeaders: []string{"x-gone"},
		Headers: []*pb.Header{{Name: "X-New", Value: "new"}},
	}))(p)
	must(p.c.Start(p.ctx, "t"))(p)
	p.stored("t", parityPart)
	h := o.Requests()[0].Header
	if !slices.Equal(h.Values("X-Many"), []string{"1", "2"}) || len(h.Values("X-Gone")) > 0 || !slices.Equal(h.Values("X-New"), []string{"new"}) {
		t.Errorf("first request: %v", h)
	}
	only := &pb.UpdateTransferRequest{Id: "t", ReplaceHeaders: true, Headers: []*pb.Header{{Name: "X-Only", Value: "1"}}}
	_, err := p.c.Update(p.ctx, only)
	p.refused(err, "state.conflict")
	must(p.c.Pause(p.ctx, "t"))(p)
	must(p.c.Update(p.ctx, only))(p)
	tap.open()
	must(p.c.Resume(p.ctx, "t"))(p)
	p.completed("t", o)
	for _, r := range o.Requests()[1:] {
		if h := r.Header; h.Get("X-Only") != "1" || h.Get("X-Many")+h.Get("X-New") != "" {
			t.Errorf("after the change: %v", h)
		}
	}
}

func paritySecrets(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	spec := p.spec("t", o.URL("/f?token=CANARY"))
	spec.Headers = []*pb.Header{{Name: "Authorization", Value: "Bearer CANARY"}}
	p.create(spec)
	p.completed("t", o)
	if r := o.Requests()[0]; r.Query != "token=CANARY" || r.Header.Get("Authorization") != "Bearer CANARY" {
		t.Errorf("the origin was not told: %v", r)
	}
	if shown := p.get("t").String(); strings.Contains(shown, "CANARY") {
		t.Errorf("shown: %s", shown)
	}
	noCanary(t, p.cfg.DataDir)
	_, err := p.c.Create(p.ctx, p.spec("u", "http://user:CANARY@"+o.Addr()+"/f"), true)
	p.refused(err, "url.userinfo")
	if err != nil && strings.Contains(err.Error(), "CANARY") {
		t.Errorf("the refusal tells the secret: %v", err)
	}
}

func parityResponse(t *testing.T) {
	o := newOrigin(t)
	o.Redirect("/start", http.StatusFound, o.URL("/final?token=CANARY"))
	p := newParity(t)
	p.add(p.spec("t", o.URL("/start")))
	get := func() map[string]any { return p.json("TransferService/GetTransfer", map[string]string{"id": "t"}) }
	if response := get()["response"]; response != nil {
		t.Errorf("before the first answer: %v", response)
	}
	must(p.c.Start(p.ctx, "t"))(p)
	p.completed("t", o)
	response, _ := get()["response"].(map[string]any)
	if response["actualUrl"] != o.URL("/final") || response["statusCode"] != 206.0 || response["resumable"] != true {
		t.Errorf("response %v", response)
	}
	etag := map[string]any{"name": "Etag", "value": o.ETag()}
	headers, _ := response["headers"].([]any)
	if !slices.ContainsFunc(headers, func(h any) bool {
		m, _ := h.(map[string]any)
		return m["name"] == etag["name"] && m["value"] == etag["value"]
	}) {
		t.Errorf("headers %v, want %v", headers, etag)
	}
}

func parityHistory(t *testing.T) {
	o := newOrigin(t, func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = http.StatusServiceUnavailable, 1 })
	p := newParity(t)
	p.create(p.spec("t", o.URL("/f?token=CANARY")))
	got := p.completed("t", o)
	h := got.GetAttemptHistory()
	if got.GetAttempts() != 2 || len(h) != 2 {
		t.Fatalf("%d attempts, remembered %v", got.GetAttempts(), h)
	}
	if h[0].GetStatusCode() != 503 || h[0].GetError().GetCode() != "http.unavailable" || h[0].GetUrl() != o.URL("/f") || h[0].GetNode() != "n1" {
		t.Errorf("first: %v", h[0])
	}
	if h[1].GetStatusCode() != 206 || h[1].GetError() != nil || h[1].GetTime().AsTime().Before(h[0].GetTime().AsTime()) {
		t.Errorf("second: %v", h[1])
	}
}

func parityID(t *testing.T) {
	o := newOrigin(t)
	p := newParity(t)
	spec := p.spec("", o.URL("/f"))
	spec.Destination.Url = "file://" + p.file("named later")
	id := p.add(spec).GetId()
	spec.Id = id
	p.stop()
	p.begin()
	if got := p.get(id); got.GetId() != id || got.GetStatus() != pb.Transfer_IDLE {
		t.Errorf("after the restart: %v", got)
	}
	p.add(spec) // finds the first
	other := proto.CloneOf(spec)
	other.Source.Url = o.URL("/other")
	_, err := p.c.Create(p.ctx, other, false)
	p.refused(err, "id.conflict")
	if n := len(o.Requests()); n > 0 {
		t.Errorf("the origin got %d requests for what was not started", n)
	}
}
