package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	pb "godwit/protos/godwit/v1"
)

var parityUploads = []parityLine{
	{"a file in one request, with its type and length", parityUploadFile},
	{"a stream, which is spooled", parityUploadStream},
	{"a form of texts and files, with headers of parts", parityUploadForm},
	{"a form of another subtype, with a boundary given", parityUploadRelated},
	{"PUT by default, POST for a form, or any other verb", parityUploadVerbs},
	{"the answer: absent at first, then status, headers and body", parityUploadAnswer},
	{"an upload pauses and resumes", parityUploadPause},
	{"another URL while it is paused", parityUploadURL},
	{"headers of an upload change", parityUploadHeaders},
	{"an upload meets a recoverable status, and its resolver helps", parityUploadResolver},
	{"PUT begins again when its node is killed, which is counted", parityUploadKilledPut},
	{"POST without a key is not repeated when its node is killed", parityUploadKilledPost},
	{"POST with a key is repeated", parityUploadKey},
	{"a set counts both directions, and its payload lists both", parityUploadSet},
	{"a serial group holds both directions", parityUploadGroup},
	{"priority of an upload is live", parityUploadPriority},
	{"an upload is canceled", parityUploadCancel},
	{"content goes to no other origin", parityUploadRedirect},
	{"progress of an upload may fall, bytes on the wire never", parityUploadProgress},
	{"a source that has changed is not sent", parityUploadChanged},
	{"listing uploads changes nothing", parityUploadListing},
}

func parityUploadFile(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	spec := p.upload("t", f.URL+"/f?token=CANARY")
	spec.Upload = nil
	p.create(spec)
	got := p.status("t", pb.Transfer_COMPLETED)
	r := f.requests()
	if len(r) != 1 || !bytes.Equal(r[0].body, content("t")) || r[0].query != "token=CANARY" {
		t.Fatalf("%d requests", len(r))
	}
	if h := r[0].header; h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Length") != fmt.Sprint(len(content("t"))) {
		t.Errorf("header %v", h)
	}
	if got.GetUpload().GetChosenProtocol() != "put" || got.GetUpload().GetChosenReason() == "" || got.GetDestination().GetUrl() != f.URL+"/f" {
		t.Errorf("shown as %v", got)
	}
}

func parityUploadStream(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	stream := rpc(p.node).SpoolSource(p.ctx)
	for rest := content("t"); len(rest) > 0; {
		n := min(len(rest), parityPart)
		if err := stream.Send(&pb.SpoolSourceRequest{Data: rest[:n]}); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	kept := must(stream.CloseAndReceive())(p).Msg
	spec := p.upload("t", f.URL+"/f")
	spec.Source.Url, spec.Upload.Spooled = kept.GetUrl(), true
	p.create(spec)
	p.status("t", pb.Transfer_COMPLETED)
	if r := f.requests(); kept.GetSize() != int64(len(content("t"))) || len(r) != 1 || !bytes.Equal(r[0].body, content("t")) {
		t.Errorf("spooled %v, %d requests", kept, len(r))
	}
	download := p.spec("d", f.URL+"/f")
	download.Destination = spec.GetSource()
	_, err := p.c.Create(p.ctx, download, true)
	p.refused(err, "path.denied")
}

// formParts reads a multipart body.
func formParts(t *testing.T, r sentRequest) (subtype, boundary string, parts map[string]*multipart.Part, bodies map[string]string) {
	t.Helper()
	media, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts, bodies = map[string]*multipart.Part{}, map[string]string{}
	for reader := multipart.NewReader(bytes.NewReader(r.body), params["boundary"]); ; {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return strings.TrimPrefix(media, "multipart/"), params["boundary"], parts, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		name := part.FormName() + part.Header.Get("Content-Id")
		parts[name], bodies[name] = part, string(body)
	}
}

func parityUploadForm(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	spec := p.upload("t", f.URL+"/f")
	spec.Upload = &pb.Upload{Form: &pb.Form{Parts: []*pb.FormPart{
		{Name: "note", Text: "for you"},
		{Name: "file", FileName: "a b.bin", Source: spec.GetSource(), Headers: []*pb.Header{{Name: "Content-Type", Value: "image/png"}}},
	}}}
	spec.Source = nil
	p.create(spec)
	shown := p.status("t", pb.Transfer_COMPLETED)
	r := f.requests()
	if len(r) != 1 {
		t.Fatalf("%d requests", len(r))
	}
	subtype, _, parts, bodies := formParts(t, r[0])
	if subtype != "form-data" || len(parts) != 2 || bodies["note"] != "for you" || bodies["file"] != string(content("t")) {
		t.Errorf("%s of %d parts, note %q", subtype, len(parts), bodies["note"])
	}
	if file := parts["file"]; file == nil || file.FileName() != "a b.bin" || file.Header.Get("Content-Type") != "image/png" {
		t.Errorf("file %v", file)
	}
	if strings.Contains(shown.String(), "for you") {
		t.Errorf("a text is shown: %v", shown)
	}
}

func parityUploadRelated(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	spec := p.upload("t", f.URL+"/f")
	id := func(id string) []*pb.Header { return []*pb.Header{{Name: "Content-Id", Value: id}} }
	spec.Upload = &pb.Upload{Form: &pb.Form{Subtype: "related", Boundary: "of_godwit", Parts: []*pb.FormPart{
		{Text: `{"name":"x"}`, Headers: append(id("<meta>"), &pb.Header{Name: "Content-Type", Value: "application/json"})},
		{Source: spec.GetSource(), Headers: id("<media>")},
	}}}
	spec.Source = nil
	p.create(spec)
	p.status("t", pb.Transfer_COMPLETED)
	subtype, boundary, parts, bodies := formParts(t, f.requests()[0])
	if subtype != "related" || boundary != "of_godwit" || bodies["<media>"] != string(content("t")) || bodies["<meta>"] != `{"name":"x"}` {
		t.Errorf("%s, boundary %s, %d parts", subtype, boundary, len(parts))
	}
	if meta := parts["<meta>"]; meta == nil || meta.Header.Get("Content-Type") != "application/json" {
		t.Errorf("meta %v", meta)
	}
}

func parityUploadVerbs(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	report := p.upload("report", f.URL+"/report")
	report.Method, report.Upload = "REPORT", nil
	form := p.upload("form", f.URL+"/form")
	form.Upload = &pb.Upload{Form: &pb.Form{Parts: []*pb.FormPart{{Name: "a", Text: "b"}}}}
	form.Source = nil
	for id, spec := range map[string]*pb.Transfer{"report": report, "form": form, "plain": p.upload("plain", f.URL+"/plain")} {
		want := map[string]string{"report": "REPORT", "form": http.MethodPost, "plain": http.MethodPut}[id]
		p.create(spec)
		if got := p.status(id, pb.Transfer_COMPLETED).GetMethod(); got != want {
			t.Errorf("%s is shown with %s", id, got)
		}
		for _, r := range f.requests() {
			if r.path == "/"+id && r.method != want {
				t.Errorf("%s of %s", r.method, r.path)
			}
		}
	}
}

func parityUploadAnswer(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	p.add(p.upload("t", f.URL+"/f?token=CANARY"))
	get := func() map[string]any { return p.json("TransferService/GetTransfer", map[string]string{"id": "t"}) }
	if response := get()["response"]; response != nil {
		t.Errorf("before any answer: %v", response)
	}
	must(p.c.Start(p.ctx, "t"))(p)
	done := p.status("t", pb.Transfer_COMPLETED)
	response, _ := get()["response"].(map[string]any)
	if response["actualUrl"] != f.URL+"/f" || response["statusCode"] != 201.0 || response["bodyBytes"] != "5" || response["bodyTruncated"] != false || response["resumable"] != false {
		t.Errorf("response %v", response)
	}
	if !slices.ContainsFunc(done.GetResponse().GetHeaders(), func(h *pb.Header) bool { return h.GetName() == "Etag" && h.GetValue() == `"42"` }) {
		t.Errorf("headers %v", done.GetResponse().GetHeaders())
	}
	if got := p.read("t"); got != "kept\n" || done.GetProgress().GetResponseBytes() != 5 {
		t.Errorf("read %q, %d bytes", got, done.GetProgress().GetResponseBytes())
	}
}

func parityUploadPause(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	p.create(p.upload("t", f.URL+"/held"))
	p.holds(f)
	must(p.c.Pause(p.ctx, "t"))(p)
	p.status("t", pb.Transfer_PAUSED)
	f.open()
	must(p.c.Resume(p.ctx, "t"))(p)
	p.status("t", pb.Transfer_COMPLETED)
	if r := f.requests(); len(r) != 2 || !bytes.Equal(r[1].body, content("t")) {
		t.Errorf("%d requests", len(r))
	}
	_, err := p.c.Pause(p.ctx, "t")
	p.refused(err, "state.conflict")
	held := newFarSide(t)
	p.create(p.post("post", held.URL+"/held", ""))
	p.holds(held)
	_, err = p.c.Pause(p.ctx, "post")
	p.refused(err, "state.conflict")
	held.open()
	p.status("post", pb.Transfer_COMPLETED)
}

func parityUploadURL(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	p.create(p.upload("t", f.URL+"/held"))
	p.holds(f)
	fresh := f.URL + "/fresh?token=CANARY"
	change := &pb.UpdateTransferRequest{Id: "t", Url: &fresh}
	_, err := p.c.Update(p.ctx, change)
	p.refused(err, "state.conflict")
	must(p.c.Pause(p.ctx, "t"))(p)
	must(p.c.Update(p.ctx, change))(p)
	must(p.c.Resume(p.ctx, "t"))(p)
	got := p.status("t", pb.Transfer_COMPLETED)
	if paths := f.paths(); !slices.Equal(paths, []string{"/held", "/fresh"}) || got.GetDestination().GetUrl() != f.URL+"/fresh" {
		t.Errorf("sent to %v, shown as %s", paths, got.GetDestination().GetUrl())
	}
	if source := got.GetSource().GetUrl(); source != "file://"+p.file("t.src") {
		t.Errorf("the source became %s", source)
	}
}

func parityUploadHeaders(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	spec := p.upload("t", f.URL+"/f")
	spec.Headers = []*pb.Header{{Name: "X-Gone", Value: "1"}, {Name: "X-New", Value: "old"}, {Name: "Content-Type", Value: "text/plain"}}
	p.add(spec)
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{
		Id: "t", RemoveHeaders: []string{"x-gone"}, Headers: []*pb.Header{{Name: "X-New", Value: "new"}},
	}))(p)
	must(p.c.Start(p.ctx, "t"))(p)
	p.status("t", pb.Transfer_COMPLETED)
	if h := f.requests()[0].header; h.Get("X-Gone") != "" || h.Get("X-New") != "new" || h.Get("Content-Type") != "text/plain" {
		t.Errorf("sent with %v", h)
	}
}

func parityUploadResolver(t *testing.T) {
	f := newFarSide(t)
	f.answers["/expired"] = func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }
	resolver := newHook(t, func(_ int, w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `{"url": %q, "headers": [{"name": "X-Key", "value": "new"}]}`, f.URL+"/fresh")
	})
	p := newParity(t)
	spec := p.upload("t", f.URL+"/expired")
	spec.RecoverableStatuses, spec.Resolver = []int32{403}, &pb.Webhook{Url: resolver.URL, Secret: paritySecret}
	p.create(spec)
	p.status("t", pb.Transfer_COMPLETED)
	r := f.requests()
	if last := r[len(r)-1]; len(r) != 2 || last.path != "/fresh" || last.header.Get("X-Key") != "new" || !bytes.Equal(last.body, content("t")) {
		t.Errorf("sent to %v", f.paths())
	}
}

func parityUploadListing(t *testing.T) {
	f, o := newFarSide(t), newOrigin(t)
	p := newParity(t)
	p.add(p.upload("put", f.URL+"/f"))
	p.add(p.post("post", f.URL+"/f", ""))
	p.add(p.spec("download", o.URL("/f")))
	before := p.records()
	var ids []string
	for tr, err := range p.c.List(p.ctx, &pb.ListTransfersRequest{Direction: pb.Transfer_UPLOAD}) {
		ids = append(ids, must(tr, err)(p).GetId())
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"post", "put"}) || len(f.requests()) > 0 {
		t.Errorf("listed %v, %d requests", ids, len(f.requests()))
	}
	for path, digest := range p.records() {
		if before[path] != digest {
			t.Errorf("listing changes %s", path)
		}
	}
}

// checkUploaded wants the last whole request to have had the content of an id.
func checkUploaded(t *testing.T, f *farSide, id string) {
	t.Helper()
	r := f.requests()
	if len(r) == 0 || !bytes.Equal(r[len(r)-1].body, content(id)) {
		t.Errorf("%d requests, the last one without the content of %s", len(r), id)
	}
}
