package chaos

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// TestBadRequests sends requests that are wrong whatever they ask for.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(`{}`)) // into memory
	_ = w.Close()
	for _, c := range []struct {
		name, procedure, body string
		header                []string
		status                int
		code                  string
	}{
		{"unknown field", "ListTransfers", `{"x":"` + canary + `"}`, nil, 400, "request.json"},
		{"duplicate key", "GetTransfer", `{"id":"a","id":"` + canary + `"}`, nil, 400, "request.json"},
		{"trailing bytes", "ListTransfers", `{}` + canary, nil, 400, "request.json"},
		{"nesting", "ListTransfers", strings.Repeat("[", 100000), nil, 400, "request.json"},
		{"byte order mark", "ListTransfers", "\xef\xbb\xbf{}", nil, 400, "request.json"},
		{"invalid UTF-8", "GetTransfer", "{\"id\":\"\xff\"}", nil, 400, "request.json"},
		{"NaN", "ListTransfers", `{"pageSize":NaN}`, nil, 400, "request.json"},
		{"array", "ListTransfers", `[]`, nil, 400, "request.json"},
		{"nothing", "ListTransfers", ``, nil, 400, "request.json"},
		{"page size -1", "ListTransfers", `{"pageSize":-1}`, nil, 400, "page.size"},
		{"page size 10^9", "ListTransfers", `{"pageSize":1000000000}`, nil, 400, "page.size"},
		{"forged token", "ListTransfers", `{"pageToken":"` + canary + `"}`, nil, 400, "page.token"},
		{"sort", "ListTransfers", `{"orderBy":"size"}`, nil, 400, "request.json"},
		{"text", "ListTransfers", `{}`, []string{"Content-Type", "text/plain"}, 415, "request.media_type"},
		{"form", "ListTransfers", `a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "request.media_type"},
		{"gzip", "ListTransfers", zipped.String(), []string{"Content-Encoding", "gzip"}, 415, "request.media_type"},
		{"2 MiB", "CancelTransfer", `{"id":"` + strings.Repeat("a", 2<<20) + `"}`, nil, 413, "request.too_large"},
		{"foreign host", "ListTransfers", `{}`, []string{"Host", "evil.example"}, 403, "request.host"},
		{"foreign origin", "ListTransfers", `{}`, []string{"Origin", "http://evil.example"}, 403, "request.origin"},
		{"unknown", "GetTransfer", `{"id":"nobody"}`, nil, 404, "transfer.not_found"},
		{"cancel unknown", "CancelTransfer", `{"id":"nobody"}`, nil, 404, "transfer.not_found"},
		{"escaped id", "GetTransfer", `{"id":"%2f"}`, nil, 400, "id.invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, answer := s.call(c.procedure, c.body, c.header...)
			if e := refusal(t, answer); status != c.status || e.GetCode() != c.code {
				t.Errorf("%d %s: %.300s", status, e.GetCode(), answer)
			}
			quiet(t, answer)
			s.healthy()
		})
	}
	for _, path := range []string{"/godwit.v1.NobodyService/CreateGroup", "/debug/pprof/"} {
		if status, _ := s.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if left := records(t, s.data); len(left) > 0 {
		t.Errorf("recorded: %v", left)
	}
}

// TestBadFraming writes broken HTTP to the API.
func TestBadFraming(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	addr := strings.TrimPrefix(s.url, "http://")
	head := "POST /godwit.v1.TransferService/ListTransfers HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\n"
	for name, request := range map[string]string{
		"two lengths":        head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"chunk overflow":     head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
		"unknown coding":     head + "Transfer-Encoding: x\r\n\r\n{}",
		"space before colon": head + "X : y\r\nContent-Length: 2\r\n\r\n{}",
		"no request":         "\x00\x01\x02\r\n\r\n",
		"2 MiB of headers":   head + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(conn, request) }() // it may be cut off
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return // closed without a word
			}
			defer resp.Body.Close()
			if resp.StatusCode < 400 || resp.StatusCode >= 600 {
				t.Errorf("%v", resp.Status)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && resp.Close {
				t.Logf("after %v: %v", resp.Status, err)
			}
		})
	}
	s.healthy()
}

// TestTwoLengths hides a request behind one whose header and chunks disagree
// about where it ends: it is not carried out, in whichever order they come.
func TestTwoLengths(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	addr := strings.TrimPrefix(s.url, "http://")
	head := "POST /godwit.v1.TransferService/ListTransfers HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\n"
	hidden := "GET /livez HTTP/1.1\r\nHost: " + addr + "\r\n\r\n"
	const length, chunked = "Content-Length: 12\r\n", "Transfer-Encoding: chunked\r\n"
	for name, request := range map[string]string{
		"chunks": head + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n",
		"both":   head + length + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n",
		"turned": head + chunked + length + "\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, request+hidden); err != nil {
				t.Fatal(err)
			}
			answers, err := io.ReadAll(conn)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the connection does not end: %v", err)
			}
			if n := strings.Count(string(answers), "HTTP/1.1 "); n > 1 {
				t.Errorf("%d answers: %s", n, answers)
			}
		})
	}
	s.healthy()
}

// code is the stable code of a call, "" when it went well.
func (s *server) code(procedure, body string) string {
	s.t.Helper()
	status, answer := s.call(procedure, body)
	if status == http.StatusOK {
		return ""
	}
	return refusal(s.t, answer).GetCode()
}

// TestIdempotence repeats and contradicts requests.
func TestIdempotence(t *testing.T) {
	t.Parallel()
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 14, Behavior: endpointtest.Behavior{Rate: 8 << 20}})
	s := serve(t, nil)
	create := func(id, path, file string) string {
		return fmt.Sprintf(`{"transfer":{"id":%q,"source":{"url":%q},"destination":{"url":"file://%s"}}}`, id, o.URL(path), s.file(file))
	}
	expect := func(want, procedure, body string) {
		t.Helper()
		if got := s.code(procedure, body); got != want {
			t.Errorf("%s %s: %q, want %q", procedure, body, got, want)
		}
	}
	var all errgroup.Group
	for range 100 {
		all.Go(func() error {
			if code := s.code("CreateTransfer", create("one", "/f", "one")); code != "" {
				return fmt.Errorf("create: %s", code)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
	s.list(1)
	expect("id.conflict", "CreateTransfer", create("one", "/f", "other"))
	expect("id.conflict", "CreateTransfer", create("one", "/g", "one"))
	expect("dest.busy", "CreateTransfer", create("two", "/f", "one"))
	expect("dest.busy", "CreateTransfer", create("two", "/f", "ONE"))
	expect("", "CreateTransfer", create("One", "/f", "twin"))
	expect("etag.mismatch", "UpdateTransfer", `{"id":"one","etag":"stale","limitRate":"1048576"}`)
	for _, procedure := range []string{"PauseTransfer", "PauseTransfer", "ResumeTransfer", "ResumeTransfer", "PauseTransfer"} {
		expect("", procedure, `{"id":"one"}`)
	}
	for range 2 {
		expect("", "CancelTransfer", `{"id":"One"}`)
	}
	expect("state.conflict", "ResumeTransfer", `{"id":"One"}`)
	expect("", "ResumeTransfer", `{"id":"one"}`)
	o.Set(func(b *endpointtest.Behavior) { b.Rate = 0 })
	if last := s.ended("one"); last.GetStatus() != pb.Transfer_COMPLETED {
		t.Errorf("%v", last)
	}
	matches(t, s.file("one"), o.Content())
	expect("", "CreateTransfer", create("one", "/f", "one"))
	expect("state.conflict", "PauseTransfer", `{"id":"one"}`)
	o.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = 404, endpointtest.Always })
	expect("", "CreateTransfer", create("bad", "/f", "bad"))
	s.ended("bad")
	expect("state.conflict", "ResumeTransfer", `{"id":"bad"}`)
	expect("", "CancelTransfer", `{"id":"bad"}`)
	if found := files(t, s.files); len(found) != 1 {
		t.Errorf("left behind: %v", found)
	}
	s.healthy()
}

// TestBadPlaces sends downloads to places that are no file of the root.
func TestBadPlaces(t *testing.T) {
	t.Parallel()
	o := endpointtest.New(t, endpointtest.Options{Size: 1000, Seed: 15})
	s := serve(t, nil)
	outside := t.TempDir()
	target := filepath.Join(outside, "target")
	for _, err := range []error{
		os.WriteFile(target, []byte("old"), 0o600),
		os.Symlink(outside, s.file("link")),
		os.Symlink(target, s.file("linked")),
		os.Link(target, s.file("hard")),
		os.Mkdir(s.file("folder"), 0o700),
		os.WriteFile(s.file("plain"), nil, 0o600),
		syscall.Mkfifo(s.file("pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct{ name, fail, overwrite string }{
		{"link/f", "store.invalid", "store.invalid"},
		{"linked", "store.invalid", "store.invalid"},
		{"folder", "store.invalid", "store.invalid"},
		{"pipe", "store.invalid", "store.invalid"},
		{"plain/f", "path.invalid", "path.invalid"},
		{"plain/deeper/f", "path.invalid", "path.invalid"},
		{"pipe/f", "path.invalid", "path.invalid"},
		// The name is replaced; the file behind it is not written to.
		{"hard", "dest.exists", ""},
	} {
		want := download(fmt.Sprintf("fail%d", i), o.URL("/f"), s.file(c.name))
		_, err := s.Create(t.Context(), want, true)
		if client.CodeOf(err) != c.fail {
			t.Errorf("%s: %v, want %s", c.name, err, c.fail)
		}
		want.Id, want.IfExists = fmt.Sprintf("overwrite%d", i), pb.ExistsPolicy_OVERWRITE
		s.create(want)
		if last := s.ended(want.GetId()); last.GetError().GetCode() != c.overwrite {
			t.Errorf("%s: %v, want %s", c.name, last, c.overwrite)
		}
		if c.fail != "path.invalid" {
			continue // a person's own node may follow links
		}
		got := fetch(t, destination{url: s.file(c.name), env: environment(t)}, o.URL("/f"))
		if code, field := got.failure(); got.code != 2 || code != c.fail || field != "transfer.destination.url" {
			t.Errorf("%s on the command line: exit %d %s %s: %s", c.name, got.code, code, field, got.stderr)
		}
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "old" {
		t.Errorf("a file outside was changed: %q %v", text, err)
	}
	if found := files(t, outside); len(found) != 1 {
		t.Errorf("written outside: %v", found)
	}
	for _, name := range []string{"~", "$HOME", "*", "{a,b}", "%s", "%2e%2e", ".bashrc"} {
		s.create(download("literal-"+fmt.Sprintf("%x", name), o.URL("/f"), s.file("names/"+name)))
		if last := s.ended("literal-" + fmt.Sprintf("%x", name)); last.GetStatus() != pb.Transfer_COMPLETED {
			t.Errorf("%s: %v", name, last)
			continue
		}
		matches(t, s.file("names/"+name), o.Content())
		if info, err := os.Stat(s.file("names/" + name)); err != nil || info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
	s.healthy()
}

// TestBadAnswers reads from origins whose answers break a declaration or HTTP
// itself: the transfer fails with the code that says so, and there is no file.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	o := endpointtest.New(t, endpointtest.Options{Size: 1000, Seed: 16})
	size := func(n int64) *int64 { return &n }
	retries := int32(0)
	for i, c := range []struct {
		name, raw string
		size      *int64
		code      string
	}{
		{"more than declared", "", size(999), "size.exceeded"},
		{"less than declared", "", size(1001), "size.short"},
		{"more than declared in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", size(3), "size.exceeded"},
		{"less than declared in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", size(3), "size.short"},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", nil, ""},
		{"205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", nil, "http.status"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", nil, "http.protocol"},
		{"length with sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde", nil, "http.protocol"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcde", nil, "http.protocol"},
		{"length of 2^64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", nil, "http.protocol"},
		{"control in header", "HTTP/1.1 200 OK\r\nX\x01: y\r\nContent-Length: 1\r\n\r\na", nil, "http.protocol"},
		{"no HTTP", "220 smtp ready\r\n", nil, "http.protocol"},
		{"two codings", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\na", nil, "http.encoding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("a%d", i)
			if c.raw != "" {
				o.Raw("/"+id, c.raw)
			}
			want := download(id, o.URL("/"+id), s.file(id))
			want.ExpectedSize, want.Retries = c.size, &retries
			s.create(want)
			last := s.ended(id)
			if got := last.GetError().GetCode(); got != c.code || (last.GetStatus() == pb.Transfer_COMPLETED) != (c.code == "") {
				t.Errorf("%v %v, want %q", last.GetStatus(), last.GetError(), c.code)
			}
			if _, err := os.Stat(s.file(id)); (err == nil) != (c.code == "") {
				t.Errorf("file: %v", err)
			}
		})
	}
	for _, found := range files(t, s.files) {
		if strings.Contains(filepath.Base(found), "godwit") {
			t.Errorf("left behind: %s", found)
		}
	}
	s.healthy()
}
