package chaos

import (
	"slices"
	"strings"
	"testing"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
)

// TestSecretsOfWatches follows transfers that hold secrets while they run: from
// before they start, over a failure, a redirect and a pause, to their ends. They
// are slow enough for lines of progress in between.
func TestSecretsOfWatches(t *testing.T) {
	t.Parallel()
	h := newHaystack(t)
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 19, Behavior: endpointtest.Behavior{
		Rate: 2 << 20, Status: 503, StatusTimes: 1,
	}})
	o.Redirect("/moved", 307, o.URL("/f")+"?sig="+placed("location"))
	o.Raw("/gone", "HTTP/1.1 410 "+placed("reason")+"\r\nX-Echo: "+placed("echo")+"\r\nContent-Length: 7\r\n\r\nSECRET-")
	s := serve(t, nil)
	h.roots = append(h.roots, s.data)
	ids := []string{"gone", "moved", "posted"}
	for _, id := range ids {
		path := map[string]string{"gone": "/gone", "moved": "/moved", "posted": "/f"}[id]
		want := download(id, o.URL(path)+"?sig="+placed("query"), s.file(id))
		want.Connections = 1
		want.Headers = []*pb.Header{
			{Name: "Authorization", Value: "Bearer " + placed("authorization")},
			{Name: "X-Api-Key", Value: placed("apikey")},
		}
		if id == "posted" {
			want.Method, want.Body = "POST", []byte(placed("body"))
		}
		if _, err := s.Create(t.Context(), want, false); err != nil {
			t.Fatal(err)
		}
	}
	watches := h.watch(s, ids)
	get := start(t, environment(t), "get", o.URL("/moved")+"?sig="+placed("query"), s.file("got"), "--data-dir", t.TempDir(),
		"--connections", "1", "-H", "X-Api-Key: "+placed("apikey"))
	for _, id := range ids {
		if _, err := s.Client.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s.until("moved", func(t *pb.Transfer) bool { return t.GetProgress().GetBytesOnWire() > 0 })
	for _, command := range []string{"pause", "resume"} {
		if got := godwit(t, environment(t), "transfer", command, "moved", "--server", s.url); got.code != 0 {
			t.Fatal(got.stderr)
		}
	}
	for name, w := range watches {
		h.followed(name, w, ids)
	}
	h.followed("get", get, nil)
	h.texts["log"] = s.Stdout() + s.Stderr()
	h.search()
}

// watch begins to watch in every format, one transfer and all of them.
func (h *haystack) watch(s *server, ids []string) map[string]*Process {
	h.t.Helper()
	watches := map[string]*Process{}
	for _, format := range []string{"table", "json", "yaml"} {
		for _, watched := range [][]string{{"posted"}, ids} {
			w := start(h.t, environment(h.t), slices.Concat([]string{"transfer", "watch", "--server", s.url, "-o", format, "--log-level", "debug"}, watched)...)
			watches[strings.Join(watched, " ")+" as "+format] = w
			await := w.AwaitStdout
			if format == "table" {
				await = w.AwaitStderr
			}
			if err := await(h.t.Context(), "\n"); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return watches
}

// followed takes what a command has printed to its end, and makes sure that it
// was there to see something: progress, and of several transfers each.
func (h *haystack) followed(name string, w *Process, ids []string) {
	h.t.Helper()
	got := wait(h.t, w)
	if want := map[bool]int{true: 7, false: 0}[strings.HasPrefix(name, "gone ")]; got.code != want {
		h.t.Errorf("%s: exit %d, want %d: %s", name, got.code, want, got.stderr)
	}
	progress := map[string]string{"json": `"RUNNING"`, "yaml": "status: RUNNING"}[name[strings.LastIndex(name, " ")+1:]]
	if progress == "" {
		progress = ": running, "
	}
	text := got.stdout + got.stderr
	if n := strings.Count(text, progress); n < 2 {
		h.t.Errorf("%s shows progress %d times: %s", name, n, text)
	}
	if strings.HasPrefix(name, "gone ") {
		for _, id := range ids {
			if !strings.Contains(text, id) {
				h.t.Errorf("%s does not show %s", name, id)
			}
		}
	}
	h.texts[name] = text
}
