package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// acceptedURLs are ways to write one URL: whichever is given, the transfer is
// the same, and shows stored. Others look alike and are not.
var acceptedURLs = []struct {
	name, stored  string
	same, another []string
}{
	{
		"port of another scheme", "http://example.com:443/A",
		[]string{"HTTP://EXAMPLE.com:443/A", "http://example.COM:0443/A", "hTTp://example.com.:443/A", "http://example.com:443/A#frag"},
		[]string{"http://example.com:443/a", "https://example.com:443/A", "http://example.com/A"},
	},
	{
		"own port", "https://example.com/",
		[]string{"HTTPS://EXAMPLE.com:443/", "https://example.com", "https://example.com:/", "https://example.com#x"},
		[]string{"https://example.com/?", "http://example.com/", "https://www.example.com/"},
	},
	{
		"international", "http://xn--bcher-kva.example/",
		[]string{"http://bücher.example/", "http://BÜCHER.example:80", "http://XN--BCHER-KVA.example/"},
		[]string{"http://bucher.example/"},
	},
	{
		"path and query", "http://example.com/a/../b//c/%2F%2f",
		[]string{"http://EXAMPLE.com/a/../b//c/%2F%2f"},
		[]string{
			"http://example.com/b//c/%2F%2f", "http://example.com/a/../b/c/%2F%2f", "http://example.com/a/../b//c/%2f%2f",
			"http://example.com/a/../b//c/%2F%2f/", "http://example.com/a/../b//c///",
		},
	},
}

// TestAcceptedURLs creates the same transfer under every way to write its URL,
// over JSON, gRPC and both ways of the command line.
func TestAcceptedURLs(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	api := godwitv1connect.NewTransferServiceClient(h2c(t), s.url, connect.WithGRPC())
	env := environment(t)
	for i, c := range acceptedURLs {
		t.Run(c.name, func(t *testing.T) {
			data := t.TempDir()
			ways := map[string]func(source string) (stored, code string){
				"JSON": func(source string) (string, string) {
					body, err := json.Marshal(map[string]any{"start": false, "transfer": map[string]any{
						"id": fmt.Sprint("json", i), "source": map[string]string{"url": source},
						"destination": map[string]string{"url": "file://" + s.file(fmt.Sprint("json", i))},
					}})
					if err != nil {
						t.Fatal(err)
					}
					status, answer := s.call("CreateTransfer", string(body))
					if status != http.StatusOK {
						return "", refusal(t, answer).GetCode()
					}
					return sourceIn(t, answer), ""
				},
				"gRPC": func(source string) (string, string) {
					id := fmt.Sprint("grpc", i)
					no := false
					made, err := api.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{
						Start: &no, Transfer: download(id, source, s.file(id)),
					}))
					if err != nil {
						return "", detailOf(t, err).GetCode()
					}
					return made.Msg.GetSource().GetUrl(), ""
				},
				"server": func(source string) (string, string) {
					return create(t, env, source, s.file(fmt.Sprint("cli", i)), "--id", fmt.Sprint("cli", i), "--server", s.url)
				},
				"own": func(source string) (string, string) {
					return create(t, env, source, data+"/f", "--id", "own", "--data-dir", data)
				},
			}
			for way, make := range ways {
				for _, source := range append([]string{c.stored}, c.same...) {
					if stored, code := make(source); stored != c.stored || code != "" {
						t.Errorf("%s: %s is stored as %q %s, want %s", way, source, stored, code, c.stored)
					}
				}
				for _, source := range c.another {
					if stored, code := make(source); code != "id.conflict" {
						t.Errorf("%s: %s is stored as %q %s, want id.conflict", way, source, stored, code)
					}
				}
			}
		})
	}
	if len(records(t, s.data)) != 3*len(acceptedURLs) {
		t.Errorf("recorded: %v", records(t, s.data))
	}
	s.healthy()
}

// create makes a transfer with a command that does not start it.
func create(t *testing.T, env []string, source, dest string, args ...string) (stored, code string) {
	t.Helper()
	got := godwit(t, env, append([]string{"get", "--no-start", "-o", "json", "--no-progress", source, dest}, args...)...)
	if got.code != 0 {
		code, _ := got.failure()
		return "", code
	}
	return sourceIn(t, got.stdout), ""
}

func sourceIn(t *testing.T, text string) string {
	t.Helper()
	var made struct{ Source struct{ URL string } }
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Errorf("%v: %.300s", err, text)
	}
	return made.Source.URL
}

// detailOf is what a call over gRPC says of its failure.
func detailOf(t *testing.T, err error) *pb.Error {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || len(e.Details()) != 1 {
		t.Errorf("no refusal: %v", err)
		return nil
	}
	detail, err := e.Details()[0].Value()
	if err != nil {
		t.Error(err)
		return nil
	}
	got, _ := detail.(*pb.Error)
	return got
}

// TestURLsAreSentAsGiven looks at the request line that the origin gets.
func TestURLsAreSentAsGiven(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.RequestURI)
		w.Header().Set("Content-Length", "2")
		_, _ = w.Write([]byte("ok")) // the client may have gone
	}))
	t.Cleanup(origin.Close)
	s := serve(t, nil)
	for i, target := range []string{
		"/a/../b//c/%2F%2f?x=%2f&y", "/%0d%0aX:%20y", "//double", "/?", "/a%2fb;p=1?a=b?c=d", "/%25?%zz", "/a[1]",
		"/" + strings.Repeat("a", 8000),
	} {
		id := fmt.Sprint("t", i)
		s.create(download(id, strings.Replace(origin.URL, "http", "HTTP", 1)+target+"#fragment", s.file(id)))
		if last := s.ended(id); last.GetStatus() != pb.Transfer_COMPLETED {
			t.Errorf("%s: %v", target, last)
		}
		if got.Load() != target {
			t.Errorf("%s was sent as %s", target, got.Load())
		}
	}
	// What no request can hold is encoded, and nothing beside it.
	s.create(download("pipe", origin.URL+"/a%2fb|c", s.file("pipe")))
	if last := s.ended("pipe"); last.GetStatus() != pb.Transfer_COMPLETED || got.Load() != "/a%2fb%7Cc" {
		t.Errorf("sent as %s: %v", got.Load(), last)
	}
	if _, err := s.Create(t.Context(), download("t0", origin.URL+"/b//c/%2F%2f?x=%2f&y", s.file("t0")), true); client.CodeOf(err) != "id.conflict" {
		t.Errorf("a cleaned path is taken for the one that was given: %v", err)
	}
}
