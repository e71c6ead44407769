package chaos

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

// patience bounds what would otherwise wait for ever; nothing here is meant to
// take that long.
const patience = 90 * time.Second

// result is what a command left behind when it ended.
type result struct {
	code           int
	stdout, stderr string
}

// failure reads the error of a command that was run with -o json.
func (r result) failure() (code, field string) {
	for line := range strings.Lines(r.stderr) {
		var e struct{ Code, Field string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Code != "" {
			code, field = e.Code, e.Field
		}
	}
	return code, field
}

// environment keeps what the machine has in store away from a process.
func environment(t testing.TB, more ...string) []string {
	home := t.TempDir()
	return append([]string{"HOME=" + home, "XDG_DATA_HOME=" + home, "AWS_EC2_METADATA_DISABLED=true"}, more...)
}

// start begins a command that is killed with the test.
func start(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	p, err := Start(binary, args, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// wait returns when the process has ended.
func wait(t testing.TB, p *Process) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code, err := p.Wait(ctx)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, p.Stdout(), p.Stderr())
	}
	return result{code: code, stdout: p.Stdout(), stderr: p.Stderr()}
}

// godwit runs a command to its end.
func godwit(t testing.TB, env []string, args ...string) result {
	t.Helper()
	return wait(t, start(t, env, args...))
}

// server is a running `godwit serve`.
type server struct {
	*Process
	*client.Client
	t   testing.TB
	url string
	// data is its data folder, files its only file root.
	data, files string
	args, env   []string
}

// serve starts a server and returns when it is ready. It may write below files
// and read from loopback origins.
func serve(t testing.TB, env []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: t.TempDir(), files: t.TempDir(), env: environment(t, env...)}
	s.args = append([]string{
		"serve", "--data-dir", s.data, "--file-root", s.files, "--api-addr", "127.0.0.1:0", "--remote-addr", "127.0.0.1:0", "--gossip-addr", "127.0.0.1:0",
		"--egress-allow", "127.0.0.0/8", "--log-level", "debug",
	}, args...)
	s.run(client.Config{})
	return s
}

// run starts the process, also after it was stopped or killed.
func (s *server) run(cfg client.Config) {
	s.t.Helper()
	s.Process = start(s.t, s.env, s.args...)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, err := range []error{s.AwaitStdout(ctx, "\n"), s.AwaitStderr(ctx, `"node is ready"`)} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.url = strings.TrimSpace(s.Stdout())
	cfg.Servers = []string{s.url}
	c, err := client.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Client = c
}

// file is the path of a file that the server may write.
func (s *server) file(name string) string { return filepath.Join(s.files, name) }

// call sends one raw request to a procedure.
func (s *server) call(procedure, body string, header ...string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost,
		s.url+"/godwit.v1.TransferService/"+procedure, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// get reads a page of the server that is no procedure.
func (s *server) get(path string) (status int, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// fetch reads a page of the server with a token.
func (s *server) fetch(path, token string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// healthy fails unless the process lives and is ready.
func (s *server) healthy() {
	s.t.Helper()
	if s.Ended() {
		s.t.Fatalf("the server is gone\n%s", s.Stderr())
	}
	if status, answer := s.get("/readyz"); status != http.StatusOK {
		s.t.Fatalf("not ready: %d %s", status, answer)
	}
	if strings.Contains(s.Stderr(), `"level":"ERROR"`) || strings.Contains(s.Stderr(), "panic") {
		s.t.Fatalf("the log has an error of ours:\n%s", s.Stderr())
	}
	ours(s.t, s.Stderr())
}

// ours fails when a log has a line that is not one of ours, such as those that
// libraries write behind our back. The last one may be under way.
func ours(t testing.TB, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var entry struct{ Time, Level, Msg string }
		err := json.Unmarshal([]byte(line), &entry)
		if strings.HasSuffix(line, "\n") && (err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "") {
			t.Errorf("a line of the log is not ours: %q", line)
		}
	}
}

// refusal reads the answer to a request that was refused.
func refusal(t testing.TB, answer string) *pb.Error {
	t.Helper()
	var body struct{ Details []struct{ Value string } }
	e := new(pb.Error)
	if err := json.Unmarshal([]byte(answer), &body); err != nil || len(body.Details) != 1 {
		t.Errorf("no refusal: %.300q %v", answer, err)
		return e
	}
	raw, err := base64.RawStdEncoding.DecodeString(body.Details[0].Value)
	if err == nil {
		err = proto.Unmarshal(raw, e)
	}
	if err != nil {
		t.Errorf("%.300q: %v", answer, err)
	}
	return e
}

// until follows a transfer to the first state that is asked for, or to its end.
func (s *server) until(id string, enough func(*pb.Transfer) bool) *pb.Transfer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var last *pb.Transfer
	for t, err := range s.Watch(ctx, id) {
		if err != nil {
			s.t.Fatalf("watch %s: %v\nlast: %v\n%s", id, err, last, s.Stderr())
		}
		if last = t; enough(t) {
			break
		}
	}
	return last
}

// ended follows a transfer to its end.
func (s *server) ended(id string) *pb.Transfer {
	s.t.Helper()
	return s.until(id, func(*pb.Transfer) bool { return false })
}

// in returns a condition for until.
func in(status pb.Transfer_Status) func(*pb.Transfer) bool {
	return func(t *pb.Transfer) bool { return t.GetStatus() == status }
}

// download is the request for a file.
func download(id, source, path string) *pb.Transfer {
	return &pb.Transfer{Id: id, Source: &pb.Endpoint{Url: source}, Destination: &pb.Endpoint{Url: "file://" + path}}
}

// create submits a transfer and starts it.
func (s *server) create(t *pb.Transfer) *pb.Transfer {
	s.t.Helper()
	made, err := s.Create(s.t.Context(), t, true)
	if err != nil {
		s.t.Fatalf("create %s: %v\n%s", t.GetId(), err, s.Stderr())
	}
	return made
}

// recordKey is the key of a transfer's record, live or ended, as it stands in a
// path or in a log.
var recordKey = regexp.MustCompile(`(shards|done)/[0-9a-f]{3}/(t/)?[A-Za-z0-9][A-Za-z0-9_.-]*`)

// records lists the keys of transfers found in a data folder, in whatever way
// its state is kept.
func records(t testing.TB, data string) []string {
	t.Helper()
	found := map[string]bool{}
	for _, path := range files(t, data) {
		text, err := os.ReadFile(path)
		if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() || os.IsNotExist(err) {
			continue // a socket, or gone
		}
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(data, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range recordKey.FindAllString(rel+"\n"+string(text), -1) {
			found[key] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// files lists everything below a folder that is no folder.
func files(t testing.TB, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// matches fails unless the file holds exactly this content.
func matches(t testing.TB, path string, content interface{ Verify(io.Reader) error }) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	if err := content.Verify(bytes.NewReader(data)); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// plain fails when a text could do something to a terminal or a log.
func plain(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' || r == 0x7f || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069' {
			t.Errorf("unescaped %q in %.300q", r, text)
			return
		}
	}
}

// putObject publishes an object as another client would.
func putObject(t testing.TB, fake *s3test.Fake, name string, data []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fake.Endpoint+"/"+name, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}
