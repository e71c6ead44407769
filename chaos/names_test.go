package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "godwit/protos/godwit/v1"
)

// remoteNames are what origins call their content. Only the URL counts for the
// name of a file, and only its last, harmless part.
var remoteNames = []struct {
	path        string
	disposition []string
	want        string
}{
	{"/real.bin", nil, "real.bin"},
	{"/real.bin", []string{`attachment; filename="../../x"`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename="/etc/cron.d/x"`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename*=UTF-8''..%2fx`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename="a\b"`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename=""`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename=".."`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename=".bashrc"`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename="` + strings.Repeat("n", 10<<10) + `"`}, "real.bin"},
	{"/real.bin", []string{`attachment; filename="one"; filename*=UTF-8''two`, `attachment; filename="three"`}, "real.bin"},
	{"/", []string{`attachment; filename="x"`}, "download"},
	{"/a/..%2f..%2fx", nil, "x"},
	{"/a%5Cb", nil, "b"},
	{"/.bashrc", nil, "bashrc"},
	{"/..", nil, "download"},
	{"/%2e%2e", nil, "download"},
	{"/" + strings.Repeat("n", 1<<10), nil, strings.Repeat("n", 200)},
	{"/NUL", nil, "_NUL"},
	{"/%1b%5b31m.txt", nil, "[31m.txt"},
}

// TestRemoteNames downloads into a folder, through a server and without. There
// is one file then, under a name of one component, and what has that name
// already stays.
func TestRemoteNames(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	env := environment(t)
	for i, c := range remoteNames {
		t.Run(fmt.Sprint(i, c.path[:min(len(c.path), 20)]), func(t *testing.T) {
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Disposition"] = c.disposition
				_, _ = w.Write([]byte("new")) // the client may have gone
			}))
			defer origin.Close()
			data := t.TempDir()
			for way, args := range map[string][]string{"server": {"--server", s.url}, "own": {"--data-dir", data}} {
				folder := newFolder(t, s.file(fmt.Sprint(way, i)))
				get := append([]string{"get", origin.URL + c.path, folder, "--no-progress", "-o", "json"}, args...)
				got := godwit(t, env, get...)
				judge(t, got, "")
				plain(t, got.stdout)
				holdsOnly(t, folder, c.want, "new")

				// Somebody else's file of that name: another transfer's end, another folder.
				taken := newFolder(t, s.file(fmt.Sprint(way, i, "-taken")))
				if err := os.WriteFile(filepath.Join(taken, c.want), []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
				get[2] = taken
				judge(t, godwit(t, env, get...), "dest.exists")
				holdsOnly(t, taken, c.want, "old")
			}
			// A destination that is given is taken as it is.
			folder := newFolder(t, s.file(fmt.Sprint("api", i)))
			id := filepath.Base(folder)
			s.create(download(id, origin.URL+c.path, filepath.Join(folder, "given")))
			if last := s.ended(id); last.GetStatus() != pb.Transfer_COMPLETED {
				t.Errorf("%v", last)
			}
			holdsOnly(t, folder, "given", "new")
		})
	}
	s.healthy()
}

func newFolder(t *testing.T, path string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// holdsOnly fails unless a folder holds one file, of this name and content.
func holdsOnly(t *testing.T, folder, name, content string) {
	t.Helper()
	found := files(t, folder)
	if len(found) != 1 || found[0] != filepath.Join(folder, name) {
		t.Errorf("found %q, want %q", found, name)
		return
	}
	if text, err := os.ReadFile(found[0]); err != nil || string(text) != content {
		t.Errorf("%q, %v, want %q", text, err, content)
	}
}
