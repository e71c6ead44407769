package s3test

import (
	"context"
	"errors"
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

// ErrNoVersity tells why versitygw cannot be run on this machine.
var ErrNoVersity = errors.New("versitygw cannot be run here")

// Versity is a running versitygw.
type Versity struct {
	// Endpoint is its "http://127.0.0.1:port".
	Endpoint string
	// Dir is the folder whose subfolders are the buckets.
	Dir string

	cmd   *exec.Cmd
	ended chan struct{}
}

// StartVersity starts versitygw over a temporary folder and stops it at the
// end of the test. The test is skipped where the program or extended
// attributes are missing.
func StartVersity(tb testing.TB) *Versity {
	tb.Helper()
	v, err := OpenVersity(tb.TempDir())
	if errors.Is(err, ErrNoVersity) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

// OpenVersity starts versitygw over a folder; the caller closes it. The error is
// ErrNoVersity where the program or extended attributes are missing.
func OpenVersity(folder string) (*Versity, error) {
	program, err := findVersity()
	if err != nil {
		return nil, err
	}
	v := &Versity{Dir: folder}
	for range 3 { // another process may take the port before versitygw does
		if err = v.start(program); err == nil || errors.Is(err, ErrNoVersity) {
			break
		}
	}
	return v, err
}

// Close ends it.
func (v *Versity) Close() {
	v.cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-v.ended
}

// findVersity looks on PATH and where go install puts programs.
func findVersity() (string, error) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	home, _ := os.UserHomeDir()
	gopath := os.Getenv("GOPATH")
	if gopath == "" {
		gopath = filepath.Join(home, "go")
	}
	for _, dir := range []string{os.Getenv("GOBIN"), filepath.Join(gopath, "bin")} {
		if path, err := exec.LookPath(filepath.Join(dir, "versitygw")); dir != "" && err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: it is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0", ErrNoVersity)
}

// start runs the program on a free port.
func (v *Versity) start(program string) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	v.Endpoint = "http://" + addr
	v.cmd, v.ended = exec.Command(program, "--port", addr, "--quiet", "--keep-alive", "posix", v.Dir), make(chan struct{})
	v.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	var output strings.Builder
	v.cmd.Stdout, v.cmd.Stderr = &output, &output
	if err := v.cmd.Start(); err != nil {
		return fmt.Errorf("start versitygw: %w", err)
	}
	go func() {
		v.cmd.Wait() //nolint:errcheck // it ends by being killed
		close(v.ended)
	}()
	if err = v.answers(); err == nil {
		return nil
	}
	v.Close()
	if strings.Contains(output.String(), "xattr") {
		return fmt.Errorf("%w: it needs a folder with extended attributes: %s", ErrNoVersity, output.String())
	}
	return fmt.Errorf("start versitygw: %w: %s", err, output.String())
}

// answers waits for the first HTTP answer of any kind. It fails when the server
// ends before.
func (v *Versity) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Endpoint, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close() //nolint:errcheck // it was only a question
			return nil
		}
		select {
		case <-v.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.New("it does not answer")
		case <-again.C:
		}
	}
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // its address is all that is wanted
	return l.Addr().String(), nil
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
