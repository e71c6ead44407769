package node

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/endpoint"
	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// startFromFile starts a node whose configuration is a file.
func startFromFile(t *testing.T, content string) *badNode {
	t.Helper()
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return startBad(t, func(c *Config) {
		loaded, err := LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		loaded.FileRoots, loaded.EgressAllow = c.FileRoots, c.EgressAllow
		*c = loaded
	})
}

// shownTask is what the API shows of a task.
type shownTask struct {
	ID, Status     string
	Attempts       int
	AttemptHistory []attempt
	Submitted      []string
}

// attempt is one of its attempts.
type attempt struct {
	StatusCode int
	ExitCode   *int
	Output     string
	Error      *struct{ Code transfer.Code }
	EndTime    *string
	// Task is what it belongs to.
	Task shownTask `json:"-"`
}

func (a attempt) code() transfer.Code {
	if a.Error == nil {
		return ""
	}
	return a.Error.Code
}

// fire enables a new group without members, and waits for the first attempt of
// its task.
func (b *badNode) fire(id, fields string) attempt {
	b.t.Helper()
	b.want("", createCompletion, `{"completionGroup":{"id":"`+id+`",`+fields+`}}`)
	b.want("", enable, `{"id":"`+id+`"}`)
	return b.attempted(id)
}

// attempted waits for the first attempt of a group's task.
func (b *badNode) attempted(group string) attempt {
	b.t.Helper()
	fired := b.until("CompletionService/GetCompletionGroup", `{"id":"`+group+`"}`, func(a answer) bool { return a.field("task.id") != nil })
	var shown shownTask
	b.until("TaskService/GetTask", fmt.Sprintf(`{"id":%q}`, fired.field("task.id")), func(a answer) bool {
		shown = shownTask{}
		if err := json.Unmarshal([]byte(a.body), &shown); err != nil {
			b.t.Fatalf("%v: %s", err, a.body)
		}
		return len(shown.AttemptHistory) > 0 && shown.AttemptHistory[0].EndTime != nil
	})
	first := shown.AttemptHistory[0]
	first.Task = shown
	return first
}

func webhook(url string) string { return fmt.Sprintf(`"webhook":{"url":%q}`, url) }

func TestReceiversThatAreRefused(t *testing.T) { // B123
	b := startBad(t, func(c *Config) { c.EgressAllow = nil })
	for url, code := range map[string]transfer.Code{
		"http://h.example/":           transfer.CodeURLScheme,
		"http://127.0.0.1/":           transfer.CodeURLScheme,
		"https://127.0.0.1/":          transfer.CodeEgress,
		"https://[::1]/":              transfer.CodeEgress,
		"https://[::ffff:127.0.0.1]/": transfer.CodeEgress,
		"https://169.254.169.254/":    transfer.CodeEgress,
		"https://10.0.0.1:8443/":      transfer.CodeEgress,
		"https://localhost/":          transfer.CodeEgress,
		"https://u:CANARY@h.example/": transfer.CodeURLUserinfo,
		"ftp://h.example/":            transfer.CodeURLScheme,
		"//h.example/":                transfer.CodeURLScheme,
		"":                            transfer.CodeURLEmpty,
	} {
		if got := b.want(code, createCompletion, `{"completionGroup":{`+webhook(url)+`}}`); strings.Contains(got.body, "CANARY") {
			t.Errorf("the answer repeats a value: %s", got.body)
		}
	}
	if got := b.want("", "CompletionService/ListCompletionGroups", `{}`); strings.Contains(got.body, `"id"`) {
		t.Errorf("%s", got.body)
	}
}

func TestReceiversThatMisbehave(t *testing.T) { // B123
	b := startBad(t, nil)
	secure := endpointtest.New(t, endpointtest.Options{TLS: true})
	b.origin.Redirect("/moved", http.StatusTemporaryRedirect, b.origin.URL("/target"))
	b.origin.Handle("/gone", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	b.origin.Handle("/endless", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for line := []byte(strings.Repeat("\x1b[31m", 1<<10)); ; { // until the client goes
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}))
	b.origin.Raw("/garbage", "\x1b[31m\r\n\r\n")
	for i, row := range []struct {
		url    string
		code   transfer.Code
		http   int
		status string
	}{
		{b.origin.URL("/moved?token=CANARY"), transfer.CodeWebhookRedirect, 307, "PENDING"},
		{b.origin.URL("/gone?token=CANARY"), transfer.CodeWebhookGone, 410, "DEAD_LETTER"},
		{b.origin.URL("/endless"), "", 200, "SUCCEEDED"},
		{b.origin.URL("/garbage"), transfer.CodeProtocol, 0, "PENDING"},
		{secure.URL("/"), transfer.CodeTLSVerify, 0, "PENDING"},
		{"https" + strings.TrimPrefix(b.origin.URL("/"), "http"), transfer.CodeTLSHandshake, 0, "PENDING"},
	} {
		got := b.fire(fmt.Sprint("c", i), webhook(row.url))
		if got.code() != row.code || got.StatusCode != row.http || got.Task.Status != row.status || len(got.Output) > 4<<10 {
			t.Errorf("%s: %s %+v", row.url, got.code(), got)
		}
		if strings.ContainsAny(got.Output, "\x1b\u009b") || strings.Contains(fmt.Sprint(got, got.Error), "CANARY") {
			t.Errorf("%s: %+v", row.url, got)
		}
	}
	for _, r := range b.origin.Requests() {
		if r.Path == "/target" {
			t.Error("a redirect was followed")
		}
	}
	if len(secure.Requests()) > 0 {
		t.Error("somebody whose certificate is not known was told")
	}
}

// logBuffer keeps what is logged, at all levels.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func TestSecretsOfWebhooks(t *testing.T) { // B124
	var log logBuffer
	b := startBad(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b.origin.Handle("/hook", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	key := func(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), n)) }
	for _, secret := range []string{"whsec_" + key(23), "whsec_" + key(65), key(32), "whsec_", "whsec_" + key(25)[:20], "whsec_CANARY*", "whsec_" + key(32) + "\\n"} {
		got := b.want(transfer.CodeSecret, createCompletion, `{"completionGroup":{"webhook":{"url":"`+b.origin.URL("/hook")+`","secret":"`+secret+`"}}}`)
		if len(secret) > len("whsec_") && strings.Contains(got.body, secret) {
			t.Errorf("the answer repeats a value: %s", got.body)
		}
	}
	secret := "whsec_" + strings.Repeat("CANARY", 6)
	hook := `"webhook":{"url":"` + b.origin.URL("/hook?token=CANARY") + `","secret":"` + secret + `"}`
	create := `{"completionGroup":{"id":"c",` + hook + `}}`
	resolver := strings.Replace(b.transferOf("t", ","+hook), `"webhook"`, `"resolver"`, 1)
	given := []answer{b.want("", createCompletion, create), b.want("", createTransfer, resolver), b.want("", enable, `{"id":"c"}`)}
	id := b.attempted("c").Task.ID
	for _, call := range [][2]string{
		{createCompletion, create},
		{createCompletion, strings.Replace(create, `"c"`, `"c","exec":"x"`, 1)},
		{createCompletion, strings.Replace(create, "CANARYCANARY", "CANARYcanary", 1)},
		{createTransfer, resolver},
		{enable, `{"id":"c"}`},
		{"CompletionService/GetCompletionGroup", `{"id":"c"}`},
		{"CompletionService/ListCompletionGroups", `{}`},
		{"CompletionService/RetryCompletionGroup", `{"id":"c"}`},
		{"CompletionService/DeleteCompletionGroup", `{"id":"c"}`},
		{"TransferService/GetTransfer", `{"id":"t"}`},
		{"TransferService/ListTransfers", `{}`},
		{"TransferService/ExplainTransfer", `{"id":"t"}`},
		{"TaskService/GetTask", `{"id":"` + id + `"}`},
		{"TaskService/ListTasks", `{}`},
		{"TaskService/RedeliverTask", `{"id":"` + id + `"}`},
	} {
		given = append(given, b.ask(call[0], call[1]))
	}
	given = append(given, b.send(http.MethodGet, "/metrics", ""))
	for _, a := range given {
		if strings.Contains(a.body, "CANARY") || strings.Contains(a.body, "whsec_") {
			t.Errorf("shown: %s", a.body)
		}
	}
	// One of ours is shown to whoever had it made, this once.
	made, _ := b.want("", createCompletion, `{"completionGroup":{"id":"d",`+webhook(b.origin.URL("/hook"))+`}}`).field("webhook.secret").(string)
	again := b.want("", createCompletion, `{"completionGroup":{"id":"d",`+webhook(b.origin.URL("/hook"))+`}}`)
	if len(made) < 40 || again.field("webhook.secret") != "" {
		t.Errorf("%q made, then %s", made, again.body)
	}
	noCanary(t, b.cfg.DataDir)
	raw, err := base64.StdEncoding.DecodeString(strings.Repeat("CANARY", 6))
	if err != nil || strings.Contains(log.String(), "CANARY") || strings.Contains(log.String(), made) {
		t.Errorf("%v, the log: %s", err, log.String())
	}
	nowhere(t, b.cfg.DataDir, string(raw), made)
}

// nowhere looks for texts in all files below a folder.
func nowhere(t *testing.T, dir string, texts ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, text := range texts {
			if strings.Contains(string(content), text) {
				t.Errorf("%s holds %q", path, text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// received are the deliveries that a handler was sent.
func received(o *endpointtest.Origin, path string, status func(n int) int) chan *http.Request {
	out := make(chan *http.Request, 100)
	n := 0
	o.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The origin has read the body; it keeps what came.
		all := o.Requests()
		r = &http.Request{Header: r.Header, Body: io.NopCloser(bytes.NewReader(all[len(all)-1].Body))}
		n++
		w.WriteHeader(status(n))
		out <- r
	}))
	return out
}

func TestDeliveriesCannotBeForged(t *testing.T) { // B124, B125
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), 24))
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	origin := endpointtest.New(t, endpointtest.Options{})
	deliveries := received(origin, "/hook", func(int) int { return http.StatusNoContent })
	b := startBad(t, func(c *Config) {
		c.Channels = map[string]Channel{"ops": {Webhook: origin.URL("/hook"), SecretFile: file}}
	})
	b.want(transfer.CodeID, createCompletion, `{"completionGroup":{"id":"a.b"}}`)
	// The id of a transfer may have a dot, that of a delivery has none.
	b.want("", createTransfer, strings.Replace(b.transferOf("a.b", `,"notifications":[{"channel":"ops","success":"{id}"}]`), "false", "true", 1))
	r := <-deliveries
	body, err := io.ReadAll(r.Body)
	if id := r.Header.Get("Webhook-Id"); err != nil || strings.Contains(id, ".") || id == "" || !strings.Contains(string(body), `"text":"a.b"`) {
		t.Errorf("id %q: %s, %v", id, body, err)
	}
	now := time.Now()
	forged := r.Header.Clone()
	forged.Set("Webhook-Id", "other")
	for _, row := range []struct {
		name   string
		secret string
		header http.Header
		body   string
		now    time.Time
		want   error
	}{
		{"as sent", secret, r.Header, string(body), now, nil},
		{"replayed", secret, r.Header, string(body), now.Add(6 * time.Minute), endpoint.ErrTimestamp},
		{"tampered with", secret, r.Header, strings.Replace(string(body), "a.b", "b.b", 1), now, endpoint.ErrSignature},
		{"as another message", secret, forged, string(body), now, endpoint.ErrSignature},
		{"for another receiver", "whsec_" + strings.Repeat("CANARY", 6), r.Header, string(body), now, endpoint.ErrSignature},
	} {
		if err := endpoint.Verify(row.secret, row.header, []byte(row.body), row.now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	// A delivery by hand has the same id and another signature.
	b.until("TaskService/GetTask", fmt.Sprintf(`{"id":%q}`, r.Header.Get("Webhook-Id")), func(a answer) bool { return a.field("status") == "SUCCEEDED" })
	b.want("", "TaskService/RedeliverTask", fmt.Sprintf(`{"id":%q}`, r.Header.Get("Webhook-Id")))
	if again := <-deliveries; again.Header.Get("Webhook-Id") != r.Header.Get("Webhook-Id") {
		t.Errorf("%v, then %v", r.Header, again.Header)
	}
}

func TestTemplatesAndNames(t *testing.T) { // B121
	b := startBad(t, nil)
	submit := func(source, destination string) string {
		return fmt.Sprintf(`"submit":{"transfer":{"source":{"url":%q},"destination":{"url":%q}}}`, source, destination)
	}
	for _, text := range []string{"{{.Secrets}}", "%{x}", "{secret}", "{", "}", "{id", "{Id}", "{ id }", "{}", "${env}"} {
		b.want(transfer.CodeTemplate, createCompletion, `{"completionGroup":{`+submit("https://h/"+text, "s3://b/k")+`}}`)
		b.want(transfer.CodeTemplate, createCompletion, fmt.Sprintf(`{"completionGroup":{"notifications":[{"channel":"log","success":%q}]}}`, text))
	}
	b.want(transfer.CodeTemplate, createCompletion, `{"completionGroup":{`+submit("https://{name}/", "s3://b/k")+`}}`)
	const name = `a"b,{task}%{x}&<script>'$(id)}.bin`
	deliveries := received(b.origin, "/hook", func(int) int { return http.StatusNoContent })
	b.want("", createCompletion, `{"completionGroup":{"id":"hook",`+webhook(b.origin.URL("/hook"))+`}}`)
	b.want("", createCompletion, `{"completionGroup":{"id":"copy",`+submit(b.origin.URL("/of/{name}?id={id}"), "file://"+b.root+"/copy/{name}")+`}}`)
	for _, group := range []string{"hook", "copy"} {
		escaped, err := json.Marshal("file://" + filepath.Join(b.root, group+name))
		if err != nil {
			t.Fatal(err)
		}
		b.want("", createTransfer, `{"transfer":{"id":"of-`+group+`","completionGroup":"`+group+`","source":{"url":"`+b.origin.URL("/x")+`"},"destination":{"url":`+string(escaped)+`}}}`)
		b.want("", enable, `{"id":"`+group+`"}`)
	}
	var event struct {
		Data struct {
			Transfers []struct{ Destination struct{ URL string } }
		}
	}
	if err := json.NewDecoder((<-deliveries).Body).Decode(&event); err != nil || len(event.Data.Transfers) != 1 ||
		event.Data.Transfers[0].Destination.URL != "file://"+filepath.Join(b.root, "hook"+name) {
		t.Errorf("%+v, %v", event, err)
	}
	made := b.attempted("copy").Task.Submitted
	if len(made) != 1 {
		t.Fatalf("%v", made)
	}
	got := b.want("", "TransferService/GetTransfer", `{"id":"`+made[0]+`"}`)
	if got.field("destination.url") != "file://"+filepath.Join(b.root, "copy", "copy"+name) ||
		got.field("source.url") != b.origin.URL("/of/copya%22b%2C%7Btask%7D%25%7Bx%7D%26%3Cscript%3E%27%24%28id%29%7D.bin") {
		t.Errorf("%s", got.body)
	}
}
