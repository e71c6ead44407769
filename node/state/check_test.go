package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

// noKey opens nothing.
type noKey struct{}

func (noKey) Open(string, []byte) ([]byte, error) { return nil, errors.New("another key") }

func check(t *testing.T, cfg CheckConfig) Report {
	t.Helper()
	report, err := Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// find returns the findings about a subject.
func find(r Report, subject string) (out []Finding) {
	for _, f := range r.Findings {
		if f.Subject == subject {
			out = append(out, f)
		}
	}
	return out
}

func TestEveryKindOfDamage(t *testing.T) {
	w := newWorld(t)
	w.lease("n1", false)
	w.put(kindTransfer, "good", &recordpb.Transfer{Id: "good", Phase: "QUEUED", Spec: &recordpb.Spec{Group: "q1", CompletionGroup: "g1"}})
	w.put(kindGroup, "q1", &recordpb.Group{Name: "q1"})
	w.put(kindCompletion, "g1", &recordpb.CompletionGroup{Id: "g1", Phase: "ENABLED", Members: []string{"good"}})
	w.put(kindTask, "k1", &recordpb.Task{Id: "k1"})
	w.put(kindCompletion, "g2", &recordpb.CompletionGroup{Id: "g2", Phase: "TRIGGERED", Task: "k1"})
	if r := check(t, CheckConfig{Records: w.records}); r.Damaged() || len(r.Findings) > 0 || r.Records["transfers"] != 1 || r.Records["completionGroups"] != 2 {
		t.Fatalf("%+v", r)
	}
	env := envelope([]byte("x"))
	env.Checksum++
	w.raw(keyIn(kindTransfer, "sum"), marshal(t, env))
	w.raw(keyIn(kindTransfer, "bytes"), []byte{0xff})
	env = envelope([]byte("x"))
	env.Format = 9
	w.raw(keyIn(kindTransfer, "newer"), marshal(t, env))
	env = envelope(nil)
	env.Owner = nil
	w.raw(keyIn(kindTask, "owner"), marshal(t, env))
	w.raw(keyIn(kindTask, "body"), marshal(t, envelope([]byte{0xff})))
	w.put(kindTransfer, "other", &recordpb.Transfer{Id: "another"})
	w.raw("shards/000/t/lost", marshal(t, envelope(marshal(t, &recordpb.Transfer{Id: "lost"}))))
	w.put(kindTransfer, "sealed", &recordpb.Transfer{Id: "sealed", Phase: "COMPLETED", Sealed: []byte("x")})
	w.put(kindTransfer, "alone", &recordpb.Transfer{Id: "alone", Phase: "QUEUED", Spec: &recordpb.Spec{Group: "none"}})
	w.put(kindTransfer, "ended", &recordpb.Transfer{Id: "ended", Phase: "FAILED", Spec: &recordpb.Spec{Group: "none"}})
	w.put(kindCompletion, "waits", &recordpb.CompletionGroup{Id: "waits", Phase: "ENABLED", Members: []string{"good", "gone"}})
	w.put(kindCompletion, "fired", &recordpb.CompletionGroup{Id: "fired", Phase: "TRIGGERED", Task: "gone"})
	w.raw("nodes/n2", []byte{0xff})
	w.raw("some/other", []byte("x"))
	r := check(t, CheckConfig{Records: w.records, Sealer: noKey{}})
	for subject, want := range map[string]string{
		keyIn(kindTransfer, "sum"): "checksum", keyIn(kindTransfer, "bytes"): "not readable", keyIn(kindTask, "owner"): "owner",
		keyIn(kindTask, "body"): "body is not readable", keyIn(kindTransfer, "other"): `of "another"`, "shards/000/t/lost": "no node looks for it there",
		keyIn(kindTransfer, "sealed"): "another key", keyIn(kindTransfer, "alone"): "the group it belongs to is missing",
		keyIn(kindCompletion, "waits"): "a member that it waits for is missing", keyIn(kindCompletion, "fired"): "its task is missing", "nodes/n2": "not readable",
		keyIn(kindTransfer, "newer"): "format 9", "some/other": "no such record",
	} {
		found := find(r, subject)
		severity := SeverityError
		if strings.Contains(want, "format") || strings.Contains(want, "no such") {
			severity = SeverityWarning
		}
		if len(found) != 1 || !strings.Contains(found[0].Detail, want) || found[0].Severity != severity {
			t.Errorf("%s: %+v, want %q", subject, found, want)
		}
	}
	if len(r.Findings) != 13 || !r.Damaged() {
		t.Errorf("%d findings: %+v", len(r.Findings), r.Findings)
	}
}

// place is a store with a folder for results and one for content to be sent.
type testPlace struct {
	store          storage.PendingLister
	scheme         string
	results, spool string
	// age makes all that is there two days old.
	age func()
}

func filePlace(t *testing.T) *testPlace {
	root := t.TempDir()
	p := &testPlace{scheme: "file", results: root + "/results", spool: root + "/spool"}
	for _, folder := range []string{p.results, p.spool} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	store, err := dir.OpenObjects(dir.Config{Roots: []string{p.results, p.spool}})
	if err != nil {
		t.Fatal(err)
	}
	p.store = store
	p.age = func() {
		at := time.Now().Add(-48 * time.Hour)
		err := filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
			return errors.Join(err, os.Chtimes(path, at, at))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func s3Place(t *testing.T) *testPlace {
	fake := s3test.NewFake(t)
	store, err := s3.OpenObjects(s3.Config{
		Endpoint: fake.Endpoint, Keys: s3.Keys{ID: "k", Secret: "s"}, Pool: storage.NewBufferPool(64 << 20),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &testPlace{store: store, scheme: "s3", results: "results", spool: "state/p-spool", age: func() {
		fake.SetClock(func() time.Time { return time.Now().Add(48 * time.Hour) })
	}}
}

// begin begins an upload of an object and stores a part.
func (p *testPlace) begin(t *testing.T, name, token string) storage.Upload {
	t.Helper()
	up, err := p.store.Begin(t.Context(), name, storage.BeginOptions{Token: token, Size: storage.UnknownSize})
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.store.OpenPart(t.Context(), up, 1, 0, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.ReadFrom(strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return up
}

// publish makes a whole object.
func (p *testPlace) publish(t *testing.T, name string) {
	t.Helper()
	up, err := p.store.Begin(t.Context(), name, storage.BeginOptions{Token: "whole"})
	if err == nil {
		_, err = p.store.Complete(t.Context(), up, nil, storage.CompleteOptions{Token: "whole"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *testPlace) has(t *testing.T, up storage.Upload) bool {
	t.Helper()
	_, err := p.store.Touched(t.Context(), up)
	if err != nil && !errors.Is(err, storage.ErrNoUpload) {
		t.Fatal(err)
	}
	return err == nil
}

func (p *testPlace) config(w *world) CheckConfig {
	return CheckConfig{
		Records: w.records, Objects: map[string]storage.PendingLister{p.scheme: p.store},
		Spool: p.scheme + "://" + p.spool + "/", Places: []string{p.scheme + "://" + p.results + "/"},
	}
}

func download(id, phase, destination string, up storage.Upload) *recordpb.Transfer {
	return &recordpb.Transfer{
		Id: id, Phase: phase, Spec: &recordpb.Spec{Direction: "DOWNLOAD", Destination: destination},
		Generation: &recordpb.Generation{Upload: &recordpb.Upload{Name: up.Name, Id: up.ID}},
	}
}

// older is a store whose clock is ahead of what it dated.
type older struct {
	storage.PendingLister
	by time.Duration
}

func (o *older) Clock(ctx context.Context, place string) (time.Time, error) {
	now, err := o.PendingLister.Clock(ctx, place)
	return now.Add(o.by), err
}

// undated is a store that does not say when an upload was begun.
type undated struct{ storage.PendingLister }

func (u undated) ListPending(ctx context.Context, place string, visit func(storage.Pending) error) error {
	return u.PendingLister.ListPending(ctx, place, func(p storage.Pending) error {
		p.Changed = time.Time{}
		return visit(p)
	})
}

func (u undated) Touched(context.Context, storage.Upload) (time.Time, error) { return time.Time{}, nil }

// TestUploadsWithoutADateAreLeftAlone: they may have been begun a moment ago.
func TestUploadsWithoutADateAreLeftAlone(t *testing.T) {
	p, w := s3Place(t), newWorld(t)
	up, err := p.store.Begin(t.Context(), p.results+"/a", storage.BeginOptions{Token: "new"})
	if err != nil {
		t.Fatal(err)
	}
	w.put(kindTransfer, "a", download("a", "COMPLETED", "s3://"+p.results+"/a", storage.Upload{}))
	cfg := p.config(w)
	cfg.Objects, cfg.Repair, cfg.Unclaimed = map[string]storage.PendingLister{"s3": undated{p.store}}, true, true
	if r := check(t, cfg); len(r.Findings) > 0 || !p.has(t, up) {
		t.Errorf("%+v", r)
	}
}

// realPlace is a real server, if there is one.
func realPlace(t *testing.T) *testPlace {
	server := s3test.StartVersity(t)
	server.Bucket(t, "results")
	server.Bucket(t, "state")
	store, err := s3.OpenObjects(s3.Config{
		Endpoint: server.Endpoint, Keys: s3.Keys{ID: s3test.AccessKey, Secret: s3test.SecretKey}, Pool: storage.NewBufferPool(64 << 20),
	})
	if err != nil {
		t.Fatal(err)
	}
	aged := &older{store, 0}
	return &testPlace{store: aged, scheme: "s3", results: "results", spool: "state/p-spool", age: func() { aged.by = 48 * time.Hour }}
}

func TestLeftovers(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *testPlace{"files": filePlace, "s3": s3Place, "versitygw": realPlace} {
		t.Run(name, func(t *testing.T) { leftovers(t, open(t)) })
	}
}

// leftovers has one of each: what a record names or may be about to name, what an
// ended transfer left, what is nobody's that is known, and content to be sent.
func leftovers(t *testing.T, p *testPlace) {
	w := newWorld(t)
	at := func(name string) string { return p.results + "/" + name }
	url := func(name string) string { return p.scheme + "://" + at(name) }
	kept := map[string]storage.Upload{}
	for _, phase := range []string{"RUNNING", "PAUSED", "FAILED", "COMPLETING"} {
		kept[phase] = p.begin(t, at("named."+phase+".iso"), "nonce.1")
		w.put(kindTransfer, phase, download(phase, phase, url("named."+phase+".iso"), kept[phase]))
	}
	// Begun, and not recorded yet.
	kept["begun"] = p.begin(t, at("begun"), "nonce.1")
	w.put(kindTransfer, "begun", download("begun", "RUNNING", url("begun"), storage.Upload{}))
	maybe := download("maybe", "FAILED", url("maybe"), storage.Upload{})
	maybe.MaybeBegun = true
	kept["maybe"] = p.begin(t, at("maybe"), "nonce.1")
	w.put(kindTransfer, "maybe", maybe)
	kept["garbage"] = p.begin(t, at("garbage"), "nonce.1")
	garbage := download("garbage", "COMPLETED", url("garbage"), storage.Upload{})
	garbage.Garbage = []*recordpb.Upload{{Name: kept["garbage"].Name, Id: kept["garbage"].ID}}
	w.put(kindTransfer, "garbage", garbage)
	long := at(strings.Repeat("long.", 48))
	kept["long"] = p.begin(t, long, "nonce.1")
	w.put(kindTransfer, "long", download("long", "QUEUED", p.scheme+"://"+long, storage.Upload{}))

	p.publish(t, at("ended"))
	orphan := p.begin(t, at("ended"), "nonce.2")
	w.put(kindTransfer, "ended", download("ended", "COMPLETED", url("ended"), storage.Upload{}))
	stranger := p.begin(t, at("stranger"), "nonce.1")

	p.publish(t, p.spool+"/wanted")
	p.publish(t, p.spool+"/unwanted")
	partial := p.begin(t, p.spool+"/partial", "nonce.1")
	w.put(kindTransfer, "send", &recordpb.Transfer{
		Id: "send", Phase: "QUEUED", Spec: &recordpb.Spec{Direction: "UPLOAD", ShownSource: p.scheme + "://" + p.spool + "/wanted"},
	})

	cfg := p.config(w)
	cfg.Repair, cfg.Unclaimed = true, true
	if r := check(t, cfg); len(r.Findings) > 0 {
		t.Fatalf("what is new is not left behind: %+v", r.Findings)
	}
	p.age()
	cfg.Repair, cfg.Unclaimed = false, false
	if r := check(t, cfg); len(r.Findings) != 4 || r.Damaged() || !p.has(t, orphan) || !p.has(t, partial) {
		t.Errorf("looking: %+v", r.Findings)
	}
	unreadable := keyIn(kindTransfer, "unreadable")
	w.raw(unreadable, []byte{0xff})
	cfg.Repair, cfg.Unclaimed = true, true
	if check(t, cfg); !p.has(t, orphan) || !p.has(t, stranger) {
		t.Error("something was deleted although a record that may name it cannot be read")
	}
	rec, _ := w.records.Get(t.Context(), unreadable)
	if err := w.records.Delete(t.Context(), unreadable, rec.Version); err != nil {
		t.Fatal(err)
	}
	cfg.Unclaimed = false
	if check(t, cfg); p.has(t, orphan) || p.has(t, partial) || !p.has(t, stranger) {
		t.Error("repairing deletes what is ours and nothing else")
	}
	cfg.Unclaimed = true
	if check(t, cfg); p.has(t, stranger) {
		t.Error("what is unclaimed was not deleted")
	}
	for what, up := range kept {
		if !p.has(t, up) {
			t.Errorf("the upload of %s was deleted", what)
		}
	}
	for name, there := range map[string]bool{at("ended"): true, p.spool + "/wanted": true, p.spool + "/unwanted": false} {
		if _, err := p.store.Stat(t.Context(), name); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := check(t, cfg); len(r.Findings) > 0 {
		t.Errorf("after repairing: %+v", r.Findings)
	}
}

// meanwhile does something at the first reading of a record after the stores were
// listed.
type meanwhile struct {
	storage.PendingLister
	do func()
}

func (m *meanwhile) ListPending(ctx context.Context, place string, visit func(storage.Pending) error) error {
	err := m.PendingLister.ListPending(ctx, place, visit)
	if m.do != nil {
		m.do()
		m.do = nil
	}
	return err
}

// TestANodeGoesOnMeanwhile claims an upload after it was listed: it stays.
func TestANodeGoesOnMeanwhile(t *testing.T) {
	p := filePlace(t)
	w := newWorld(t)
	up := p.begin(t, p.results+"/a", "nonce.1")
	p.age()
	cfg := p.config(w)
	cfg.Repair, cfg.Unclaimed = true, true
	cfg.Objects["file"] = &meanwhile{p.store, func() {
		w.put(kindTransfer, "a", download("a", "RUNNING", "file://"+p.results+"/a", up))
	}}
	if check(t, cfg); !p.has(t, up) {
		t.Error("the upload of a live transfer was deleted")
	}
	// And one on which something is done.
	other := p.begin(t, p.results+"/b", "nonce.1")
	p.age()
	cfg.Objects["file"] = &meanwhile{p.store, func() { p.touch(t, other) }}
	if check(t, cfg); !p.has(t, other) {
		t.Error("an upload was deleted although it grows")
	}
}

func (p *testPlace) touch(t *testing.T, up storage.Upload) {
	t.Helper()
	now := time.Now()
	if err := os.Chtimes(filepath.Join(filepath.Dir(up.Name), up.ID), now, now); err != nil {
		t.Fatal(err)
	}
}
