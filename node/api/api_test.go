package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// testAPI is a handler on a real server with a fake engine behind it.
type testAPI struct {
	*httptest.Server
	engine  *fakeEngine
	cluster *fakeCluster
	sets    *fakeSets
	closing chan struct{}
	logs    *bytes.Buffer
}

func startAPI(t *testing.T, change func(*Config)) *testAPI {
	t.Helper()
	a := &testAPI{engine: newFake(), cluster: newFakeCluster(), sets: newFakeSets(), closing: make(chan struct{}), logs: &bytes.Buffer{}}
	cfg := Config{
		Engine: a.engine, Cluster: a.cluster, Sets: a.sets, Spooler: a.engine, PageKey: []byte("page key of a test"), Closing: a.closing,
		Attach: true, LoopbackHosts: true,
		Commands: func(name string) bool { return name == "notify" }, Channels: func(name string) bool { return name == "ops" },
		Logger: slog.New(slog.NewTextHandler(a.logs, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	a.Server = httptest.NewUnstartedServer(New(cfg))
	a.EnableHTTP2 = true
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func (a *testAPI) connect(opts ...connect.ClientOption) godwitv1connect.TransferServiceClient {
	return godwitv1connect.NewTransferServiceClient(a.Client(), a.URL, opts...)
}

// post calls a method as curl would and returns status and body. The service is
// TransferService unless the method has it before a slash.
func (a *testAPI) post(t *testing.T, method, body string, header ...string) (int, string) {
	t.Helper()
	if !strings.Contains(method, "/") {
		method = "TransferService/" + method
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+"/godwit.v1."+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := a.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// failed is what a failure looks like to a script.
type failed struct {
	Code    string
	Message string
	Details []struct {
		Type  string
		Debug pb.Error
	}
}

// wantFailure checks status, stable code and field of an answer.
func wantFailure(t *testing.T, status int, body string, wantStatus int, code transfer.Code, field string) {
	t.Helper()
	var f failed
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		t.Fatalf("status %d, body %q: %v", status, body, err)
	}
	if status != wantStatus {
		t.Errorf("status %d, want %d: %s", status, wantStatus, body)
	}
	if !strings.HasPrefix(f.Message, string(code)) {
		t.Errorf("the message does not begin with %s: %s", code, body)
	}
	if len(f.Details) != 1 || f.Details[0].Type != "godwit.v1.Error" ||
		f.Details[0].Debug.Code != string(code) || f.Details[0].Debug.Field != field {
		t.Errorf("want code %s and field %q: %s", code, field, body)
	}
}

const goodTransfer = `{"transfer":{"id":"t1","source":{"url":"https://example.com/f?token=CANARY"},` +
	`"destination":{"url":"file:///srv/f"},"headers":[{"name":"Authorization","value":"Bearer CANARY"}],` +
	`"labels":{"team":"a"}},"start":false}`

func newMessage() *pb.Transfer {
	return &pb.Transfer{
		Id: "t1", Source: &pb.Endpoint{Url: "https://example.com/f"},
		Destination: &pb.Endpoint{Url: "file:///srv/f"},
	}
}

func TestCreateIsIdempotent(t *testing.T) {
	a := startAPI(t, nil)
	status, first := a.post(t, "CreateTransfer", goodTransfer)
	if status != http.StatusOK || !strings.Contains(first, `"status":"IDLE"`) {
		t.Fatalf("%d %s", status, first)
	}
	if status, again := a.post(t, "CreateTransfer", goodTransfer); status != http.StatusOK || again != first {
		t.Errorf("again: %d %s", status, again)
	}
	other := strings.Replace(goodTransfer, "/srv/f", "/srv/g", 1)
	status, body := a.post(t, "CreateTransfer", other)
	wantFailure(t, status, body, http.StatusConflict, transfer.CodeIDConflict, "transfer.id")
	if _, now := a.post(t, "GetTransfer", `{"id":"t1"}`); now != first {
		t.Errorf("the conflict changed the transfer: %s", now)
	}
}

func TestCreateStartsAndNames(t *testing.T) {
	a := startAPI(t, nil)
	status, body := a.post(t, "CreateTransfer",
		`{"transfer":{"source":{"url":"http://example.com"},"destination":{"url":"s3://bucket/key"}}}`)
	var got struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if len(got.ID) != 26 || got.Status != "QUEUED" {
		t.Errorf("id %q, status %q", got.ID, got.Status)
	}
}

func TestCommands(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "CreateTransfer", goodTransfer)
	steps := []struct{ method, status string }{
		{"StartTransfer", "QUEUED"},
		{"PauseTransfer", "PAUSED"},
		{"ResumeTransfer", "QUEUED"},
		{"ResumeTransfer", "QUEUED"},
		{"CancelTransfer", "CANCELED"},
		{"CancelTransfer", "CANCELED"},
	}
	for _, step := range steps {
		status, body := a.post(t, step.method, `{"id":"t1"}`)
		if status != http.StatusOK || !strings.Contains(body, `"status":"`+step.status+`"`) {
			t.Fatalf("%s: %d %s", step.method, status, body)
		}
	}
	for _, method := range []string{"RetryTransfer", "ResumeTransfer", "PauseTransfer", "StartTransfer"} {
		status, body := a.post(t, method, `{"id":"t1"}`)
		wantFailure(t, status, body, http.StatusConflict, transfer.CodeState, "")
	}
}

func TestAcknowledgeAndDelete(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "CreateTransfer", goodTransfer)
	for _, method := range []string{"AcknowledgeTransfer", "DeleteTransfer"} {
		status, body := a.post(t, method, `{"id":"t1"}`)
		wantFailure(t, status, body, http.StatusConflict, transfer.CodeState, "")
	}
	a.post(t, "CancelTransfer", `{"id":"t1"}`)
	for range 2 {
		status, body := a.post(t, "AcknowledgeTransfer", `{"id":"t1"}`)
		if status != http.StatusOK || !strings.Contains(body, `"acknowledgeTime":"2026-05-04T03:02:01Z"`) {
			t.Fatalf("%d %s", status, body)
		}
	}
	if _, body := a.post(t, "ListTransfers", `{"unacknowledged":true}`); strings.Contains(body, `"t1"`) {
		t.Errorf("listed: %s", body)
	}
	if status, body := a.post(t, "DeleteTransfer", `{"id":"t1"}`); status != http.StatusOK || body != "{}" {
		t.Fatalf("%d %s", status, body)
	}
	status, body := a.post(t, "DeleteTransfer", `{"id":"t1"}`)
	wantFailure(t, status, body, http.StatusNotFound, transfer.CodeNotFound, "")
}

// TestResolverSecretIsMade: the same call has the same answer, and nobody else is
// shown the secret.
func TestResolverSecretIsMade(t *testing.T) {
	a := startAPI(t, nil)
	create := strings.Replace(goodTransfer, `"id":"t1"`, `"id":"t1","attentionTtl":"90s","resolver":{"url":"https://r.example/?CANARY"}`, 1)
	status, first := a.post(t, "CreateTransfer", create)
	if status != http.StatusOK || !strings.Contains(first, `"resolver":{"url":"https://r.example/","secret":"whsec_`) || !strings.Contains(first, `"attentionTtl":"90s"`) {
		t.Fatalf("%d %s", status, first)
	}
	if _, again := a.post(t, "CreateTransfer", create); again != first {
		t.Errorf("again: %s", again)
	}
	if _, body := a.post(t, "GetTransfer", `{"id":"t1"}`); strings.Contains(body, "whsec_") {
		t.Errorf("shown: %s", body)
	}
	if _, e := transfer.ParseSecret(a.engine.snaps["t1"].State.Spec.Resolver.Secret, ""); e != nil {
		t.Error(e)
	}
	given := strings.Replace(create, `CANARY"}`, `CANARY","secret":"whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"}`, 1)
	if _, body := a.post(t, "CreateTransfer", strings.Replace(given, `"t1"`, `"t2"`, 1)); strings.Contains(body, "whsec_") {
		t.Errorf("shown: %s", body)
	}
}

func TestListOfGroups(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "CreateTransfer", strings.Replace(goodTransfer, `"id":"t1"`, `"id":"t1","group":"g","completionGroup":"c"`, 1))
	for filter, want := range map[string]bool{
		`{"group":"g"}`: true, `{"group":"h"}`: false, `{"completionGroup":"c"}`: true, `{"completionGroup":"d"}`: false,
		`{"group":"g","completionGroup":"d"}`: false,
	} {
		_, body := a.post(t, "ListTransfers", filter)
		if got := strings.Contains(body, `"group":"g"`) && strings.Contains(body, `"completionGroup":"c"`); got != want {
			t.Errorf("%s: %s", filter, body)
		}
	}
}

func TestUpdate(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "CreateTransfer", goodTransfer)
	status, body := a.post(t, "UpdateTransfer", `{"id":"t1","etag":"v1","priority":"HIGH","limitRate":"2048",`+
		`"url":"HTTPS://Example.com:443/g","headers":[{"name":"x-a","value":"b"}],"replaceHeaders":true}`)
	if status != http.StatusOK || !strings.Contains(body, `"priority":"HIGH"`) || !strings.Contains(body, `"limitRate":"2048"`) {
		t.Fatalf("%d %s", status, body)
	}
	spec := a.engine.snaps["t1"].State.Spec
	if spec.Source != "https://example.com/g" || len(spec.Headers) != 1 || spec.Headers[0].Name != "X-A" {
		t.Errorf("not normalized: %+v", spec)
	}
	_, body = a.post(t, "UpdateTransfer", `{"id":"t1","headers":[{"name":"x-b","value":"1"}],"appendHeaders":[{"name":"x-b","value":"2"}],"removeHeaders":["x-A"]}`)
	want := []transfer.Header{{Name: "X-B", Value: "1"}, {Name: "X-B", Value: "2"}}
	if got := a.engine.snaps["t1"].State.Spec.Headers; !slices.Equal(got, want) {
		t.Errorf("the headers are %v: %s", got, body)
	}
	status, body = a.post(t, "UpdateTransfer", `{"id":"t1","etag":"v1","priority":"LOW"}`)
	wantFailure(t, status, body, http.StatusPreconditionFailed, transfer.CodeStale, "")
}

func TestListPages(t *testing.T) {
	a := startAPI(t, nil)
	client := a.connect()
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		m := newMessage()
		m.Id = id
		if _, err := client.CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: m})); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	req := &pb.ListTransfersRequest{PageSize: 2, Statuses: []pb.Transfer_Status{pb.Transfer_QUEUED}}
	for {
		page, err := client.ListTransfers(t.Context(), connect.NewRequest(req))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Msg.GetTransfers() {
			ids = append(ids, m.GetId())
		}
		if req.PageToken = page.Msg.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if got := strings.Join(ids, ""); got != "abcde" {
		t.Fatalf("the pages hold %q", got)
	}
}

func TestPageTokensAreAuthenticated(t *testing.T) {
	p, foreign := pageTokens{key: []byte("ours")}, pageTokens{key: []byte("theirs")}
	cursor := actors.Cursor{Created: fakeEpoch, ID: "t1"}
	req := &pb.ListTransfersRequest{Statuses: []pb.Transfer_Status{pb.Transfer_FAILED}}
	token := p.encode(cursor, req)
	with := func(token string, statuses ...pb.Transfer_Status) *pb.ListTransfersRequest {
		return &pb.ListTransfersRequest{PageToken: token, Statuses: statuses, PageSize: 7}
	}
	got, err := p.decode(with(token, pb.Transfer_FAILED))
	if err != nil || got.ID != "t1" || !got.Created.Equal(fakeEpoch) {
		t.Fatalf("%+v, %v", got, err)
	}
	flipped := []byte(token)
	flipped[3] ^= 1
	for name, req := range map[string]*pb.ListTransfersRequest{
		"other filter": with(token, pb.Transfer_IDLE),
		"no filter":    with(token),
		"group":        {PageToken: token, Statuses: req.GetStatuses(), Group: "g"},
		"completion":   {PageToken: token, Statuses: req.GetStatuses(), CompletionGroup: "g"},
		"acknowledged": {PageToken: token, Statuses: req.GetStatuses(), Unacknowledged: true},
		"foreign":      with(foreign.encode(cursor, req), pb.Transfer_FAILED),
		"changed":      with(string(flipped), pb.Transfer_FAILED),
		"cut":          with(token[:len(token)-4], pb.Transfer_FAILED),
		"no base64":    with("%%%", pb.Transfer_FAILED),
		"line end":     with(token[:8]+"\n"+token[8:], pb.Transfer_FAILED),
		"long":         with(strings.Repeat("A", 4096), pb.Transfer_FAILED),
		"short":        with("AAAA", pb.Transfer_FAILED),
	} {
		if _, err := p.decode(req); !errors.Is(err, &transfer.Error{Code: transfer.CodePageToken}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzPageToken(f *testing.F) {
	p := pageTokens{key: []byte("ours")}
	good := p.encode(actors.Cursor{Created: fakeEpoch, ID: "t1"}, &pb.ListTransfersRequest{})
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := p.decode(&pb.ListTransfersRequest{PageToken: token}); err == nil && token != "" && token != good {
			t.Fatalf("a forged token was accepted: %+v", c)
		}
	})
}

func TestWatchStreamsUntilTerminal(t *testing.T) {
	for name, opts := range map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			a := startAPI(t, nil)
			stream, err := a.connect(opts...).WatchTransfers(t.Context(),
				connect.NewRequest(&pb.WatchTransfersRequest{Ids: []string{"t1", "t1"}}))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stream.Close() }()
			want := []transfer.Phase{transfer.PhaseRunning, transfer.PhaseCompleted}
			for _, phase := range want {
				a.engine.changes <- actors.Snapshot{State: transfer.State{Phase: phase, Spec: transfer.Spec{ID: "t1"}}}
				if !stream.Receive() {
					t.Fatal(stream.Err())
				}
				if got := stream.Msg().GetTransfer().GetStatus().String(); got != string(phase) {
					t.Fatalf("status %s, want %s", got, phase)
				}
			}
			close(a.engine.changes)
			if stream.Receive() || stream.Err() != nil {
				t.Fatalf("the stream goes on, or failed: %v", stream.Err())
			}
		})
	}
}

func TestStreamsEndWhenTheNodeStops(t *testing.T) {
	a := startAPI(t, nil)
	stream, err := a.connect().WatchTransfers(t.Context(), connect.NewRequest(&pb.WatchTransfersRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	close(a.closing)
	if stream.Receive() {
		t.Fatal("a message came")
	}
	if got := connect.CodeOf(stream.Err()); got != connect.CodeUnavailable {
		t.Fatalf("the stream ended with %v", stream.Err())
	}
}

func TestReadStreamsFromOffset(t *testing.T) {
	a := startAPI(t, nil)
	a.engine.result = bytes.Repeat([]byte("0123456789"), 100_000)
	stream, err := a.connect().ReadTransfer(t.Context(), connect.NewRequest(&pb.ReadTransferRequest{Id: "t1", Offset: 15}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var got []byte
	for stream.Receive() {
		if n := len(stream.Msg().GetData()); n > readChunk {
			t.Fatalf("a chunk of %d bytes", n)
		}
		got = append(got, stream.Msg().GetData()...)
	}
	if stream.Err() != nil || !bytes.Equal(got, a.engine.result[15:]) {
		t.Fatalf("%d bytes, %v", len(got), stream.Err())
	}
}

func TestExplain(t *testing.T) {
	a := startAPI(t, nil)
	a.post(t, "CreateTransfer", goodTransfer)
	status, body := a.post(t, "ExplainTransfer", `{"id":"t1"}`)
	if status != http.StatusOK || !strings.Contains(body, "It waits for a slot.") {
		t.Fatalf("%d %s", status, body)
	}
}

func TestErrorDetailReachesClients(t *testing.T) {
	for name, opts := range map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			a := startAPI(t, nil)
			_, err := a.connect(opts...).GetTransfer(t.Context(), connect.NewRequest(&pb.GetTransferRequest{Id: "none"}))
			var ce *connect.Error
			if !errors.As(err, &ce) || ce.Code() != connect.CodeNotFound || len(ce.Details()) != 1 {
				t.Fatalf("%v", err)
			}
			detail, err := ce.Details()[0].Value()
			if err != nil {
				t.Fatal(err)
			}
			want := &pb.Error{Code: "transfer.not_found", WebErrorStatus: "NOT_FOUND"}
			got := proto.CloneOf(detail.(*pb.Error))
			got.Message = ""
			if !proto.Equal(got, want) {
				t.Fatalf("detail %v, want %v", got, want)
			}
		})
	}
}

func TestUnknownErrorsStayInside(t *testing.T) {
	a := startAPI(t, nil)
	a.engine.err = errors.New("dial tcp: CANARY")
	status, body := a.post(t, "GetTransfer", `{"id":"t1"}`)
	wantFailure(t, status, body, http.StatusInternalServerError, transfer.CodeInternal, "")
	if strings.Contains(body, "CANARY") {
		t.Errorf("the cause was answered: %s", body)
	}
	if !strings.Contains(a.logs.String(), "CANARY") {
		t.Errorf("the operator cannot find the cause")
	}
}

func TestEveryCodeHasItsConnectCode(t *testing.T) {
	for _, info := range transfer.Codes() {
		out, status := failure(&transfer.Error{Code: info.Code, Err: errors.New("CANARY")})
		if status != info.HTTP || strings.Contains(out.Error(), "CANARY") || len(out.Details()) != 1 {
			t.Errorf("%s: %d %v", info.Code, status, out)
		}
		if info.HTTP < 500 && (out.Code() == connect.CodeInternal || out.Code() == connect.CodeUnavailable) {
			t.Errorf("%s is the client's fault but answers %s", info.Code, out.Code())
		}
	}
	if out, _ := failure(context.Canceled); out.Code() != connect.CodeCanceled {
		t.Errorf("canceled: %v", out)
	}
}

// TestNothingSecretIsShown is the canary: what a client gave in confidence must
// not come back from any method, nor reach the log.
func TestNothingSecretIsShown(t *testing.T) {
	a := startAPI(t, nil)
	create := `{"transfer":{"id":"t1","source":{"url":"https://example.com/f?token=CANARY"},"method":"POST",` +
		`"mirrors":[{"url":"https://mirror.example/f?sig=CANARY"}],"body":"Q0FOQVJZ",` +
		`"destination":{"url":"file:///srv/f"},"headers":[{"name":"Cookie","value":"CANARY"}]},"start":false}`
	calls := []struct{ method, body string }{
		{"CreateTransfer", create},
		{"GetTransfer", `{"id":"t1"}`},
		{"ListTransfers", `{}`},
		{"ExplainTransfer", `{"id":"t1"}`},
		{"UpdateTransfer", `{"id":"t1","url":"https://example.com/g?CANARY","headers":[{"name":"X","value":"CANARY"}],"replaceHeaders":true}`},
		{"UpdateTransfer", `{"id":"t1","url":"https://user:CANARY@example.com/"}`},
		{"UpdateTransfer", `{"id":"t1","limitRate":"CANARY"}`},
		{"CreateTransfer", strings.Replace(create, "/srv/f", "/srv/g", 1)},
		{"CreateTransfer", strings.Replace(create, `"id":"t1"`, `"id":"t2","expectedSize":"CANARY"`, 1)},
		{"CreateTransfer", strings.Replace(create, `"method":"POST"`, `"method":"CANARY CANARY"`, 1)},
		{"GetTransfer", `{"id":"CANARY?"}`},
	}
	for _, call := range calls {
		if _, body := a.post(t, call.method, call.body); strings.Contains(body, "CANARY") || strings.Contains(body, "Q0FOQVJZ") {
			t.Errorf("%s shows the secret: %s", call.method, body)
		}
	}
	if strings.Contains(a.logs.String(), "CANARY") {
		t.Errorf("the log holds the secret: %s", a.logs)
	}
}

func TestMessagesTooLargeInEveryProtocol(t *testing.T) {
	for name, opts := range map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			a := startAPI(t, nil)
			m := newMessage()
			m.Body = make([]byte, 5<<20)
			_, err := a.connect(opts...).CreateTransfer(t.Context(), connect.NewRequest(&pb.CreateTransferRequest{Transfer: m}))
			// The server may close before the client has sent all of it.
			if code := connect.CodeOf(err); code != connect.CodeResourceExhausted && code != connect.CodeUnavailable && code != connect.CodeUnknown {
				t.Fatalf("%v", err)
			}
			if err == nil || a.engine.creates != 0 {
				t.Fatal("it was taken")
			}
		})
	}
}
