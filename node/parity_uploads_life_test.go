package node

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	pb "godwit/protos/godwit/v1"
)

// killed creates the upload "t1" in another process, kills that while the far
// side holds the whole request, and lets this process go on with it.
func killed(t *testing.T, f *farSide, upload *pb.Upload) *pb.Transfer {
	t.Helper()
	t.Parallel()
	dir, source := t.TempDir(), filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(source, content("t1"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := startHost(t, dir)
	ours := attach(t, dir)
	_, err := attached(ours).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: &pb.Transfer{
		Id: "t1", Direction: pb.Transfer_UPLOAD, Upload: upload,
		Source: &pb.Endpoint{Url: "file://" + source}, Destination: &pb.Endpoint{Url: f.URL + "/held"},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.arrived:
	case <-t.Context().Done():
		t.Fatal("nothing arrived")
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ours.Closed()
	f.open()
	return await(t, attached(attach(t, dir)))
}

func parityUploadKilledPut(t *testing.T) {
	f := newFarSide(t)
	got := killed(t, f, &pb.Upload{Protocol: "put"})
	if got.GetStatus() != pb.Transfer_COMPLETED || got.GetProgress().GetRestarts() != 1 || got.GetUpload().GetMaybeDuplicate() {
		t.Errorf("%v", got)
	}
	checkUploaded(t, f, "t1")
	if n := len(f.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func parityUploadKilledPost(t *testing.T) {
	f := newFarSide(t)
	got := killed(t, f, &pb.Upload{Protocol: "post"})
	if got.GetStatus() != pb.Transfer_FAILED || got.GetError().GetCode() != "upload.maybe_duplicate" {
		t.Errorf("%v", got)
	}
	if n := len(f.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func parityUploadKey(t *testing.T) {
	f := newFarSide(t)
	got := killed(t, f, &pb.Upload{Protocol: "post", IdempotencyKey: "of-t1"})
	if got.GetStatus() != pb.Transfer_COMPLETED || got.GetUpload().GetMaybeDuplicate() {
		t.Errorf("%v", got)
	}
	checkUploaded(t, f, "t1")
	for _, r := range f.requests() {
		if r.header.Get("Idempotency-Key") != "of-t1" {
			t.Errorf("key %q", r.header.Get("Idempotency-Key"))
		}
	}
}

func parityUploadSet(t *testing.T) {
	f, o, h := newFarSide(t), newOrigin(t), newHook(t, accept)
	f.answers["/none"] = func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }
	p := newParity(t)
	p.set("s", h)
	p.member("down", o.URL("/f"))
	for _, id := range []string{"up", "none"} {
		spec := p.upload(id, f.URL+"/"+id+"?token=CANARY")
		spec.CompletionGroup = "s"
		p.create(spec)
	}
	p.enable("s")
	if g := p.done("s"); g.GetMembers().GetCompleted() != 2 || g.GetMembers().GetFailed() != 1 {
		t.Errorf("members %v", g.GetMembers())
	}
	var data struct{ Transfers []json.RawMessage }
	if err := json.Unmarshal(h.calls()[0].event.Data, &data); err != nil {
		t.Fatal(err)
	}
	told := map[string]*pb.Transfer{}
	for _, raw := range data.Transfers {
		var tr pb.Transfer
		if err := protojson.Unmarshal(raw, &tr); err != nil {
			t.Fatal(err)
		}
		told[tr.GetId()] = &tr
	}
	if up := told["up"]; up.GetDirection() != pb.Transfer_UPLOAD || up.GetDestination().GetUrl() != f.URL+"/up" || up.GetResponse().GetStatusCode() != http.StatusCreated {
		t.Errorf("told %v", up)
	}
	if len(told) != 3 || told["down"].GetDirection() != pb.Transfer_DOWNLOAD || told["none"].GetStatus() != pb.Transfer_FAILED {
		t.Errorf("told %v", told)
	}
}

func parityUploadGroup(t *testing.T) {
	f, o := newFarSide(t), newOrigin(t)
	p := newParity(t)
	must(p.c.CreateGroup(p.ctx, &pb.Group{Name: "q", Behavior: pb.Group_SERIALIZED}))(p)
	ids := []string{"first", "download", "last"}
	for _, id := range ids {
		spec := p.upload(id, f.URL+"/held/"+id)
		if id == "download" {
			spec = p.spec(id, o.URL("/f"))
		}
		spec.Group = "q"
		p.create(spec)
	}
	p.holds(f)
	p.eventually("the group knows its members", func() bool {
		return slices.Equal(must(p.c.Group(p.ctx, "q"))(p).GetMembers().GetOrder(), ids)
	})
	p.running(ids, "first")
	if n := len(o.Requests()); n > 0 {
		t.Errorf("%d requests beside it", n)
	}
	f.open()
	p.completed("download", o)
	p.status("last", pb.Transfer_COMPLETED)
	if paths := f.paths(); !slices.Equal(paths, []string{"/held/first", "/held/last"}) {
		t.Errorf("sent to %v", paths)
	}
}

func parityUploadPriority(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t, func(c *Config) { c.Slots = 1 })
	p.create(p.upload("first", f.URL+"/held"))
	p.holds(f)
	p.create(p.upload("second", f.URL+"/second"))
	p.create(p.upload("third", f.URL+"/third"))
	must(p.c.Update(p.ctx, &pb.UpdateTransferRequest{Id: "third", Priority: pb.PriorityClass_HIGH}))(p)
	f.open()
	p.status("second", pb.Transfer_COMPLETED)
	if paths := f.paths(); !slices.Equal(paths, []string{"/held", "/third", "/second"}) {
		t.Errorf("sent to %v", paths)
	}
}

func parityUploadCancel(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	p.add(p.upload("idle", f.URL+"/f"))
	p.create(p.upload("running", f.URL+"/held"))
	p.holds(f)
	for _, id := range []string{"idle", "running", "running"} {
		must(p.c.Cancel(p.ctx, id, "no longer wanted"))(p)
		if got := p.status(id, pb.Transfer_CANCELED); got.GetCanceledBy() != "api" || got.GetCancelReason() != "no longer wanted" {
			t.Errorf("%s: %v", id, got)
		}
	}
	if paths := f.paths(); !slices.Equal(paths, []string{"/held"}) {
		t.Errorf("sent to %v", paths)
	}
	if _, err := os.Stat(p.file("running.src")); err != nil {
		t.Errorf("the source: %v", err)
	}
}

func parityUploadRedirect(t *testing.T) {
	f, other := newFarSide(t), newFarSide(t)
	f.answers["/away"] = func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", other.URL+"/f")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	f.answers["/near"] = func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", "/f")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	p := newParity(t)
	p.create(p.upload("away", f.URL+"/away"))
	p.create(p.upload("near", f.URL+"/near"))
	if got := p.status("away", pb.Transfer_FAILED).GetError().GetCode(); got != "redirect.cross_origin_body" {
		t.Errorf("failed with %s", got)
	}
	p.status("near", pb.Transfer_COMPLETED)
	if len(other.requests()) > 0 || !slices.Contains(f.paths(), "/f") {
		t.Errorf("sent to %v, and %v elsewhere", f.paths(), other.paths())
	}
}

// The far side forgets what it had: what is done falls, what was sent does not.
func parityUploadProgress(t *testing.T) {
	s := newTusServer(t)
	p := newParity(t)
	spec := p.upload("t", s.URL+"/files")
	spec.Upload.Protocol, spec.PartSize = "tus", parityPart
	p.create(spec)
	before := p.stored("t", parityPart).GetProgress()
	close(s.forget)
	got := p.status("t", pb.Transfer_COMPLETED)
	size := int64(len(content("t")))
	if before.GetBytesTotal() != size || before.GetBytesDone() != parityPart || len(before.GetRanges()) != 1 {
		t.Errorf("before: %v", before)
	}
	if after := got.GetProgress(); after.GetBytesDone() != size || after.GetRestarts() != 1 || after.GetBytesOnWire() < size+parityPart {
		t.Errorf("after: %v", after)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(s.got) != string(content("t")) {
		t.Errorf("the server has %d bytes", len(s.got))
	}
}

func parityUploadChanged(t *testing.T) {
	f := newFarSide(t)
	p := newParity(t)
	p.add(p.upload("t", f.URL+"/f"))
	if err := os.WriteFile(p.file("t.src"), []byte("not what it was at creation"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(p.c.Start(p.ctx, "t"))(p)
	if got := p.status("t", pb.Transfer_FAILED).GetError().GetCode(); got != "source.changed" {
		t.Errorf("failed with %s", got)
	}
	if n := len(f.requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	gone := p.upload("gone", f.URL+"/f")
	if err := os.Remove(p.file("gone.src")); err != nil {
		t.Fatal(err)
	}
	_, err := p.c.Create(p.ctx, gone, true)
	p.refused(err, "source.not_found")
}
