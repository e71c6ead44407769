package s3test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// AccessKey and SecretKey are the credentials of every server of this package.
const (
	AccessKey = "s3test"
	SecretKey = "s3test-secret"
)

// startPatience is how long a server may take to answer.
const startPatience = 20 * time.Second

// Versity is a running versitygw.
type Versity struct {
	// Endpoint is its "http://127.0.0.1:port".
	Endpoint string
	// Dir is the folder whose subfolders are the buckets.
	Dir string
}

// StartVersity starts versitygw over a temporary folder and stops it at the
// end of the test. The test is skipped where the program or extended
// attributes are missing.
func StartVersity(tb testing.TB) *Versity {
	tb.Helper()
	program := findVersity(tb)
	v := &Versity{Dir: tb.TempDir()}
	for range 3 { // another process may take the port before versitygw does
		if v.start(tb, program) {
			return v
		}
	}
	tb.Fatal("versitygw does not start")
	return nil
}

// findVersity looks on PATH and where go install puts programs.
func findVersity(tb testing.TB) string {
	tb.Helper()
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path
	}
	home, _ := os.UserHomeDir()
	gopath := os.Getenv("GOPATH")
	if gopath == "" {
		gopath = filepath.Join(home, "go")
	}
	for _, dir := range []string{os.Getenv("GOBIN"), filepath.Join(gopath, "bin")} {
		if path, err := exec.LookPath(filepath.Join(dir, "versitygw")); dir != "" && err == nil {
			return path
		}
	}
	tb.Skip("versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	return ""
}

// start runs the program on a free port; false when it ended at once.
func (v *Versity) start(tb testing.TB, program string) bool {
	tb.Helper()
	addr := freeAddr(tb)
	v.Endpoint = "http://" + addr
	cmd := exec.Command(program, "--port", addr, "--quiet", "--keep-alive", "posix", v.Dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() //nolint:errcheck // it ends by being killed
		close(ended)
	}()
	tb.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-ended
	})
	if answers(tb, v.Endpoint, ended) {
		return true
	}
	<-ended
	if strings.Contains(output.String(), "xattr") {
		tb.Skip("versitygw needs a temporary folder with extended attributes: " + output.String())
	}
	tb.Log(output.String())
	return false
}

// answers waits for the first HTTP answer of any kind; false when the server
// ended before.
func answers(tb testing.TB, endpoint string, ended <-chan struct{}) bool {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
		if err != nil {
			tb.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close() //nolint:errcheck // it was only a question
			return true
		}
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			tb.Fatal("versitygw does not answer")
		case <-again.C:
		}
	}
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // its address is all that is wanted
	return l.Addr().String()
}

// Bucket creates a bucket: in the posix backend a bucket is a folder.
func (v *Versity) Bucket(tb testing.TB, name string) string {
	tb.Helper()
	if err := os.Mkdir(filepath.Join(v.Dir, name), 0o755); err != nil {
		tb.Fatal(err)
	}
	return name
}

// Uploads lists the folders of unfinished multipart uploads of a bucket.
func (v *Versity) Uploads(tb testing.TB, bucket string) []string {
	tb.Helper()
	root := filepath.Join(v.Dir, bucket, ".sgwtmp", "multipart")
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil:
			return err
		}
		if rel, _ := filepath.Rel(root, path); d.IsDir() && strings.Count(rel, "/") == 1 {
			found = append(found, rel)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(fmt.Errorf("list uploads: %w", err))
	}
	return found
}
