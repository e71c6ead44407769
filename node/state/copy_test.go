package state

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/actors"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
	"godwit/storage/storagetest"
)

func export(t testing.TB, records storage.RecordStore) ([]byte, Summary) {
	t.Helper()
	var out bytes.Buffer
	summary, err := Export(t.Context(), records, "test", &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), summary
}

func importInto(t testing.TB, records storage.RecordStore, text []byte, replace bool) error {
	t.Helper()
	_, err := Import(t.Context(), records, bytes.NewReader(text), ImportConfig{Replace: replace, LeaseExpiry: 20 * time.Millisecond})
	return err
}

// TestCopyComesBack puts copies of random stores back into others of each kind:
// all is there again but leases and probes, with the same bodies and fields of
// later versions, and nothing that an owner from before could write over.
func TestCopyComesBack(t *testing.T) {
	for seed := range uint64(30) {
		w := anyWorld(t, rand.New(rand.NewPCG(seed, 0)))
		text, summary := export(t, w.records)
		target := storage.RecordStore(storagetest.NewMemory())
		if seed%10 == 0 {
			folder, err := dir.OpenRecords(dir.Config{Root: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer folder.Close() //nolint:errcheck // the test is over
			target = folder
		}
		if err := importInto(t, target, text, false); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		before, after := content(t, w.records), content(t, target)
		delete(before, actors.LeasePrefix+"n1")
		delete(before, probePrefix+"x")
		if len(after) != len(before) || summary.Records != int64(len(before)) {
			t.Fatalf("seed %d: %d records of %d, the summary says %d", seed, len(after), len(before), summary.Records)
		}
		for key, old := range before {
			compareRestored(t, key, old, after[key])
		}
		if id, err := actors.CheckCluster(t.Context(), target); err != nil || id != "c1" {
			t.Errorf("seed %d: %q, %v", seed, id, err)
		}
	}
}

func compareRestored(t *testing.T, key string, old, restored []byte) {
	t.Helper()
	if kind := placeOf(key).kind; kind == kindCluster || kind == kindUnknown {
		if !bytes.Equal(old, restored) {
			t.Errorf("%s differs", key)
		}
		return
	}
	a, b := &recordpb.Envelope{}, &recordpb.Envelope{}
	if proto.Unmarshal(old, a) != nil || proto.Unmarshal(restored, b) != nil {
		t.Fatalf("%s is not readable", key)
	}
	if b.Epoch <= a.Epoch || b.Sequence <= a.Sequence || !b.Owner.Released || bytes.Equal(a.WriteId, b.WriteId) {
		t.Errorf("%s: %v became %v", key, a, b)
	}
	b.Epoch, b.Sequence, b.WriteId, b.Owner = a.Epoch, a.Sequence, a.WriteId, a.Owner
	if !proto.Equal(a, b) || !bytes.Equal(a.ProtoReflect().GetUnknown(), b.ProtoReflect().GetUnknown()) {
		t.Errorf("%s: %v became %v", key, a, b)
	}
}

// TestFormerOwnersAreFenced restores into the very store that was lost, on which
// ETags are but digests of the bodies: who still holds the old ones writes nothing.
func TestFormerOwnersAreFenced(t *testing.T) {
	records, err := s3.OpenRecords(s3.Config{Endpoint: s3test.NewFake(t).Endpoint, Bucket: "state", Prefix: "p", Keys: s3.Keys{ID: "k", Secret: "s"}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	key := keyIn(kindTransfer, "a")
	for k, body := range content(t, w.records) {
		if _, err := records.Create(t.Context(), k, body); err != nil {
			t.Fatal(err)
		}
	}
	held, err := records.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := export(t, records)
	if err := importInto(t, records, text, true); err != nil {
		t.Fatal(err)
	}
	if _, err := records.CompareAndSwap(t.Context(), key, []byte("stale"), held.Version); storage.KindOf(err) != storage.ErrMismatch {
		t.Errorf("an owner from before the restore still writes: %v", err)
	}
}

func TestDamagedRecordsAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	env := envelope([]byte("b"))
	env.Checksum++
	w.raw(keyIn(kindTransfer, "b"), marshal(t, env))
	text, summary := export(t, w.records)
	if len(summary.LeftOut) != 1 || summary.LeftOut[0] != keyIn(kindTransfer, "b") || summary.Records != 2 {
		t.Fatalf("%+v", summary)
	}
	if err := importInto(t, storagetest.NewMemory(), text, false); err != nil {
		t.Error(err)
	}
	empty := storagetest.NewMemory()
	if _, err := Export(t.Context(), empty, "", io.Discard); !errors.Is(err, ErrNoStore) {
		t.Errorf("an empty store was copied: %v", err)
	}
}

// TestDamagedCopiesAreRefused cuts a copy and changes single bytes of it: it is
// refused with nothing written, or what comes back is what was there.
func TestDamagedCopiesAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a", "b", "c"} {
		w.put(kindTransfer, id, &recordpb.Transfer{Id: id, Sealed: []byte("sealed")})
	}
	text, _ := export(t, w.records)
	want := content(t, w.records)
	r := rand.New(rand.NewPCG(1, 0))
	var copies [][]byte
	for at := 0; at < len(text)-1024; at += 97 { // a tar archive ends with two blocks of zeros
		copies = append(copies, text[:at])
	}
	for range 300 {
		changed := bytes.Clone(text)
		changed[r.IntN(len(changed))] ^= byte(1 + r.IntN(255))
		copies = append(copies, changed)
	}
	refused := 0
	for i, damaged := range copies {
		target := storagetest.NewMemory()
		err := importInto(t, target, damaged, false)
		got := content(t, target)
		if err != nil {
			refused++
			if !errors.Is(err, ErrCopy) || len(got) != 0 {
				t.Errorf("copy %d: %v, %d records written", i, err, len(got))
			}
			continue
		}
		for key, old := range want {
			compareRestored(t, key, old, got[key])
		}
	}
	if refused < len(copies)/3 {
		t.Errorf("only %d of %d were refused", refused, len(copies))
	}
}

func TestCopiesWithOtherContent(t *testing.T) {
	good := envelope([]byte{})
	for name, records := range map[string]map[string][]byte{
		"no cluster":    {},
		"a bad record":  {actors.ClusterKey: marshal(t, &recordpb.Cluster{Id: "c1", Shards: actors.Shards}), keyIn(kindTransfer, "a"): []byte("?")},
		"misplaced":     {actors.ClusterKey: marshal(t, &recordpb.Cluster{Id: "c1", Shards: actors.Shards}), "shards/001/t/a": marshal(t, good)},
		"other shards":  {actors.ClusterKey: marshal(t, &recordpb.Cluster{Id: "c1", Shards: 3})},
		"other cluster": {actors.ClusterKey: marshal(t, &recordpb.Cluster{Id: "c2", Shards: actors.Shards})},
	} {
		var out bytes.Buffer
		c, err := newCopyWriter(&out, Header{Format: copyFormat, ClusterID: "c1"})
		if err != nil {
			t.Fatal(err)
		}
		for key, body := range records {
			if err := c.record(key, body); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		target := storagetest.NewMemory()
		if err := importInto(t, target, out.Bytes(), false); !errors.Is(err, ErrCopy) || len(content(t, target)) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImportWantsAnEmptyStore(t *testing.T) {
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	text, _ := export(t, w.records)
	used := newWorld(t)
	used.put(kindTransfer, "b", &recordpb.Transfer{Id: "b"})
	used.lease("n1", false)
	if err := importInto(t, used.records, text, false); !errors.Is(err, ErrNotEmpty) || len(content(t, used.records)) != 3 {
		t.Errorf("%v", err)
	}
	// Its node is gone: the lease does not change.
	if err := importInto(t, used.records, text, true); err != nil {
		t.Fatal(err)
	}
	if got := content(t, used.records); len(got) != 2 || got[keyIn(kindTransfer, "a")] == nil {
		t.Errorf("%d records", len(got))
	}
}

// renewing is a store on which a node renews its lease whenever it is read.
type renewing struct{ storage.RecordStore }

func (r renewing) Get(ctx context.Context, key string) (storage.Record, error) {
	rec, err := r.RecordStore.Get(ctx, key)
	if key == actors.LeasePrefix+"n1" && err == nil {
		lease := &recordpb.Lease{}
		_ = proto.Unmarshal(rec.Body, lease)
		lease.Renewals++
		body, _ := proto.Marshal(lease)
		_, _ = r.RecordStore.CompareAndSwap(ctx, key, body, rec.Version)
	}
	return rec, err
}

func TestImportLeavesAStoreInUseAlone(t *testing.T) {
	w := newWorld(t)
	text, _ := export(t, w.records)
	w.lease("n1", false)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	if err := importInto(t, renewing{w.records}, text, true); !errors.Is(err, ErrInUse) || len(content(t, w.records)) != 3 {
		t.Errorf("%v", err)
	}
}

// failing fails the k-th write.
type failing struct {
	storage.RecordStore
	left *int
}

func (f failing) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if *f.left--; *f.left == 0 {
		return "", &storage.Error{Op: "create", Name: key, Kind: storage.ErrDenied}
	}
	return f.RecordStore.Create(ctx, key, body)
}

// TestInterruptedImports fails each write in turn: no node uses what is there, and
// the import can be repeated.
func TestInterruptedImports(t *testing.T) {
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	text, _ := export(t, w.records)
	for k := range 2 {
		target, left := storagetest.NewMemory(), k+1
		if err := importInto(t, failing{target, &left}, text, false); storage.KindOf(err) != storage.ErrDenied {
			t.Fatalf("write %d: %v", k, err)
		}
		if len(content(t, target)) > 0 {
			if _, err := actors.CheckCluster(t.Context(), target); err == nil {
				t.Errorf("write %d: a node would start", k)
			}
			if _, err := Export(t.Context(), target, "", io.Discard); !errors.Is(err, ErrNoStore) {
				t.Errorf("write %d: half a store was copied: %v", k, err)
			}
		}
		if err := importInto(t, target, text, true); err != nil {
			t.Errorf("write %d: %v", k, err)
		}
	}
}

// undeletable fails the k-th deletion.
type undeletable struct {
	storage.RecordStore
	left *int
}

func (u undeletable) Delete(ctx context.Context, key string, old storage.Version) error {
	if *u.left--; *u.left == 0 {
		return &storage.Error{Op: "delete", Name: key, Kind: storage.ErrDenied}
	}
	return u.RecordStore.Delete(ctx, key, old)
}

// TestInterruptedReplacements fails each deletion of what was there before in turn:
// no node uses what is left of it, and the import can be repeated.
func TestInterruptedReplacements(t *testing.T) {
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	text, _ := export(t, w.records)
	for k := range 3 {
		used, left := newWorld(t), k+1
		for _, id := range []string{"b", "c", "d"} {
			used.put(kindTransfer, id, &recordpb.Transfer{Id: id})
		}
		if err := importInto(t, undeletable{used.records, &left}, text, true); storage.KindOf(err) != storage.ErrDenied {
			t.Fatalf("deletion %d: %v", k, err)
		}
		if _, err := actors.CheckCluster(t.Context(), used.records); err == nil {
			t.Errorf("deletion %d: a node would start", k)
		}
		if err := importInto(t, used.records, text, true); err != nil || len(content(t, used.records)) != 2 {
			t.Errorf("deletion %d: %v", k, err)
		}
	}
}

// joining is a store on which a node, that looked at it before it was locked,
// writes its lease when the last record is put back.
type joining struct{ storage.RecordStore }

func (j joining) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if placeOf(key).kind == kindTransfer {
		lease, _ := proto.Marshal(&recordpb.Lease{Node: "n1", Incarnation: "i1"})
		_, _ = j.RecordStore.Create(ctx, actors.LeasePrefix+"n1", lease)
	}
	return j.RecordStore.Create(ctx, key, body)
}

func TestImportSeesANodeThatWasStarted(t *testing.T) {
	w := newWorld(t)
	w.put(kindTransfer, "a", &recordpb.Transfer{Id: "a"})
	text, _ := export(t, w.records)
	target := storagetest.NewMemory()
	if err := importInto(t, joining{target}, text, false); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	if _, err := actors.CheckCluster(t.Context(), target); err == nil {
		t.Error("another node would start")
	}
}
