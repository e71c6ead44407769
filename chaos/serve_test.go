package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// TestStopAndGoOn stops a server in the middle of a transfer: it says that it is
// not ready, ends well, and its successor goes on with what is safe.
func TestStopAndGoOn(t *testing.T) {
	t.Parallel()
	const whole = 256 << 20
	o := endpointtest.New(t, endpointtest.Options{Size: whole, Seed: 8})
	s := serve(t, nil)
	s.create(download("big", o.URL("/big"), s.file("big")))
	if err := o.WaitServed(t.Context(), whole/4); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, s.Process); got.code != 0 {
		t.Fatalf("exit %d\n%s", got.code, got.stderr)
	}
	if _, err := os.Stat(s.file("big")); err == nil {
		t.Log("the download was faster than the signal")
	}
	s.run(client.Config{})
	if last := s.ended("big"); last.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v\n%s", last, s.Stderr())
	}
	matches(t, s.file("big"), o.Content())
	again := o.BytesServed() - whole
	t.Logf("%.1f MiB were fetched twice", float64(again)/(1<<20))
	if again > inFlight {
		t.Errorf("%d bytes were fetched twice, %d are allowed", again, inFlight)
	}
	s.healthy()
}

// TestKillUnderLoad kills a server under fifty transfers, twice. All complete,
// each with its own content.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	const transfers, each = 50, 4 << 20
	o := endpointtest.New(t, endpointtest.Options{Size: each, Seed: 9, Behavior: endpointtest.Behavior{Rate: 16 << 20}})
	s := serve(t, nil)
	for i := range transfers {
		id := fmt.Sprintf("t%d", i)
		s.create(download(id, o.URL("/"+id), s.file(id)))
	}
	for _, share := range []int64{3, 2} {
		if err := o.WaitServed(t.Context(), transfers*each/share); err != nil {
			t.Fatal(err)
		}
		s.Kill()
		s.run(client.Config{})
	}
	for i := range transfers {
		id := fmt.Sprintf("t%d", i)
		if last := s.ended(id); last.GetStatus() != pb.Transfer_COMPLETED {
			t.Errorf("%v", last)
		}
		matches(t, s.file(id), o.Content())
	}
	if found := files(t, s.files); len(found) != transfers {
		t.Errorf("left behind: %v", found)
	}
	s.healthy()
}

// TestServeRefuses starts servers that must not run.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := serve(t, nil)
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := write("token", canary+canary+canary, 0o600)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"reachable without anything", []string{"--api-addr", "0.0.0.0:0"}, "api-addr"},
		{"reachable with a token only", []string{"--api-addr", "0.0.0.0:0", "--api-token-file", token}, "tls"},
		{"token that others can read", []string{"--api-token-file", write("open", canary, 0o644)}, "api-token-file"},
		{"short token", []string{"--api-token-file", write("short", "x", 0o600)}, "api-token-file"},
		{"port that is taken", []string{"--api-addr", taken.Addr().String()}, "api-addr"},
		{"data folder in use", []string{"--data-dir", running.data}, "another process"},
		{"root that is missing", []string{"--file-root", filepath.Join(folder, "none")}, "file-root"},
		{"relative root", []string{"--file-root", "here"}, "file-root"},
		{"root that is a file", []string{"--file-root", token}, "file-root"},
		{"egress that is no network", []string{"--egress-allow", "everywhere"}, "egress-allow"},
		{"short secrets key", []string{"--secrets-key-file", write("key", canary, 0o600)}, "secrets-key-file"},
		{"unknown flag", []string{"--force"}, "--force"},
		{"unknown key", []string{"--config", write("c.yaml", "force: "+canary+"\n", 0o600)}, "force"},
		{"wrong type", []string{"--config", write("d.yaml", "slots: "+canary+"\n", 0o600)}, "slots"},
		{"state that is no URL", []string{"--state-store", "/tmp/" + canary}, "state-store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve", "--api-addr", "127.0.0.1:0", "--remote-addr", "127.0.0.1:0", "--gossip-addr", "127.0.0.1:0", "--data-dir", t.TempDir()}, c.args...)
			got := godwit(t, environment(t), args...)
			if got.code == 0 || !strings.Contains(got.stderr, c.want) {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
			quiet(t, got.stderr+got.stdout)
		})
	}
	running.healthy()
}

// TestDiskFull downloads to a disk that is too small: nothing short is
// published, the reason is shown, and it goes on when there is room.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("a small disk can be made on Linux by root only")
	}
	t.Parallel()
	s := serve(t, nil)
	small := s.file("small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no small disk can be made here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) }) // gone with the test's folder at the latest
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 10})
	path := filepath.Join(small, "f")
	s.create(download("full", o.URL("/f"), path))
	stuck := s.until("full", func(t *pb.Transfer) bool { return t.GetError().GetCode() == "store.full" })
	if stuck.GetError().GetCode() != "store.full" {
		t.Fatalf("%v", stuck)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a short file was published")
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=128m"); err != nil {
		t.Fatal(err)
	}
	if last := s.ended("full"); last.GetStatus() != pb.Transfer_COMPLETED {
		t.Fatalf("%v", last)
	}
	matches(t, path, o.Content())
	s.healthy()
}

// TestDeadStore submits to an S3 endpoint where nobody listens.
func TestDeadStore(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	env := []string{"AWS_ACCESS_KEY_ID=" + canary, "AWS_SECRET_ACCESS_KEY=" + canary, "AWS_ENDPOINT_URL=" + endpoint}
	o := endpointtest.New(t, endpointtest.Options{Size: 1000})
	s := serve(t, env)
	_, err = s.Create(t.Context(), &pb.Transfer{
		Id: "dead", Source: &pb.Endpoint{Url: o.URL("/f")},
		Destination: &pb.Endpoint{Url: "s3://bucket/f"},
	}, true)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != "store.unavailable" || !refused.Retryable {
		t.Errorf("%v", err)
	}
	if left := records(t, s.data); len(left) > 0 {
		t.Errorf("recorded: %v", left)
	}
	got := godwit(t, environment(t, env...), "serve", "--data-dir", t.TempDir(), "--api-addr", "127.0.0.1:0", "--remote-addr", "127.0.0.1:0", "--gossip-addr", "127.0.0.1:0",
		"--state-store", "s3://bucket/state?endpoint="+endpoint)
	if got.code == 0 || !strings.Contains(got.stderr, "store") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
	quiet(t, got.stderr+s.Stderr())
	s.healthy()
}

// TestCarelessUmask runs a server and a command that were started without any
// umask: nobody else may read what is theirs, nor write their results.
func TestCarelessUmask(t *testing.T) {
	t.Parallel()
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 17, Behavior: endpointtest.Behavior{Rate: 16 << 20}})
	home := t.TempDir()
	careless := func(args ...string) *Process {
		p, err := Start("/bin/sh", append([]string{"-c", `umask 000; exec "$@"`, "sh", binary}, args...), environment(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		return p
	}
	roots := map[string]string{"server": filepath.Join(home, "server"), "own": filepath.Join(home, "own")}
	results := filepath.Join(home, "results")
	if err := os.Mkdir(results, 0o700); err != nil {
		t.Fatal(err)
	}
	p := careless("serve", "--data-dir", roots["server"], "--file-root", results, "--api-addr", "127.0.0.1:0",
		"--remote-addr", "127.0.0.1:0", "--gossip-addr", "127.0.0.1:0", "--egress-allow", "127.0.0.0/8")
	if err := p.AwaitStderr(t.Context(), `"node is ready"`); err != nil {
		t.Fatal(err)
	}
	for way, args := range map[string][]string{"server": {"--server", strings.TrimSpace(p.Stdout())}, "own": {"--data-dir", roots["own"]}} {
		o.ResetLedger()
		get := careless(append([]string{"get", o.URL("/" + way), filepath.Join(results, way, "f"), "--no-progress"}, args...)...)
		if err := o.WaitServed(t.Context(), contentSize/2); err != nil {
			t.Fatal(err)
		}
		// What is there only while it runs: the socket, the partial file.
		closedToOthers(t, roots[way], 0o077)
		closedToOthers(t, filepath.Join(results, way), 0o002)
		if got := wait(t, get); got.code != 0 {
			t.Fatalf("exit %d: %s", got.code, got.stderr)
		}
		closedToOthers(t, roots[way], 0o077)
		closedToOthers(t, filepath.Join(results, way), 0o002)
	}
}

// closedToOthers fails for each file below a folder that has one of the bits.
func closedToOthers(t *testing.T, root string, bits os.FileMode) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // published or removed meanwhile
		}
		info, err := os.Lstat(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && info.Mode().Perm()&bits != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
