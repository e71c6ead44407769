package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"google.golang.org/protobuf/proto"

	"godwit/chaos/history"
	"godwit/chaos/proxy"
	recordv1 "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
)

// diary collects events.
type diary struct {
	mu     sync.Mutex
	events []history.Event
}

func (d *diary) add(e history.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// await returns the events so far once there are so many.
func (d *diary) await(t *testing.T, count int) []history.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		d.mu.Lock()
		now := slices.Clone(d.events)
		d.mu.Unlock()
		if len(now) >= count {
			return now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d events, want %d", len(now), count)
		}
	}
}

// through makes a proxy in front of a server, with an address for n1.
func through(t *testing.T, opts proxy.Options) (p *proxy.Proxy, endpoint string, d *diary) {
	t.Helper()
	d = &diary{}
	opts.Record, opts.AccessKey, opts.SecretKey = d.add, s3test.AccessKey, s3test.SecretKey
	p, err := proxy.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	endpoint, err = p.Listen("n1")
	if err != nil {
		t.Fatal(err)
	}
	return p, endpoint, d
}

func records(t *testing.T, endpoint string) *s3.Records {
	t.Helper()
	rs, err := s3.OpenRecords(s3.Config{
		Endpoint: endpoint, Bucket: "state", Prefix: "cluster",
		Keys: s3.Keys{ID: s3test.AccessKey, Secret: s3test.SecretKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func objects(t *testing.T, endpoint string) *s3.Objects {
	t.Helper()
	o, err := s3.OpenObjects(s3.Config{
		Endpoint: endpoint, Pool: storage.NewBufferPool(64 << 20),
		Keys: s3.Keys{ID: s3test.AccessKey, Secret: s3test.SecretKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func wantKind(t *testing.T, err error, kind storage.Kind) {
	t.Helper()
	if storage.KindOf(err) != kind {
		t.Fatalf("got %v, want %v", err, kind)
	}
}

func envelope(t *testing.T, sequence uint64) []byte {
	t.Helper()
	body, err := proto.Marshal(&recordv1.Envelope{
		Epoch: 3, Sequence: sequence, Owner: &recordv1.Owner{Node: "n1", Incarnation: "i1"}, Body: []byte("content"),
		Format: 1, Checksum: xxhash.Sum64String("content"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// A store behind a proxy is that store, and all that happens is written down.
func TestRecordsPass(t *testing.T) {
	f := s3test.NewFake(t)
	_, endpoint, d := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster", Life: func(string) int { return 2 }})
	rs := records(t, endpoint)
	version, err := rs.Create(t.Context(), "shards/001/t/a", envelope(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = rs.CompareAndSwap(t.Context(), "shards/001/t/a", envelope(t, 2), version); err != nil {
		t.Fatal(err)
	}
	got, err := rs.Get(t.Context(), "shards/001/t/a")
	if err != nil || string(got.Body) != string(envelope(t, 2)) {
		t.Fatalf("%q, %v", got.Body, err)
	}
	_, err = rs.CompareAndSwap(t.Context(), "shards/001/t/a", envelope(t, 3), version)
	wantKind(t, err, storage.ErrMismatch)
	if keys, err := rs.List(t.Context(), "shards/", "", 10); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	if err := rs.Delete(t.Context(), "shards/001/t/a", got.Version); err != nil {
		t.Fatal(err)
	}
	// A lease is no envelope, although it can be read as one.
	lease, err := proto.Marshal(&recordv1.Lease{Node: "n1", Renewals: 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rs.Create(t.Context(), "nodes/n1", lease); err != nil {
		t.Fatal(err)
	}
	all := d.await(t, 7)
	if s := all[6].Store; s.Key != "nodes/n1" || s.Epoch != 0 || s.Sequence != 0 {
		t.Errorf("%+v", s)
	}
	all = all[:6]
	var ops []string
	for _, e := range all {
		ops = append(ops, e.Store.Op)
		if e.Node != "n1" || e.Life != 2 || e.End < e.At || !e.Store.Record || e.Store.Fault != "" {
			t.Errorf("%+v %+v", e, e.Store)
		}
	}
	if want := []string{"put", "put", "get", "put", "list", "delete"}; !slices.Equal(ops, want) {
		t.Errorf("ops are %v, want %v", ops, want)
	}
	s := all[1].Store
	if s.Key != "shards/001/t/a" || s.IfMatch != string(version) || s.ETag != string(got.Version) || s.Status != 200 || s.Told != 200 ||
		s.Epoch != 3 || s.Sequence != 2 || s.Owner != "n1" || s.Incarnation != "i1" || s.Size == 0 || len(s.Digest) != 16 {
		t.Errorf("%+v", s)
	}
	if s := all[0].Store; s.IfNoneMatch != "*" {
		t.Errorf("%+v", s)
	}
	if s := all[2].Store; s.Sequence != 2 {
		t.Errorf("%+v", s)
	}
	if s := all[3].Store; s.Status != 412 || s.Told != 412 {
		t.Errorf("%+v", s)
	}
}

// Each fault of a write is what it says it is, to the client and to the store.
func TestWriteFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		rule         proxy.Rule
		want         storage.Kind
		done         bool
		status, told int
		fault        string
	}{
		"slow down":      {proxy.Rule{Do: proxy.Refuse}, storage.ErrUnavailable, false, 0, 503, "refuse"},
		"500":            {proxy.Rule{Do: proxy.Refuse, Status: 500, Name: "broken"}, storage.ErrUnknown, false, 0, 500, "broken"},
		"500 when done":  {proxy.Rule{Do: proxy.Refuse, Status: 500, After: true}, storage.ErrUnknown, true, 200, 500, "refuse"},
		"conflict":       {proxy.Rule{Do: proxy.Refuse, Status: 409}, storage.ErrConflict, false, 0, 409, "refuse"},
		"denied":         {proxy.Rule{Do: proxy.Refuse, Status: 403}, storage.ErrDenied, false, 0, 403, "refuse"},
		"no bucket":      {proxy.Rule{Do: proxy.Refuse, Status: 404}, storage.ErrUnavailable, false, 0, 404, "refuse"},
		"lost answer":    {proxy.Rule{Do: proxy.Lose}, storage.ErrUnknown, true, 200, 0, "lose"},
		"lost request":   {proxy.Rule{Do: proxy.Drop}, storage.ErrUnknown, false, 0, 0, "drop"},
		"late":           {proxy.Rule{Delay: time.Millisecond}, "", true, 200, 200, "delay"},
		"slow":           {proxy.Rule{Rate: 1 << 20}, "", true, 200, 200, "slow"},
		"another scope":  {proxy.Rule{Scope: proxy.Data, Do: proxy.Drop}, "", true, 200, 200, ""},
		"another op":     {proxy.Rule{Ops: []string{"get"}, Do: proxy.Drop}, "", true, 200, 200, ""},
		"another node":   {proxy.Rule{Nodes: []string{"n2"}, Do: proxy.Drop}, "", true, 200, 200, ""},
		"another key":    {proxy.Rule{Key: "other", Do: proxy.Drop}, "", true, 200, 200, ""},
		"the second":     {proxy.Rule{Nth: 2, Do: proxy.Drop}, "", true, 200, 200, ""},
		"improbable":     {proxy.Rule{Chance: 1e-12, Do: proxy.Drop}, "", true, 200, 200, ""},
		"of this prefix": {proxy.Rule{Key: "nodes/", Ops: []string{"put"}, Scope: proxy.State, Nth: 1, Do: proxy.Lose}, storage.ErrUnknown, true, 200, 0, "lose"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := s3test.NewFake(t)
			p, endpoint, d := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster"})
			p.Set(tc.rule)
			_, err := records(t, endpoint).Create(t.Context(), "nodes/n1", envelope(t, 1))
			if storage.KindOf(err) != tc.want {
				t.Errorf("told %v, want %v", err, tc.want)
			}
			if done := f.Objects()["state/cluster/nodes/n1"] != nil; done != tc.done {
				t.Errorf("done: %v", done)
			}
			s := d.await(t, 1)[0].Store
			if s.Status != tc.status || s.Told != tc.told || s.Fault != tc.fault {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestHang(t *testing.T) {
	for _, after := range []bool{false, true} {
		f := s3test.NewFake(t)
		p, endpoint, d := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster"})
		ctx, cancel := context.WithCancel(t.Context())
		p.Set(proxy.Rule{Do: proxy.Hang, After: after, Then: cancel})
		_, err := records(t, endpoint).Create(ctx, "k", envelope(t, 1))
		wantKind(t, err, storage.ErrUnknown)
		if s := d.await(t, 1)[0].Store; s.Told != 0 || (s.Status == 200) != after {
			t.Errorf("%+v", s)
		}
		if done := len(f.Objects()) == 1; done != after {
			t.Errorf("after %v: done %v", after, done)
		}
	}
}

// A copy of a write that arrives after a later write is refused for what it
// would replace; a store that did not look would be turned back.
func TestDelayedDuplicate(t *testing.T) {
	f := s3test.NewFake(t)
	p, endpoint, d := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster"})
	rs := records(t, endpoint)
	p.Set(proxy.Rule{Ops: []string{"put"}, Nth: 2, Do: proxy.Duplicate})
	v1, err := rs.Create(t.Context(), "k", envelope(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	v2, err := rs.CompareAndSwap(t.Context(), "k", envelope(t, 2), v1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rs.CompareAndSwap(t.Context(), "k", envelope(t, 3), v2); err != nil {
		t.Fatal(err)
	}
	var again *history.Store
	for _, e := range d.await(t, 4) {
		if e.Store.Fault == "repeated" {
			again = e.Store
		}
	}
	if again == nil || again.Status != 412 || again.Told != 0 || again.IfMatch != string(v1) || again.Sequence != 2 {
		t.Errorf("the copy: %+v", again)
	}
	if got := p.Struck(); !slices.Equal(got, []int{1}) {
		t.Errorf("struck %v", got)
	}
}

func TestReadFaults(t *testing.T) {
	f := s3test.NewFake(t)
	p, endpoint, _ := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster"})
	rs := records(t, endpoint)
	first, err := rs.Create(t.Context(), "k", envelope(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	p.Set(proxy.Rule{Do: proxy.Corrupt})
	got, err := rs.Get(t.Context(), "k")
	if err != nil || string(got.Body) == string(envelope(t, 1)) || len(got.Body) != len(envelope(t, 1)) {
		t.Errorf("%q, %v", got.Body, err)
	}
	p.Set(proxy.Rule{Do: proxy.Truncate})
	_, err = rs.Get(t.Context(), "k")
	wantKind(t, err, storage.ErrUnavailable)
	p.Set()
	if _, err = rs.CompareAndSwap(t.Context(), "k", envelope(t, 2), first); err != nil {
		t.Fatal(err)
	}
	if _, err = rs.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	p.Set(proxy.Rule{Do: proxy.Stale})
	if got, err = rs.Get(t.Context(), "k"); err != nil || got.Version != first {
		t.Errorf("read %v, %v, want the version %v", got.Version, err, first)
	}
}

// uploads has a store of objects behind a proxy in front of a server.
func uploads(t *testing.T, server, bucket string) {
	p, endpoint, d := through(t, proxy.Options{Server: server, State: "state/cluster"})
	store := objects(t, endpoint)
	name := bucket + "/a result"
	text := strings.Repeat("x", 100)
	opts := storage.CompleteOptions{Token: "token", Size: 100, CRC64: crc64nvme.Checksum([]byte(text))}
	send := func() (storage.Upload, []storage.Part) {
		up, err := store.Begin(t.Context(), name, storage.BeginOptions{Token: "token", Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		w, err := store.OpenPart(t.Context(), up, 1, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		if _, err := w.ReadFrom(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		part, err := w.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return up, []storage.Part{part}
	}
	up, parts := send()
	p.Set(proxy.Rule{Ops: []string{"upload.complete"}, Do: proxy.Expire})
	_, err := store.Complete(t.Context(), up, parts, opts)
	wantKind(t, err, storage.ErrNoUpload)
	p.Set()
	up, parts = send()
	p.Set(proxy.Rule{Ops: []string{"upload.complete"}, Limit: 1, Do: proxy.Refuse, Status: 200})
	_, err = store.Complete(t.Context(), up, parts, opts)
	wantKind(t, err, storage.ErrUnknown)
	if _, err = store.Complete(t.Context(), up, parts, opts); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.await(t, 6) {
		s := e.Store
		if s.Op == "upload.part" && (s.Key != name || s.Part != 1 || s.Record || s.Size != 100 || s.Upload == "") {
			t.Errorf("%+v", s)
		}
		if s.Op == "upload.create" && s.Upload == "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestUploads(t *testing.T) { uploads(t, s3test.NewFake(t).Endpoint, "results") }

// What a real server is asked in the proxy's name is signed as it must be, and
// what nodes signed is still signed.
func TestUploadsOnVersity(t *testing.T) {
	v := s3test.StartVersity(t)
	uploads(t, v.Endpoint, v.Bucket(t, "results"))
	if left := v.Uploads(t, "results"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestCuts(t *testing.T) {
	f := s3test.NewFake(t)
	p, endpoint, _ := through(t, proxy.Options{Server: f.Endpoint, State: "state/cluster"})
	other, err := p.Listen("n2")
	if err != nil {
		t.Fatal(err)
	}
	one, two := records(t, endpoint), records(t, other)
	if _, err := one.Create(t.Context(), "k", envelope(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.Cut("n1", proxy.Refused); err != nil {
		t.Fatal(err)
	}
	_, err = one.Get(t.Context(), "k")
	wantKind(t, err, storage.ErrUnavailable)
	if _, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	if _, err := two.Get(t.Context(), "k"); err != nil {
		t.Errorf("the other node: %v", err)
	}
	if err := p.Cut("n1", proxy.Open); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Get(t.Context(), "k"); err != nil {
		t.Errorf("joined again: %v", err)
	}
	if err := p.Cut("n1", proxy.Silent); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = one.Get(ctx, "k")
	if wantKind(t, err, storage.ErrUnavailable); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := one.Get(t.Context(), "k")
		answered <- err
	}()
	if err := p.Cut("n1", proxy.Open); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after the silence: %v", err)
	}
	if err := p.Cut("n3", proxy.Open); err == nil {
		t.Error("a node without an address was cut off")
	}
}

// A plain proxy passes what is asked of any server, the Host header too.
func TestPlain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, r.Method+" "+r.RequestURI+" "+string(body))
	}))
	defer server.Close()
	p, address, d := through(t, proxy.Options{Server: server.URL, Plain: true})
	ask := func() (*http.Response, string, error) {
		r, err := http.NewRequest(http.MethodPost, address+"/a%2Fb//c?x=1", strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	resp, body, err := ask()
	if err != nil || resp.StatusCode != 202 || body != "POST /a%2Fb//c?x=1 text" || "http://"+resp.Header.Get("X-Host") != address {
		t.Fatal(resp, body, err)
	}
	p.Set(proxy.Rule{Ops: []string{"post"}, Do: proxy.Refuse})
	if resp, _, err = ask(); err != nil || resp.StatusCode != 503 {
		t.Fatal(resp, err)
	}
	p.Set(proxy.Rule{Do: proxy.Truncate})
	if _, body, err = ask(); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 11 {
		t.Errorf("%q, %v", body, err)
	}
	p.Set(proxy.Rule{Ops: []string{"get"}, Do: proxy.Drop})
	if _, err := http.Get(address + "/t1"); err == nil {
		t.Error("a dropped request was answered")
	}
	p.Set()
	if resp, err = http.Get(address + "/t1"); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if s := d.await(t, 2)[1].Serve; s == nil || s.ID != "t1" || s.Status != 202 || s.Bytes != 8 {
		t.Errorf("%+v", s)
	}
	if p.Calls() != 5 {
		t.Errorf("%d calls", p.Calls())
	}
}

func TestRefusesWhatIsNoServer(t *testing.T) {
	for _, server := range []string{"", "127.0.0.1:80", "https://host"} {
		if _, err := proxy.New(proxy.Options{Server: server}); err == nil {
			t.Errorf("%q was taken", server)
		}
	}
}
