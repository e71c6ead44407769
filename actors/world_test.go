package actors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"godwit/actors"
	"godwit/endpoint"
	"godwit/endpoint/endpointtest"
	"godwit/storage"
	"godwit/storage/dir"
	"godwit/storage/s3"
	"godwit/storage/s3/s3test"
	"godwit/storage/storagetest"
	"godwit/transfer"
)

// plainSealer seals nothing: secrecy is tested where sealing is done.
type plainSealer struct{}

func (plainSealer) Seal(_ string, p []byte) ([]byte, error) { return p, nil }
func (plainSealer) Open(_ string, p []byte) ([]byte, error) { return p, nil }

// world is what outlives a node: stores and an origin. Waits between tries are
// drawn as zero, so that nothing here takes longer than the work itself.
type world struct {
	t       *testing.T
	origin  *endpointtest.Origin
	client  *endpoint.Client
	records storage.RecordStore
	objects storage.ObjectStore
	scheme  string
	folder  string
	fake    *s3test.Fake
	lives   int
}

const testBucket = "results"

func newWorld(t *testing.T, scheme string, size int64) *world {
	t.Helper()
	client, err := endpoint.New(endpoint.Config{Policy: endpoint.ForegroundPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	w := &world{
		t: t, client: client, scheme: scheme, records: storagetest.NewMemory(),
		origin: endpointtest.New(t, endpointtest.Options{Size: size}),
	}
	pool := storage.NewBufferPool(64 << 20)
	switch scheme {
	case "file":
		w.folder = t.TempDir()
		w.objects, err = dir.OpenObjects(dir.Config{Buffers: pool})
	case "s3":
		w.fake = s3test.NewFake(t)
		w.objects, err = s3.OpenObjects(s3.Config{Endpoint: w.fake.Endpoint, Keys: s3.Keys{ID: "k", Secret: "s"}, Pool: pool})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// node starts the next life of the node over the world's stores, decorated.
func (w *world) node(faults *storagetest.Faults) *actors.System {
	w.t.Helper()
	w.lives++
	records, objects := w.records, w.objects
	if faults != nil {
		records, objects = faults.Records(records), faults.Objects(objects)
	}
	sys, err := actors.Start(w.t.Context(), actors.Config{
		Node: "n1", Incarnation: fmt.Sprint("life-", w.lives), Records: records,
		Objects: map[string]storage.ObjectStore{w.scheme: objects},
		Source:  w.client, Sealer: plainSealer{}, Random: func() float64 { return 0 },
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		// Nothing here tests the lease: under faults it may fail for a while.
		LeaseTimeout: time.Hour,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return sys
}

// spec asks for the origin's content under a name.
func (w *world) spec(id string) transfer.Spec {
	w.t.Helper()
	dest := "s3://" + testBucket + "/" + id
	if w.scheme == "file" {
		dest = "file://" + filepath.Join(w.folder, id)
	}
	return w.normalized(transfer.Spec{
		ID: id, Direction: transfer.Download, Source: w.origin.URL("/" + id), Destination: dest, Size: transfer.UnknownSize, Retries: 10,
	})
}

func (w *world) normalized(s transfer.Spec) transfer.Spec {
	w.t.Helper()
	spec, err := transfer.Normalize(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return spec
}

// await follows a transfer until it is terminal and nothing of it is left to do.
func (w *world) await(sys *actors.System, id string) actors.Snapshot {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	watch := sys.Watch(ctx, []string{id})
	defer watch.Close()
	var last actors.Snapshot
	for {
		snap, err := watch.Next(ctx)
		if errors.Is(err, io.EOF) {
			return last
		}
		if errors.Is(err, &transfer.Error{Code: transfer.CodeStoreUnavailable}) && ctx.Err() == nil {
			// The fault met this look at the transfer, not the transfer.
			return w.await(sys, id)
		}
		if err != nil {
			w.t.Fatalf("%v; last seen %s %+v", err, last.State.Phase, last.State.Err)
		}
		last = snap
	}
}

// result is the published content, nil if there is none.
func (w *world) result(id string) []byte {
	w.t.Helper()
	if w.fake != nil {
		return w.fake.Objects()[testBucket+"/"+id]
	}
	body, err := os.ReadFile(filepath.Join(w.folder, id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return body
}

// litter lists what is left of unfinished objects.
func (w *world) litter() []string {
	w.t.Helper()
	if w.fake != nil {
		return w.fake.Uploads()
	}
	var out []string
	names, err := os.ReadDir(w.folder)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), ".") {
			out = append(out, n.Name())
		}
	}
	return out
}
