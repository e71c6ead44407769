package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// badNode is a real node that is asked as a script would ask it.
type badNode struct {
	*Node
	t      *testing.T
	origin *endpointtest.Origin
	root   string
}

func startBad(t *testing.T, change func(*Config)) *badNode {
	t.Helper()
	b := &badNode{t: t, root: t.TempDir(), origin: endpointtest.New(t, endpointtest.Options{Seed: 1, Size: 1 << 20})}
	cfg := Config{FileRoots: []string{b.root}, EgressAllow: []string{"127.0.0.0/8"}}
	if change != nil {
		change(&cfg)
	}
	b.Node = startNode(t, cfg)
	return b
}

// answer is what came back.
type answer struct {
	status int
	body   string
}

// field returns a field of the answer, "a.b" for one within another.
func (a answer) field(path string) any {
	var v any
	_ = json.Unmarshal([]byte(a.body), &v)
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// code is the stable code of a failure, "" of a success.
func (a answer) code() transfer.Code {
	var f struct{ Details []struct{ Debug pb.Error } }
	if a.status == http.StatusOK || json.Unmarshal([]byte(a.body), &f) != nil || len(f.Details) != 1 {
		return ""
	}
	return transfer.Code(f.Details[0].Debug.Code)
}

// send calls "Service/Method"; pairs are headers.
func (b *badNode) send(verb, path, body string, pairs ...string) answer {
	req, err := http.NewRequestWithContext(b.t.Context(), verb, "http://"+b.Addr()+path, strings.NewReader(body))
	if err != nil {
		return answer{body: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	// Where a redirect leads to is another request.
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(content) + strings.TrimPrefix(fmt.Sprint(err), "<nil>")}
}

func (b *badNode) ask(method, body string) answer {
	return b.send(http.MethodPost, "/godwit.v1."+method, body)
}

// want asks and wants a success (code "") or a failure with this code.
func (b *badNode) want(code transfer.Code, method, body string) answer {
	b.t.Helper()
	status := http.StatusOK
	if code != "" {
		status = code.Info().HTTP
	}
	got := b.ask(method, body)
	if got.status != status || got.code() != code {
		b.t.Errorf("%s %.200s: %d %.400s, want %d %s", method, body, got.status, got.body, status, code)
	}
	return got
}

// until asks again and again until the answer is as it should be.
func (b *badNode) until(method, body string, fine func(answer) bool) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		got := b.ask(method, body)
		if fine(got) {
			return got
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s %s: still %d %s", method, body, got.status, got.body)
		}
	}
}

// untilEnded waits for the end of a completion group, its task included.
func (b *badNode) untilEnded(id string) answer {
	b.t.Helper()
	return b.until("CompletionService/GetCompletionGroup", `{"id":"`+id+`"}`, func(a answer) bool {
		return a.field("status") == "DONE" || a.field("status") == "FAILED"
	})
}

// transferOf is the request for a transfer that waits to be started.
func (b *badNode) transferOf(id, fields string) string {
	return fmt.Sprintf(`{"start":false,"transfer":{"id":%q,"source":{"url":%q},"destination":{"url":%q}%s}}`,
		id, b.origin.URL("/"+id), "file://"+filepath.Join(b.root, id), fields)
}

const (
	createTransfer   = "TransferService/CreateTransfer"
	createGroup      = "GroupService/CreateGroup"
	createCompletion = "CompletionService/CreateCompletionGroup"
	addTransfers     = "CompletionService/AddTransfers"
	enable           = "CompletionService/EnableCompletionGroup"
)

// kinds are how each kind of resource is created with a label, and found.
func (b *badNode) kinds() []resource {
	return []resource{
		{createTransfer, "TransferService/GetTransfer", func(id, label string) string {
			return b.transferOf(id, `,"labels":{"a":"`+label+`"}`)
		}, func(id string) string { return `{"id":"` + id + `"}` }},
		{createGroup, "GroupService/GetGroup", func(id, label string) string {
			return `{"group":{"name":"` + id + `","labels":{"a":"` + label + `"}}}`
		}, func(id string) string { return `{"name":"` + id + `"}` }},
		{createCompletion, "CompletionService/GetCompletionGroup", func(id, label string) string {
			return `{"completionGroup":{"id":"` + id + `","labels":{"a":"` + label + `"}}}`
		}, func(id string) string { return `{"id":"` + id + `"}` }},
		{createCompletion, "CompletionService/GetCompletionGroup", func(id, label string) string {
			return `{"completionGroup":{"id":"w` + id + `","webhook":{"url":"` + b.origin.URL("/") + `"},"labels":{"a":"` + label + `"}}}`
		}, func(id string) string { return `{"id":"w` + id + `"}` }},
	}
}

type resource struct {
	create, get string
	body        func(id, label string) string
	named       func(id string) string
}

func TestSameIDTwice(t *testing.T) { // B93, B94
	b := startBad(t, nil)
	for _, kind := range b.kinds() {
		b.want("", kind.create, kind.body("x", "one"))
		first := b.want("", kind.get, kind.named("x"))
		b.want("", kind.create, kind.body("x", "one"))
		b.want(transfer.CodeIDConflict, kind.create, kind.body("x", "two"))
		if again := b.want("", kind.get, kind.named("x")); again != first {
			t.Errorf("%s changed it from %s to %s", kind.create, first.body, again.body)
		}
	}
}

func TestManyCreatesOfOneID(t *testing.T) { // B96
	b := startBad(t, nil)
	for _, kind := range b.kinds() {
		answers := make([]answer, 100)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = b.ask(kind.create, kind.body("race", fmt.Sprint(i%2))) })
		}
		all.Wait()
		made := b.want("", kind.get, kind.named("race"))
		conflicts := 0
		for _, a := range answers {
			switch {
			case a.code() == transfer.CodeIDConflict:
				conflicts++
			case a.status != http.StatusOK, a.field("createTime") != made.field("createTime"), a.field("labels.a") != made.field("labels.a"):
				t.Errorf("%s: %d %s", kind.create, a.status, a.body)
			}
		}
		if conflicts != 50 {
			t.Errorf("%s: %d conflicts", kind.create, conflicts)
		}
	}
}

func TestMembersOfACompletionGroup(t *testing.T) { // B97
	b := startBad(t, nil)
	b.want("", createCompletion, `{"completionGroup":{"id":"c"}}`)
	b.want("", createCompletion, `{"completionGroup":{"id":"other"}}`)
	for _, id := range []string{"m1", "m2"} {
		b.want("", createTransfer, b.transferOf(id, ""))
	}
	b.want("", createTransfer, b.transferOf("theirs", `,"completionGroup":"other"`))
	b.want(transfer.CodeCompletionNotFound, createTransfer, b.transferOf("lost", `,"completionGroup":"none"`))
	b.want(transfer.CodeNotFound, "TransferService/GetTransfer", `{"id":"lost"}`)
	b.want(transfer.CodeCompletionNotFound, addTransfers, `{"id":"none","transfers":["m1"]}`)
	b.want(transfer.CodeMembers, addTransfers, `{"id":"c"}`)
	b.want(transfer.CodeNotFound, addTransfers, `{"id":"c","transfers":["none"]}`)
	b.want(transfer.CodeState, addTransfers, `{"id":"c","transfers":["theirs"]}`)
	for range 2 {
		got := b.want("", addTransfers, `{"id":"c","transfers":["m2","m1","m2","m1"]}`)
		if waiting := fmt.Sprint(got.field("members.waitingOn")); got.field("members.total") != 2.0 || waiting != "[m1 m2]" {
			t.Errorf("duplicates: %s", got.body)
		}
	}
	b.want(transfer.CodeMembers, createCompletion, `{"completionGroup":{"id":"own","submit":{"transfer":{`+
		`"source":{"url":"https://h/{name}"},"destination":{"url":"s3://b/{name}"},"completionGroup":"own"}}}}`)
	many, err := json.Marshal(slices.Repeat([]string{"m1"}, 10_001)) // as many as that in one call
	if err != nil {
		t.Fatal(err)
	}
	b.want(transfer.CodeMembers, addTransfers, `{"id":"c","transfers":`+string(many)+`}`)
	// A group without members fires when it is enabled.
	b.want("", createCompletion, `{"completionGroup":{"id":"empty"}}`)
	b.want("", enable, `{"id":"empty"}`)
	if got := b.untilEnded("empty"); got.field("status") != "DONE" || got.field("members.total") != 0.0 {
		t.Errorf("%s", got.body)
	}
}

func TestEnabledCompletionGroup(t *testing.T) { // B98
	b := startBad(t, nil)
	hooks := make(chan string, 100)
	b.origin.Handle("/hook", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hooks <- r.Header.Get("Webhook-Id") }))
	b.origin.Set(func(o *endpointtest.Behavior) { o.Rate = 64 << 10 }) // 16 s
	b.want("", createCompletion, `{"completionGroup":{"id":"c","webhook":{"url":"`+b.origin.URL("/hook")+`"}}}`)
	for _, id := range []string{"m1", "m2"} {
		b.want("", createTransfer, b.transferOf(id, `,"completionGroup":"c"`))
	}
	b.want("", createTransfer, b.transferOf("late", ""))
	b.want(transfer.CodeState, "CompletionService/RetryCompletionGroup", `{"id":"c"}`)
	b.want(transfer.CodeState, "CompletionService/DeleteCompletionGroup", `{"id":"c"}`)
	for range 3 {
		if got := b.want("", enable, `{"id":"c"}`); got.field("status") != "ENABLED" {
			t.Errorf("%s", got.body)
		}
	}
	b.want(transfer.CodeCompletionEnabled, addTransfers, `{"id":"c","transfers":["late"]}`)
	b.want(transfer.CodeCompletionEnabled, createTransfer, b.transferOf("later", `,"completionGroup":"c"`))
	b.want(transfer.CodeNotFound, "TransferService/GetTransfer", `{"id":"later"}`)
	b.want(transfer.CodeState, "CompletionService/DeleteCompletionGroup", `{"id":"c"}`)
	b.want(transfer.CodeState, "TransferService/DeleteTransfer", `{"id":"m1"}`)
	var all sync.WaitGroup
	for _, id := range []string{"m1", "m2", "m1", "m2"} {
		all.Go(func() {
			if a := b.ask("TransferService/CancelTransfer", `{"id":"`+id+`"}`); a.field("status") != "CANCELED" {
				t.Errorf("%s", a.body)
			}
		})
	}
	all.Wait()
	got := b.untilEnded("c")
	if got.field("members.canceled") != 2.0 || got.field("task.status") != "SUCCEEDED" || got.field("task.attempts") != 1.0 {
		t.Errorf("%s", got.body)
	}
	// It has decided, once and for all.
	if again := b.want("", enable, `{"id":"c"}`); again.field("status") != "DONE" {
		t.Errorf("%s", again.body)
	}
	tasks, _ := b.want("", "TaskService/ListTasks", `{}`).field("tasks").([]any)
	if id := <-hooks; len(tasks) != 1 || len(hooks) != 0 || id != got.field("task.id") {
		t.Errorf("%d tasks, %d more deliveries, the first of %s", len(tasks), len(hooks), id)
	}
}

func TestCommandsThatDoNotFit(t *testing.T) { // B99, B100
	b := startBad(t, nil)
	command := func(code transfer.Code, name, id, status string) {
		t.Helper()
		if got := b.want(code, "TransferService/"+name+"Transfer", `{"id":"`+id+`"}`); code == "" && got.field("status") != status {
			t.Errorf("%s %s: %s", name, id, got.body)
		}
	}
	for _, name := range []string{"Cancel", "Pause", "Resume", "Retry", "Start", "Delete", "Acknowledge"} {
		command(transfer.CodeNotFound, name, "none", "")
	}
	start := func(id string) {
		b.want("", createTransfer, strings.Replace(b.transferOf(id, ""), "false", "true", 1))
	}
	ended := func(id, status string) {
		t.Helper()
		b.until("TransferService/GetTransfer", `{"id":"`+id+`"}`, func(a answer) bool { return a.field("status") == status })
	}
	start("done")
	ended("done", "COMPLETED")
	b.origin.Set(func(o *endpointtest.Behavior) { o.Status, o.StatusTimes = http.StatusForbidden, endpointtest.Always })
	start("failed")
	ended("failed", "FAILED")
	for _, id := range []string{"done", "failed"} {
		status := map[string]string{"done": "COMPLETED", "failed": "FAILED"}[id]
		command("", "Cancel", id, status)
		command("", "Cancel", id, status)
		command(transfer.CodeState, "Pause", id, "")
		command(transfer.CodeState, "Resume", id, "")
		command(transfer.CodeState, "Start", id, "")
	}
	command(transfer.CodeState, "Retry", "done", "")
	b.origin.Set(func(o *endpointtest.Behavior) { *o = endpointtest.Behavior{Rate: 64 << 10} })
	command("", "Retry", "failed", "QUEUED")
	for _, step := range []struct{ name, status string }{
		{"Pause", "PAUSED"},
		{"Pause", "PAUSED"},
		{"Retry", "PAUSED"},
		{"Resume", "QUEUED"},
		{"Resume", ""},
		{"Pause", "PAUSED"},
		{"Cancel", "CANCELED"},
		{"Cancel", "CANCELED"},
	} {
		got := b.want("", "TransferService/"+step.name+"Transfer", `{"id":"failed"}`)
		// It may run already when it is resumed again.
		if step.status != "" && got.field("status") != step.status {
			t.Errorf("%s: %s", step.name, got.body)
		}
	}
	for _, name := range []string{"Pause", "Resume", "Retry", "Start"} {
		command(transfer.CodeState, name, "failed", "")
	}
	entries, err := filepath.Glob(filepath.Join(b.root, "*"))
	if err != nil || !slices.Equal(entries, []string{filepath.Join(b.root, "done")}) {
		t.Errorf("%v are left, %v", entries, err)
	}
}
