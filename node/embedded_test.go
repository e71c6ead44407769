package node

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

func attach(t *testing.T, dir string) *Attachment {
	t.Helper()
	a, err := Attach(t.Context(), EmbedConfig{DataDir: dir, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

func attached(a *Attachment) godwitv1connect.TransferServiceClient {
	return godwitv1connect.NewTransferServiceClient(a.HTTPClient(), a.BaseURL())
}

func TestOneNodeForAllOnADataDir(t *testing.T) {
	dir := t.TempDir()
	first := attach(t, dir)
	second := attach(t, dir)
	_, err := attached(second).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{
		Transfer: &pb.Transfer{
			Id: "t1", Source: &pb.Endpoint{Url: "http://127.0.0.1:1/f"},
			Destination: &pb.Endpoint{Url: "file://" + filepath.Join(t.TempDir(), "f")},
		}, Start: new(bool),
	}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := attached(first).GetTransfer(t.Context(), connect.NewRequest(&pb.GetTransferRequest{Id: "t1"}))
	if err != nil || got.Msg.GetStatus() != pb.Transfer_IDLE {
		t.Fatalf("%v %v", got, err)
	}
	for _, file := range []string{lockFile, socketFile, madeKey} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
	select {
	case <-second.Closed():
		t.Fatal("closed while the node runs")
	default:
	}
}

func TestTheNextTakesOver(t *testing.T) {
	origin := endpointtest.New(t, endpointtest.Options{Seed: 3, Size: 48 << 20, Behavior: endpointtest.Behavior{Rate: 4 << 20}})
	dir, dest := t.TempDir(), filepath.Join(t.TempDir(), "f")
	first := attach(t, dir)
	second := attach(t, dir)
	_, err := attached(second).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{
		Transfer: &pb.Transfer{Id: "t1", Source: &pb.Endpoint{Url: origin.URL("/f")}, Destination: &pb.Endpoint{Url: "file://" + dest}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := origin.WaitServed(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-second.Closed()
	origin.Set(func(b *endpointtest.Behavior) { b.Rate = 0 })
	third := attach(t, dir)
	if got := await(t, attached(third)); got.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v", got)
	}
	checkContent(t, dest, origin)
}

func TestManyAttachAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			a, err := Attach(t.Context(), EmbedConfig{DataDir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := a.HTTPClient().Get(a.BaseURL() + "/livez")
			// Whoever served may just have left; then Closed must tell.
			if err != nil {
				<-a.Closed()
			} else {
				_ = resp.Body.Close()
			}
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestSocketOfALongPath(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp")
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	first := attach(t, dir)
	second := attach(t, dir)
	if _, err := attached(second).ListTransfers(t.Context(), connect.NewRequest(&pb.ListTransfersRequest{})); err != nil {
		t.Fatal(err)
	}
	socket, err := socketPath(dir)
	if err != nil || len(socket) > maxSocketPath {
		t.Fatalf("%s %v", socket, err)
	}
	t.Cleanup(func() { _ = os.Remove(filepath.Dir(socket)) })
	_ = first
}

func TestForeignSocketFolderIsRefused(t *testing.T) {
	base := t.TempDir()
	open := filepath.Join(base, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := privateFolder(open); err != nil {
		t.Fatalf("our own: %v", err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(base, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{open, link} {
		if err := privateFolder(path); err == nil {
			t.Errorf("%s was accepted", path)
		}
	}
}

func TestAttachGivesUpWithItsContext(t *testing.T) {
	dir := t.TempDir()
	lock, err := tryLock(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(http.ErrAbortHandler)
	if _, err := Attach(ctx, EmbedConfig{DataDir: dir}); !errors.Is(err, http.ErrAbortHandler) {
		t.Fatalf("%v", err)
	}
}

// Of a source that was spooled in part, because its process was killed, nothing
// stays.
func TestAttachClearsTheSpool(t *testing.T) {
	dir := t.TempDir()
	spool := filepath.Join(dir, "state", "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".01x.ab.godwit-part", ".01x.ab.godwit-journal", "01y"} {
		if err := os.WriteFile(filepath.Join(spool, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Attach(t.Context(), EmbedConfig{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(context.Background())
	entries, err := os.ReadDir(spool)
	if err != nil || len(entries) != 1 || entries[0].Name() != "01y" {
		t.Errorf("%v, %v", entries, err)
	}
}
