package chaos

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"godwit/client"
	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/storage/s3/s3test"
)

// placed is the secret of one place where one can be given: each is another, so
// that a leak names where it came from.
func placed(where string) string { return "SECRET-" + where + "-8d1f" }

// TestSecrets gives a secret in every place that can hold one, runs transfers
// that end in every way, and looks for it in everything that is printed, logged,
// served and stored.
func TestSecrets(t *testing.T) {
	t.Parallel()
	h := newHaystack(t)
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 11})
	mirror := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 11})
	o.Redirect("/moved", 302, mirror.URL("/f?sig="+placed("location")))
	o.Redirect("/nowhere", 302, "ftp://h/?sig="+placed("badlocation"))
	fake := s3test.NewFake(t)
	token := h.secretFile("token", strings.Repeat(placed("token"), 2))
	s := serve(t, []string{
		"AWS_ACCESS_KEY_ID=" + placed("accesskey"), "AWS_SECRET_ACCESS_KEY=" + placed("secretkey"),
		"AWS_ENDPOINT_URL=" + fake.Endpoint,
	}, "--api-token-file", token)
	s.Client = h.client(s)
	h.roots = append(h.roots, s.data, s.files)

	secret := func(id, path, dest string) *pb.Transfer {
		return &pb.Transfer{
			Id: id, Source: &pb.Endpoint{Url: o.URL(path) + "?sig=" + placed("query")},
			Destination: &pb.Endpoint{Url: dest}, Mirrors: []*pb.Endpoint{{Url: mirror.URL("/m") + "?sig=" + placed("mirror")}},
			Method: "POST", Body: []byte(placed("body")), Headers: []*pb.Header{
				{Name: "Authorization", Value: "Bearer " + placed("authorization")},
				{Name: "X-Api-Key", Value: placed("apikey")},
				{Name: "Cookie", Value: "c=" + placed("cookie")},
			},
		}
	}
	s.create(secret("done", "/f", "file://"+s.file("done")))
	s.create(secret("s3", "/f", "s3://results/f"))
	moved := secret("moved", "/moved", "file://"+s.file("moved"))
	moved.Method, moved.Body = "GET", nil
	s.create(moved)
	for _, id := range []string{"done", "s3", "moved"} {
		if last := s.ended(id); last.GetStatus() != pb.Transfer_COMPLETED {
			t.Errorf("%v", last)
		}
	}
	bad := secret("bad", "/nowhere", "file://"+s.file("bad"))
	bad.Mirrors = nil
	s.create(bad)
	s.ended("bad")
	o.Set(func(b *endpointtest.Behavior) { b.Rate = 4 << 20 })
	s.create(secret("canceled", "/f", "file://"+s.file("canceled")))
	s.until("canceled", in(pb.Transfer_RUNNING))
	if _, err := s.Cancel(t.Context(), "canceled", "enough"); err != nil {
		t.Fatal(err)
	}
	h.look(s)

	// Killed in the middle, its record must still know them.
	killed := secret("killed", "/f", "file://"+s.file("killed"))
	killed.Method, killed.Body, killed.Mirrors = "GET", nil, nil
	o.ResetLedger()
	s.create(killed)
	if err := o.WaitServed(t.Context(), contentSize/4); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	h.texts["log before the kill"] = s.Stdout() + s.Stderr()
	o.Set(func(b *endpointtest.Behavior) { b.Rate = 0 })
	s.run(client.Config{})
	s.Client = h.client(s)
	if last := s.ended("killed"); last.GetStatus() != pb.Transfer_COMPLETED {
		t.Errorf("%v", last)
	}
	for _, r := range o.Requests() {
		if r.Header.Get("X-Api-Key") != placed("apikey") || r.Query != "sig="+placed("query") {
			t.Errorf("its own origin did not get the secrets: %v %s", r.Header, r.Query)
		}
	}
	if len(records(t, s.data)) == 0 {
		t.Error("no record was found to search")
	}
	h.look(s)
	h.texts["log"] = s.Stdout() + s.Stderr()
	for name, data := range fake.Objects() {
		h.texts["object "+name] = string(data)
	}
	h.search()
}

// TestSecretsOfCommands does the same with commands that do the work themselves.
func TestSecretsOfCommands(t *testing.T) {
	t.Parallel()
	h := newHaystack(t)
	o := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 12})
	body := h.secretFile("body", placed("body"))
	data := t.TempDir()
	h.roots = append(h.roots, data)
	for name, c := range map[string]struct {
		path string
		args []string
	}{
		"succeeds": {"/f", []string{"-H", "X-Api-Key: " + placed("apikey"), "--body", body}},
		"fails":    {"/gone", []string{"-H", "Authorization: " + placed("authorization"), "--mirror", deadURL(t) + "?" + placed("mirror"), "--retries", "0"}},
		"refused":  {"/f", []string{"-H", "Bad Name: " + placed("apikey")}},
	} {
		o.Raw("/gone", "HTTP/1.1 410 Gone\r\nX-Echo: "+placed("echo")+"\r\nContent-Length: 0\r\n\r\n")
		dest := toFile(t)
		got := godwit(t, dest.env, append([]string{
			"get", o.URL(c.path) + "?sig=" + placed("query"), dest.url,
			"--data-dir", data, "--log-level", "debug",
		}, c.args...)...)
		h.texts["get that "+name] = got.stdout + got.stderr
		if (name == "succeeds") != (got.code == 0) {
			t.Errorf("%s: exit %d\n%s", name, got.code, got.stderr)
		}
	}
	user := godwit(t, environment(t), "get", "https://bob:"+placed("userinfo")+"@h/f", "--data-dir", data)
	if user.code != 2 || !strings.Contains(user.stderr, "url.userinfo") {
		t.Errorf("%d %s", user.code, user.stderr)
	}
	h.texts["userinfo"] = user.stderr + user.stdout
	h.search()
}

// TestWrongSecretsKey starts a server with another key than its records were
// sealed with: the transfers that need it say so, and the server lives.
func TestWrongSecretsKey(t *testing.T) {
	t.Parallel()
	o := endpointtest.New(t, endpointtest.Options{Size: 1000, Seed: 13})
	s := serve(t, nil)
	want := download("sealed", o.URL("/f")+"?sig="+placed("query"), s.file("f"))
	if _, err := s.Create(t.Context(), want, false); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = append(s.args, "--secrets-key-file", key)
	p := start(t, s.env, s.args...)
	ctx := t.Context()
	if err := p.AwaitStderr(ctx, `"node is ready"`); err != nil {
		if !strings.Contains(p.Stderr(), "secret") {
			t.Errorf("the reason is not clear: %v", err)
		}
		return
	}
	if err := p.AwaitStdout(ctx, "\n"); err != nil {
		t.Fatal(err)
	}
	s.Process, s.url = p, strings.TrimSpace(p.Stdout())
	_, answer := s.call("StartTransfer", `{"id":"sealed"}`)
	_, shown := s.call("GetTransfer", `{"id":"sealed"}`)
	if !strings.Contains(answer+shown, "key") {
		t.Errorf("the reason is not clear: %s %s\n%s", answer, shown, p.Stderr())
	}
	if status, _ := s.get("/readyz"); status != 200 {
		t.Errorf("readyz %d", status)
	}
}

// haystack is everything that must not hold a secret.
type haystack struct {
	t     *testing.T
	texts map[string]string
	roots []string
	token string
}

func newHaystack(t *testing.T) *haystack { return &haystack{t: t, texts: map[string]string{}} }

// secretFile writes a file that is the secret's own place.
func (h *haystack) secretFile(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if name == "token" {
		h.token = text
	}
	return path
}

func (h *haystack) client(s *server) *client.Client {
	h.t.Helper()
	c, err := client.New(client.Config{Servers: []string{s.url}, Token: h.token})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// look asks the server for everything that it shows.
func (h *haystack) look(s *server) {
	h.t.Helper()
	auth := []string{"Authorization", "Bearer " + h.token}
	_, h.texts["list"] = s.call("ListTransfers", `{}`, auth...)
	var list struct{ Transfers []struct{ ID string } }
	if err := json.Unmarshal([]byte(h.texts["list"]), &list); err != nil || len(list.Transfers) == 0 {
		h.t.Fatalf("list: %v %.200s", err, h.texts["list"])
	}
	var ids []string
	for _, t := range list.Transfers {
		ids = append(ids, t.ID)
		for _, procedure := range []string{"GetTransfer", "ExplainTransfer"} {
			_, h.texts[procedure+" "+t.ID] = s.call(procedure, `{"id":"`+t.ID+`"}`, auth...)
		}
	}
	for t, err := range s.Watch(h.t.Context(), ids...) {
		if err != nil {
			h.t.Fatal(err)
		}
		h.texts["watch "+t.GetId()] += t.String()
	}
	file := h.secretFile("token", h.token)
	for _, command := range []string{"ls", "watch", "explain", "show"} {
		args := []string{"transfer", command, "--server", s.url, "--api-token-file", file}
		if command != "ls" {
			args = append(args, ids[0])
		}
		for _, format := range []string{"table", "json"} {
			got := godwit(h.t, environment(h.t), append(args, "-o", format)...)
			if got.code != 0 && got.code != 1 {
				h.t.Errorf("%v: exit %d %s", args, got.code, got.stderr)
			}
			h.texts["transfer "+command+" "+format] = got.stdout + got.stderr
		}
	}
	_, h.texts["bad token"] = s.call("ListTransfers", `{}`, "Authorization", "Bearer "+placed("wrong"))
	h.texts["metrics"] = h.metrics(s)
}

// metrics reads /metrics, which wants the token too.
func (h *haystack) metrics(s *server) string {
	h.t.Helper()
	text := s.fetch("/metrics", h.token)
	if !strings.Contains(text, "godwit_build_info") {
		h.t.Errorf("no metrics: %.200s", text)
	}
	return text
}

// search fails for every place where a secret is found, as it is or in base64.
func (h *haystack) search() {
	h.t.Helper()
	for _, root := range h.roots {
		for _, path := range files(h.t, root) {
			data, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() {
					continue // a socket
				}
				h.t.Fatal(err)
			}
			h.texts["file "+path] = string(data)
		}
	}
	if len(h.texts) < 4 {
		h.t.Fatalf("only %d texts were searched", len(h.texts))
	}
	inner := base64.StdEncoding.EncodeToString([]byte("SECRET-")) // nine bytes begin alike
	for where, text := range h.texts {
		for _, needle := range []string{"SECRET-", inner[:8]} {
			if i := strings.Index(text, needle); i >= 0 {
				h.t.Errorf("%s holds a secret: …%q…", where, text[max(0, i-120):min(len(text), i+60)])
			}
		}
	}
	h.t.Logf("%d texts were searched", len(h.texts))
}
