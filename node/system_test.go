package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

func TestMetricsAreTheDocumentedOnes(t *testing.T) {
	descriptions := make(chan *prometheus.Desc, 256)
	newMetrics("v").registry.Describe(descriptions)
	close(descriptions)
	var got []string
	name := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range descriptions {
		m := name.FindStringSubmatch(d.String())
		if strings.HasPrefix(m[1], "go_") || strings.HasPrefix(m[1], "process_") {
			continue // those that every Go program has
		}
		got = append(got, strings.TrimSuffix(m[1]+"{"+m[2]+"}", "{}"))
	}
	slices.Sort(got)
	want := []string{
		"godwit_build_info{version,go_version}", "godwit_cluster_members{state}", "godwit_fenced_writes_total",
		"godwit_group_triggers_total{result}", "godwit_refetched_bytes_total{reason}",
		"godwit_state_writes_total{op,result}", "godwit_takeover_seconds", "godwit_takeovers_total{reason}",
		"godwit_task_deliveries_total{result}", "godwit_transfer_bytes_total{direction}",
		"godwit_transfers{state,direction}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Every series is there before the first transfer.
func TestMetricsBeginAtZero(t *testing.T) {
	n := startNode(t, Config{})
	text := get(t, http.DefaultClient, "http://"+n.Addr()+"/metrics", http.StatusOK)
	for _, state := range []string{"CANCELED", "COMPLETED", "FAILED", "IDLE", "PAUSED", "QUEUED", "RUNNING"} {
		for _, direction := range []string{"DOWNLOAD", "UPLOAD"} {
			if want := fmt.Sprintf("godwit_transfers{direction=%q,state=%q} 0\n", direction, state); !strings.Contains(text, want) {
				t.Errorf("metrics lack %s:\n%s", want, text)
			}
		}
	}
	if n := strings.Count(text, "\ngodwit_transfers{"); n != 14 {
		t.Errorf("%d series:\n%s", n, text)
	}
	for _, want := range []string{
		`godwit_refetched_bytes_total{reason="retry"} 0`, `godwit_takeovers_total{reason="death"} 0`,
		`godwit_group_triggers_total{result="failed"} 0`, `godwit_task_deliveries_total{result="failed"} 0`,
		`godwit_state_writes_total{op="delete",result="unknown"} 0`, `godwit_cluster_members{state="DEAD"} 0`,
		`process_resident_memory_bytes `, `go_goroutines `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
}

// serviceManager is the socket of a service manager.
func serviceManager(t *testing.T) *net.UnixConn {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	return conn
}

// wantNotice reads until the node says what is wanted.
func wantNotice(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	for {
		buf := make([]byte, 256)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(buf[:n]); got == want {
			return
		} else if got != "WATCHDOG=1" {
			t.Fatalf("the node says %q, want %q", got, want)
		}
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	n, err := New(Config{DataDir: t.TempDir(), APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	wantNotice(t, manager, "READY=1")
	wantNotice(t, manager, "WATCHDOG=1")
	stop()
	wantNotice(t, manager, "STOPPING=1")
	// A manager never stops reading: nobody could write to it any more.
	go func() { _, _ = io.Copy(io.Discard, manager) }()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// heard closes a channel when a message is logged.
type heard struct {
	slog.Handler
	message string
	ch      chan struct{}
}

func (h heard) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.ch <- struct{}{}
	}
	return h.Handler.Handle(ctx, r)
}

func TestHangupReadsTokensAgain(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("the-first-token-1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := heard{testLogger(t).Handler(), "tokens and certificate were read again", make(chan struct{}, 1)}
	n, err := New(Config{DataDir: t.TempDir(), APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", APITokenFile: tokens, Logger: slog.New(h)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-n.readiness.became
	if err := os.WriteFile(tokens, []byte("the-second-token-123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-h.ch
	for token, want := range map[string]int{"the-first-token-1234": http.StatusUnauthorized, "the-second-token-123": http.StatusOK} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addr()+"/metrics", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", token, resp.StatusCode, want)
		}
	}
}

func TestNodeOnS3(t *testing.T) {
	fake := s3test.NewFake(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	origin := endpointtest.New(t, endpointtest.Options{Seed: 5, Size: 20 << 20})
	n := startNode(t, Config{StateStore: "s3://state/cluster?endpoint=" + fake.Endpoint, EgressAllow: []string{"127.0.0.0/8"}})
	client := rpc(n)
	_, err := client.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: &pb.Transfer{
		Id: "t1", Source: &pb.Endpoint{Url: origin.URL("/f")}, Destination: &pb.Endpoint{Url: "s3://bucket/key"},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := await(t, client); got.GetStatus() != pb.Transfer_COMPLETED || got.GetChecksums().GetCrc64Nvme() == "" {
		t.Fatalf("%v", got)
	}
	checkRead(t, client, "t1", origin)
	_, err = client.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: &pb.Transfer{
		Source: &pb.Endpoint{Url: origin.URL("/f")}, Destination: &pb.Endpoint{Url: "s3://state/cluster/nodes/n1"},
	}}))
	if err == nil {
		t.Error("a transfer may overwrite records")
	}
}

// A socket has no moment in which others could connect to it.
func TestSocketIsPrivateFromTheStart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems rely on the folder")
	}
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	l, err := privately.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
