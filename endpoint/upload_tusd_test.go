package endpoint

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// startTusd starts tusd, the reference server of tus, and returns the URL where
// uploads are made and the folder where they are kept.
func startTusd(t *testing.T) (url, dir string) {
	t.Helper()
	program, err := exec.LookPath("tusd")
	if err != nil {
		t.Skip("tusd is not in PATH: install it with go install github.com/tus/tusd/v2/cmd/tusd@v2.9.1")
	}
	dir = t.TempDir()
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", "0", "-upload-dir", dir,
		"-filelock-holder-poll-interval", "50ms", "-filelock-acquirer-poll-interval", "20ms")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for url == "" && lines.Scan() {
		_, url, _ = strings.Cut(lines.Text(), "upload files to: ")
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		// Its exit status says that it was killed, which it was.
		_ = cmd.Process.Signal(syscall.SIGKILL)
		<-drained
		_ = cmd.Wait()
	})
	if url == "" {
		t.Fatal("tusd does not say where it listens")
	}
	return url, dir
}

// cutConn breaks after so many bytes were written.
type cutConn struct {
	net.Conn
	left *atomic.Int64
}

func (c cutConn) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		_ = c.Close()
		return 0, syscall.ECONNRESET
	}
	return c.Conn.Write(p)
}

// sendToTusd sends size bytes through connections that break after cut bytes.
func sendToTusd(t *testing.T, url string, size, cut int64, change func(*Upload)) *sender {
	t.Helper()
	var dialer net.Dialer
	c := newClient(t, nil, func(c *Config) {
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil || cut == 0 {
				return conn, err
			}
			left := &atomic.Int64{}
			left.Store(cut)
			return cutConn{conn, left}, nil
		}
	})
	u := &sender{c: c, content: endpointtest.Content{Seed: 7, Generation: 1, Size: size}}
	u.d = Upload{
		URL: url, Method: http.MethodPut, Size: size, PartSize: 1 << 20, ContentType: "video/x-test", Name: "näme.bin", Open: u.open,
	}
	choice, f := c.Probe(t.Context(), &u.d)
	if f != nil || choice.Protocol != transfer.ProtocolTus {
		t.Fatalf("%+v %+v", choice, f)
	}
	u.d.Session.Protocol = choice.Protocol
	change(&u.d)
	return u
}

func fileSHA256(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestTusdTakesUploads(t *testing.T) {
	url, dir := startTusd(t)
	for name, tc := range map[string]struct {
		size, cut   int64
		connections int
	}{
		"empty":              {0, 0, 1},
		"small":              {1000, 0, 1},
		"in order":           {5<<20 + 3, 0, 1},
		"in parts":           {5<<20 + 3, 0, 4},
		"in order with cuts": {5<<20 + 3, 700_000, 1},
		"in parts with cuts": {5<<20 + 3, 700_000, 4},
	} {
		t.Run(name, func(t *testing.T) {
			u := sendToTusd(t, url, tc.size, tc.cut, func(d *Upload) { d.Connections = tc.connections })
			answer, f := u.run(t, 40)
			if f != nil {
				t.Fatal(f.Err)
			}
			if got := fileSHA256(t, filepath.Join(dir, path.Base(answer.Shown.ActualURL))); got != u.content.SHA256() {
				t.Error("it has another content")
			}
			if u.lost > 0 {
				t.Errorf("lost %d times", u.lost)
			}
			if tc.cut > 0 && len(u.failures) == 0 && tc.connections == 1 {
				t.Error("nothing was cut")
			}
			if most := tc.size + int64(len(u.failures))*u.d.PartSize; tc.connections == 1 && u.opened.Load() > most {
				t.Errorf("%d bytes were read for %d", u.opened.Load(), tc.size)
			}
		})
	}
}

func TestTusdForgets(t *testing.T) {
	url, dir := startTusd(t)
	u := sendToTusd(t, url, 3<<20, 1<<20+200_000, func(*Upload) {})
	if _, f := u.once(t.Context()); f == nil || f.Lost {
		t.Fatalf("%+v", f)
	}
	if e := u.c.Discard(t.Context(), &u.d, u.d.Session.URL); e != nil {
		t.Fatal(e)
	}
	left, err := os.ReadDir(dir)
	// tusd asks the holder of a lock with a file of its own, and may leave that.
	left = slices.DeleteFunc(left, func(e os.DirEntry) bool { return path.Ext(e.Name()) == ".stop" })
	if err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	if _, f := u.once(t.Context()); f == nil || !f.Lost {
		t.Errorf("%+v", f)
	}
}
