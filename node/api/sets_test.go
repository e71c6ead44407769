package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
	"godwit/transfer/completion"
	"godwit/transfer/group"
	"godwit/transfer/task"
)

const goodGroup = `{"group":{"name":"g1","behavior":"PARALLEL","limit":2,"strictOrder":true,"labels":{"team":"a"}}}`

func TestGroupsAreIdempotentByName(t *testing.T) {
	a := startAPI(t, nil)
	status, first := a.post(t, "GroupService/CreateGroup", goodGroup)
	if status != http.StatusOK || !strings.Contains(first, `"limit":2,"strictOrder":true,"paused":false`) {
		t.Fatalf("%d %s", status, first)
	}
	if status, again := a.post(t, "GroupService/CreateGroup", goodGroup); status != http.StatusOK || again != first {
		t.Errorf("again: %d %s", status, again)
	}
	status, body := a.post(t, "GroupService/CreateGroup", strings.Replace(goodGroup, `"limit":2`, `"limit":3`, 1))
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeIDConflict, "group.name")
	status, body = a.post(t, "GroupService/CreateGroup", `{"group":{"name":"g2","behavior":"SERIALIZED"}}`)
	if status != http.StatusOK || !strings.Contains(body, `"behavior":"SERIALIZED","limit":1`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestGroupChanges(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "GroupService/CreateGroup", goodGroup)
	for _, step := range []struct{ method, body, want string }{
		{"UpdateGroup", `{"name":"g1","etag":"v1","limit":0,"strictOrder":false}`, `"limit":0,"strictOrder":false`},
		{"UpdateGroup", `{"name":"g1","behavior":"SERIALIZED"}`, `"behavior":"SERIALIZED","limit":0`},
		{"PauseGroup", `{"name":"g1"}`, `"paused":true`},
		{"PauseGroup", `{"name":"g1"}`, `"paused":true`},
		{"ResumeGroup", `{"name":"g1"}`, `"paused":false`},
		{"MoveTransfer", `{"name":"g1","id":"t1","where":"BEFORE","other":"t2"}`, `"name":"g1"`},
		{"MoveTransfer", `{"name":"g1","id":"t1","where":"PLAY_FROM_HERE"}`, `"name":"g1"`},
		{"GetGroup", `{"name":"g1"}`, `"members":{"total":0,"running":0,"queued":0,"paused":0,"order":[]}`},
		{"DeleteGroup", `{"name":"g1"}`, `{}`},
	} {
		if status, body := a.post(t, "GroupService/"+step.method, step.body); status != http.StatusOK || !strings.Contains(body, step.want) {
			t.Errorf("%s: %d %s", step.method, status, body)
		}
	}
	want := []group.Move{{ID: "t1", Where: group.Before, Other: "t2"}, {ID: "t1", Where: group.PlayFromHere}}
	if !slices.Equal(a.sets.moves, want) {
		t.Errorf("moves: %+v", a.sets.moves)
	}
	status, body := a.post(t, "GroupService/GetGroup", `{"name":"g1"}`)
	wantFailure(t, status, body, http.StatusNotFound, transfer.CodeGroupNotFound, "")
}

func TestGroupETag(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "GroupService/CreateGroup", goodGroup)
	a.post(t, "GroupService/UpdateGroup", `{"name":"g1","etag":"v1","limit":4}`)
	status, body := a.post(t, "GroupService/UpdateGroup", `{"name":"g1","etag":"v1","limit":5}`)
	wantFailure(t, status, body, http.StatusPreconditionFailed, transfer.CodeStale, "")
}

func TestCompletionGroupLife(t *testing.T) {
	a := startAPI(t, nil)
	const create = `{"completionGroup":{"id":"c1","exec":"notify","labels":{"team":"a"},"startOnEnable":false,` +
		`"autoEnableAfter":"3600.5s","deadline":"2999-01-01T00:00:00Z","policy":"QUORUM","quorum":2,` +
		`"notifications":[{"channel":"log","success":"{id} is done","ttl":"60s"},{"channel":"ops","failure":"{error}"}]}}`
	status, first := a.post(t, "CompletionService/CreateCompletionGroup", create)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, first)
	}
	for _, want := range []string{
		`"id":"c1","enabled":false,"status":"OPEN","members":{"total":0,"completed":0,"failed":0,"canceled":0,"waitingOn":[]}`,
		`"exec":"notify"`, `"policy":"QUORUM","quorum":2`, `"autoEnableAfter":"3600.500s"`, `"startOnEnable":false`,
		`{"channel":"log","success":"{id} is done","failure":"","tag":"","ttl":"60s"}`,
	} {
		if !strings.Contains(first, want) {
			t.Errorf("%s is not in %s", want, first)
		}
	}
	if status, again := a.post(t, "CompletionService/CreateCompletionGroup", create); status != http.StatusOK || again != first {
		t.Errorf("again: %d %s", status, again)
	}
	status, body := a.post(t, "CompletionService/CreateCompletionGroup", strings.Replace(create, `"quorum":2`, `"quorum":3`, 1))
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeIDConflict, "completionGroup.id")

	status, body = a.post(t, "CompletionService/AddTransfers", `{"id":"c1","transfers":["none"]}`)
	wantFailure(t, status, body, http.StatusNotFound, transfer.CodeNotFound, "transfers")
	for _, step := range []struct{ method, body, want string }{
		{"AddTransfers", `{"id":"c1","transfers":["t2","t1","t2"]}`, `"total":2,"completed":0,"failed":0,"canceled":0,"waitingOn":["t1","t2"]`},
		{"EnableCompletionGroup", `{"id":"c1"}`, `"enabled":true,"status":"ENABLED"`},
		{"EnableCompletionGroup", `{"id":"c1"}`, `"enabled":true,"status":"ENABLED"`},
	} {
		if status, body := a.post(t, "CompletionService/"+step.method, step.body); status != http.StatusOK || !strings.Contains(body, step.want) {
			t.Errorf("%s: %d %s", step.method, status, body)
		}
	}
	status, body = a.post(t, "CompletionService/AddTransfers", `{"id":"c1","transfers":["t3"]}`)
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeCompletionEnabled, "")
	status, body = a.post(t, "CompletionService/RetryCompletionGroup", `{"id":"c1"}`)
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeState, "")
	if status, body := a.post(t, "CompletionService/DeleteCompletionGroup", `{"id":"c1"}`); status != http.StatusOK || body != "{}" {
		t.Errorf("%d %s", status, body)
	}
	status, body = a.post(t, "CompletionService/GetCompletionGroup", `{"id":"c1"}`)
	wantFailure(t, status, body, http.StatusNotFound, transfer.CodeCompletionNotFound, "")
}

func TestCompletionGroupDefaults(t *testing.T) {
	a := startAPI(t, nil)
	status, body := a.post(t, "CompletionService/CreateCompletionGroup", `{"completionGroup":{}}`)
	var got struct {
		ID, Policy    string
		StartOnEnable bool
		Task          *struct{}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if len(got.ID) != 26 || got.Policy != "ALL_FINISHED" || !got.StartOnEnable || got.Task != nil {
		t.Errorf("%s", body)
	}
}

// A secret of ours is shown once: by the call that made the group.
func TestMadeSecretIsShownOnce(t *testing.T) {
	a := startAPI(t, nil)
	const create = `{"completionGroup":{"id":"c1","webhook":{"url":"https://hook.example/?token=CANARY"}}}`
	status, body := a.post(t, "CompletionService/CreateCompletionGroup", create)
	var got struct{ Webhook struct{ URL, Secret string } }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if got.Webhook.Secret != a.sets.completions["c1"].State.Spec.Task.Secret || len(got.Webhook.Secret) != len("whsec_")+44 ||
		got.Webhook.URL != "https://hook.example/" {
		t.Fatalf("%+v", got)
	}
	for method, request := range map[string]string{
		"CreateCompletionGroup": create, "GetCompletionGroup": `{"id":"c1"}`, "ListCompletionGroups": `{}`,
		"EnableCompletionGroup": `{"id":"c1"}`,
	} {
		status, body := a.post(t, "CompletionService/"+method, request)
		if status != http.StatusOK || strings.Contains(body, "whsec_") || strings.Contains(body, "CANARY") {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	status, body = a.post(t, "CompletionService/CreateCompletionGroup", strings.Replace(create, "hook.example", "other.example", 1))
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeIDConflict, "completionGroup.id")
	if strings.Contains(a.logs.String(), "whsec_") {
		t.Errorf("the log holds the secret: %s", a.logs)
	}
}

func TestGivenSecretIsNeverShown(t *testing.T) {
	a := startAPI(t, nil)
	secret := newSecret()
	create := `{"completionGroup":{"id":"c1","webhook":{"url":"https://hook.example/","secret":"` + secret + `"}}}`
	for range 2 {
		if status, body := a.post(t, "CompletionService/CreateCompletionGroup", create); status != http.StatusOK || strings.Contains(body, secret) {
			t.Errorf("%d %s", status, body)
		}
	}
	other := strings.Replace(create, secret, newSecret(), 1)
	status, body := a.post(t, "CompletionService/CreateCompletionGroup", other)
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeIDConflict, "completionGroup.id")
}

func TestSubmitTemplate(t *testing.T) {
	a := startAPI(t, nil)
	status, body := a.post(t, "CompletionService/CreateCompletionGroup",
		`{"completionGroup":{"id":"c1","submit":{"transfer":{"source":{"url":"https://mirror.example/{name}?sig=CANARY"},`+
			`"destination":{"url":"s3://archive/{group}/{name}"},"headers":[{"name":"X","value":"CANARY"}],"labels":{"from":"{id}"}}}}}`)
	if status != http.StatusOK || strings.Contains(body, "CANARY") ||
		!strings.Contains(body, `"source":{"url":"https://mirror.example/{name}"},"destination":{"url":"s3://archive/{group}/{name}"}`) {
		t.Fatalf("%d %s", status, body)
	}
	spec := a.sets.completions["c1"].State.Spec.Task.Template
	if spec.Source != "https://mirror.example/{name}?sig=CANARY" || spec.Labels["from"] != "{id}" {
		t.Errorf("%+v", spec)
	}
}

func TestShownTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"{destination}": "{destination}", "{destination}?CANARY": "{destination}", "{name}": "REDACTED",
		"https://h/{name}?CANARY": "https://h/{name}",
	} {
		if got := shownTemplate(text); got != want {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}

func fullTask() actors.Task {
	return actors.Task{ETag: "v2", State: task.State{
		ID: "task1", CompletionGroup: "c1", Phase: task.PhasePending, Attempts: 2,
		Spec: task.Spec{Kind: task.Webhook, URL: "https://hook.example/in?CANARY", Secret: "whsec_CANARY"},
		History: []task.Attempt{
			{Start: fakeEpoch, End: fakeEpoch.Add(time.Second), Node: "n1", Status: 503, Output: "busy", Err: transfer.Errorf(transfer.CodeWebhookStatus, "it answered 503")},
			{Start: fakeEpoch, End: fakeEpoch, Node: "n2", HasExit: true},
		},
		NotBefore: fakeEpoch.Add(time.Minute), Created: fakeEpoch,
		Err: transfer.Errorf(transfer.CodeWebhookStatus, "it answered 503"),
	}}
}

func TestTasks(t *testing.T) {
	a := startAPI(t, nil)
	a.sets.tasks["task1"] = fullTask()
	status, body := a.post(t, "TaskService/GetTask", `{"id":"task1"}`)
	if status != http.StatusOK || strings.Contains(body, "CANARY") {
		t.Fatalf("%d %s", status, body)
	}
	for _, want := range []string{
		`"id":"task1","status":"PENDING","kind":"WEBHOOK","completionGroup":"c1"`, `"target":"https://hook.example/in"`,
		`"nextAttemptTime":"2026-05-04T03:03:01Z"`, `"statusCode":503,"output":"busy"`, `"exitCode":0`,
		`"error":{"code":"webhook.status"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	status, body = a.post(t, "TaskService/RedeliverTask", `{"id":"task1"}`)
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeState, "")
	status, body = a.post(t, "TaskService/GetTask", `{"id":"none"}`)
	wantFailure(t, status, body, http.StatusNotFound, transfer.CodeTaskNotFound, "")
}

// A group that has fired shows its task.
func TestCompletionGroupHasTheDocumentedShape(t *testing.T) {
	fired := fullTask()
	got := toCompletion(actors.Completion{
		State: completion.State{Spec: completion.Spec{ID: "c1", Task: &fired.State.Spec}, Phase: completion.PhaseTriggered},
		Total: 3, Completed: 1, Failed: 1, Canceled: 1, WaitingOn: []string{"t1"}, Task: &fired,
	})
	const documented = `{"id":"","enabled":true,"status":"","members":{"total":0,"completed":0,"failed":0,"canceled":0,
		"waitingOn":["id"]},"task":{"id":"","status":"PENDING","attempts":1}}`
	var want, shown any
	if err := json.Unmarshal([]byte(documented), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(transferJSON(t, got), &shown); err != nil {
		t.Fatal(err)
	}
	sameShape(t, "completion group", want, shown)
}

func TestListsOfSets(t *testing.T) {
	a := startAPI(t, nil)
	for i := range 10 {
		phase := task.PhaseSucceeded
		if i%3 == 0 {
			phase = task.PhaseDeadLetter
		}
		id := fmt.Sprintf("x%d", i)
		a.sets.tasks[id] = actors.Task{State: task.State{ID: id, Phase: phase}}
		a.sets.groups[id] = actors.Group{State: group.State{Spec: group.Spec{Name: id}}}
	}
	client := godwitv1connect.NewTaskServiceClient(a.Client(), a.URL)
	for want, req := range map[string]*pb.ListTasksRequest{
		"x0 x1 x2 x3 x4 x5 x6 x7 x8 x9": {PageSize: 4},
		"x0 x3 x6 x9":                   {PageSize: 2, Statuses: []pb.Task_Status{pb.Task_DEAD_LETTER}},
		"":                              {PageSize: 2, Statuses: []pb.Task_Status{pb.Task_RUNNING}},
	} {
		var ids []string
		for {
			page, err := client.ListTasks(t.Context(), connect.NewRequest(req))
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Msg.GetTasks()) > int(req.GetPageSize()) {
				t.Errorf("a page of %d", len(page.Msg.GetTasks()))
			}
			for _, m := range page.Msg.GetTasks() {
				ids = append(ids, m.GetId())
			}
			if req.PageToken = page.Msg.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%v: %s", req.GetStatuses(), got)
		}
	}
	status, body := a.post(t, "GroupService/ListGroups", `{"pageSize":1}`)
	var page struct{ NextPageToken string }
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK || page.NextPageToken == "" {
		t.Fatalf("%d %s", status, body)
	}
	// A token is good for the list that it came from only.
	status, body = a.post(t, "TaskService/ListTasks", `{"pageToken":"`+page.NextPageToken+`"}`)
	wantFailure(t, status, body, http.StatusBadRequest, transfer.CodePageToken, "pageToken")
	if status, body = a.post(t, "GroupService/ListGroups", `{"pageToken":"`+page.NextPageToken+`"}`); status != http.StatusOK || strings.Contains(body, `"x0"`) {
		t.Errorf("%d %s", status, body)
	}
}

// A filter that nothing passes does not look at everything in one call.
func TestListsOfSetsEnd(t *testing.T) {
	calls := 0
	l := listing[int]{
		name: func(n int) string { return fmt.Sprint(n) },
		fetch: func(string, int) ([]int, bool, error) {
			calls++
			return make([]int, maxPage), true, nil
		},
		keep: func(int) bool { return false },
	}
	page, next, err := l.page(pageTokens{key: []byte("k")}, &pb.ListTasksRequest{})
	if err != nil || len(page) != 0 || next == "" || calls != maxExamined/maxPage {
		t.Errorf("%v, %q, %v after %d calls", page, next, err, calls)
	}
}
