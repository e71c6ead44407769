package endpoint

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
)

// startServer runs a program until the end of the test and waits until it accepts
// connections at addr.
func startServer(t *testing.T, addr string, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it ends by being told to
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for patience := time.After(20 * time.Second); ; {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-again.C:
		case <-ended:
			if strings.Contains(output.String(), "xattr") {
				t.Skip("versitygw needs a temporary folder with extended attributes")
			}
			t.Fatalf("%s ended: %s", program, output.String())
		case <-patience:
			t.Fatalf("%s does not answer: %s", program, output.String())
		}
	}
}

// freeAddr is a loopback address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// program finds a program, or skips the test.
func program(t *testing.T, name, skip string) string {
	t.Helper()
	home, _ := os.UserHomeDir()
	for _, path := range []string{name, "/usr/sbin/" + name, filepath.Join(home, "go", "bin", name)} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skip(skip)
	return ""
}

const nginxConfig = `
daemon off;
master_process off;
pid DIR/pid;
error_log stderr error;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  server {
    listen ADDR;
    root DIR/files;
    client_max_body_size 64m;
    dav_methods PUT DELETE;
    location /small { client_max_body_size 100k; }
    location /early { client_max_body_size 0; return 200 "no"; }
  }
}
`

// startNginx runs nginx with its DAV module and returns its URL and the folder
// of its files.
func startNginx(t *testing.T) (url, files string) {
	t.Helper()
	nginx := program(t, "nginx", "nginx is not installed: apt install nginx-light")
	if modules, err := exec.Command(nginx, "-V").CombinedOutput(); err != nil || !strings.Contains(string(modules), "http_dav_module") {
		t.Skip("nginx was built without its DAV module")
	}
	dir, addr := t.TempDir(), freeAddr(t)
	files = filepath.Join(dir, "files")
	if err := os.MkdirAll(filepath.Join(files, "small"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(strings.NewReplacer("DIR", dir, "ADDR", addr).Replace(nginxConfig)), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, addr, nil, nginx, "-p", dir, "-c", config)
	return "http://" + addr, files
}

// s3Signer signs URLs for S3 (AWS Signature Version 4, in the query).
type s3Signer struct{ endpoint, bucket string }

const (
	s3Access = "endpoint"
	s3Secret = "endpoint-secret"
)

// startVersity runs versitygw over a temporary folder with one bucket.
func startVersity(t *testing.T) (s s3Signer, dir string) {
	t.Helper()
	versity := program(t, "versitygw", "versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	dir, addr := t.TempDir(), freeAddr(t)
	if err := os.Mkdir(filepath.Join(dir, "bucket"), 0o755); err != nil {
		t.Fatal(err)
	}
	startServer(t, addr, []string{"ROOT_ACCESS_KEY=" + s3Access, "ROOT_SECRET_KEY=" + s3Secret},
		versity, "--port", addr, "--quiet", "--keep-alive", "posix", dir)
	return s3Signer{"http://" + addr, "bucket"}, filepath.Join(dir, "bucket")
}

// sign is a URL for one request to an object.
func (s s3Signer) sign(method, key string, query url.Values) string {
	u, _ := url.Parse(s.endpoint + "/" + s.bucket + "/" + key)
	now := time.Now().UTC()
	day, stamp := now.Format("20060102"), now.Format("20060102T150405Z")
	scope := day + "/us-east-1/s3/aws4_request"
	all := url.Values{}
	for name, values := range query {
		all[name] = values
	}
	for name, value := range map[string]string{
		"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": s3Access + "/" + scope, "X-Amz-Date": stamp,
		"X-Amz-Expires": "3600", "X-Amz-SignedHeaders": "host",
	} {
		all.Set(name, value)
	}
	encoded := strings.ReplaceAll(all.Encode(), "+", "%20")
	request := strings.Join([]string{method, u.EscapedPath(), encoded, "host:" + u.Host, "", "host", "UNSIGNED-PAYLOAD"}, "\n")
	sum := sha256.Sum256([]byte(request))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, hex.EncodeToString(sum[:])}, "\n")
	key4 := []byte("AWS4" + s3Secret)
	for _, part := range []string{day, "us-east-1", "s3", "aws4_request", text} {
		h := hmac.New(sha256.New, key4)
		_, _ = h.Write([]byte(part)) // a hash never fails
		key4 = h.Sum(nil)
	}
	u.RawQuery = encoded + "&X-Amz-Signature=" + hex.EncodeToString(key4)
	return u.String()
}

// verify compares a file with content.
func verify(t *testing.T, path string, content endpointtest.Content) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	if err := content.Verify(file); err != nil {
		t.Error(err)
	}
}

// call makes a request without content and returns its status.
func call(t *testing.T, method, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}
