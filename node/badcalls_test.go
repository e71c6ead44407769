package node

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "godwit/protos/godwit/v1" // registers the services
	"godwit/transfer"
)

// methods are all calls of the API but streams, as "Service/Method".
func methods(t *testing.T) []string {
	t.Helper()
	var out []string
	protoregistry.GlobalFiles.RangeFilesByPackage("godwit.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			all := f.Services().Get(i).Methods()
			for j := range all.Len() {
				if m := all.Get(j); !m.IsStreamingServer() && !m.IsStreamingClient() {
					out = append(out, string(m.Parent().Name())+"/"+string(m.Name()))
				}
			}
		}
		return true
	})
	if len(out) < 35 || !slices.Contains(out, "TaskService/RedeliverTask") {
		t.Fatalf("%d methods: %v", len(out), out)
	}
	return out
}

// Every call is as strict as any other.
func TestStrictCalls(t *testing.T) { // B102, B103, B106
	b := startBad(t, nil)
	for _, method := range methods(t) {
		for _, body := range []string{
			"", "null", "[]", `"x"`, "NaN", "1", "{", "{}x", "{}{}", "\xef\xbb\xbf{}", "{\"x\":\"\xff\"}", `{"CANARY":1}`,
			`{"id":"a","id":"b"}`, strings.Repeat("[", 100_000), strings.Repeat(`{"id":`, 100_000), `{/**/}`,
		} {
			// Whatever has no id refuses that as an unknown field.
			if got := b.ask(method, body); got.status != http.StatusBadRequest || got.code() != transfer.CodeJSON && got.code() != transfer.CodeID {
				t.Errorf("%s %.40q: %d %s", method, body, got.status, got.body)
			}
		}
		path := "/godwit.v1." + method
		for _, row := range []struct {
			what   string
			got    answer
			status int
		}{
			{"text", b.send("POST", path, `{}`, "Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
			{"form", b.send("POST", path, `a=b`, "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType},
			{"gzip", b.send("POST", path, zipped(t, `{}`), "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType},
			{"2 MiB", b.send("POST", path, `{"id":"`+strings.Repeat("a", 2<<20)+`"}`), http.StatusRequestEntityTooLarge},
			{"GET", b.send("GET", path+"?message=%7B%7D&encoding=json", ""), http.StatusMethodNotAllowed},
			{"PUT", b.send("PUT", path, `{}`), http.StatusMethodNotAllowed},
			{"override", b.send("GET", path, `{}`, "X-HTTP-Method-Override", "POST"), http.StatusMethodNotAllowed},
			{"TRACE", b.send("TRACE", path, ``), http.StatusMethodNotAllowed},
			{"below", b.send("POST", path+"/x", `{}`), http.StatusNotFound},
			{"escaped", b.send("POST", strings.Replace(path, "Service/", "Service%2f", 1), `{}`), http.StatusNotFound},
			{"lower case", b.send("POST", strings.ToLower(path), `{}`), http.StatusNotFound},
		} {
			if row.got.status != row.status {
				t.Errorf("%s %s: %d %.200s", method, row.what, row.got.status, row.got.body)
			}
		}
		for _, odd := range []string{"/" + path, "/.." + path, "/x/.." + path, "/x/%2e%2e" + path, "/x/..%2f" + path[1:], path + "/../" + "x"} {
			if got := b.send("POST", odd, `{}`); got.status == http.StatusOK || got.code() != "" {
				t.Errorf("%s was routed: %d %s", odd, got.status, got.body)
			}
		}
	}
	if line, _ := raw(t, b.Node, "POST /godwit.v1.TaskService/ListTasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+
		"Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n{}"); !strings.Contains(line, " 100 ") {
		t.Errorf("100-continue: %s", line)
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestListsOfAllKinds asks each list for pages that there are not.
func TestListsOfAllKinds(t *testing.T) { // B101
	b, other := startBad(t, nil), startBad(t, nil)
	lists := []string{"TransferService/ListTransfers", "GroupService/ListGroups", "CompletionService/ListCompletionGroups", "TaskService/ListTasks"}
	for _, n := range []*badNode{b, other} {
		for i := range 3 {
			n.want("", createTransfer, n.transferOf(fmt.Sprint("t", i), ""))
			n.want("", createGroup, fmt.Sprintf(`{"group":{"name":"g%d"}}`, i))
			n.want("", createCompletion, fmt.Sprintf(`{"completionGroup":{"id":"c%d","notifications":[{"channel":"log","success":"x"}]}}`, i))
			n.want("", enable, fmt.Sprintf(`{"id":"c%d"}`, i))
			n.untilEnded(fmt.Sprint("c", i))
		}
	}
	tokens := map[string]string{}
	for _, list := range lists {
		for _, size := range []string{"-1", "1001", "1000000000", "2147483647"} {
			b.want(transfer.CodePageSize, list, `{"pageSize":`+size+`}`)
		}
		b.want("", list, `{"pageSize":0}`)
		b.want("", list, `{"pageSize":1000}`)
		for _, size := range []string{"2147483648", "-2147483649", "1e9", `"x"`, "1.5"} {
			if got := b.ask(list, `{"pageSize":`+size+`}`); got.status != http.StatusBadRequest || got.code() == "" {
				t.Errorf("%s of %s: %d %s", list, size, got.status, got.body)
			}
		}
		b.want(transfer.CodeJSON, list, `{"orderBy":"CANARY"}`)
		token, _ := b.want("", list, `{"pageSize":1}`).field("nextPageToken").(string)
		b.want("", list, `{"pageToken":"`+token+`"}`)
		for _, forged := range []string{
			"x", token + "A", token[:len(token)-1], token[1:], strings.ToUpper(token) + "0", strings.Repeat("A", 64), strings.Repeat("A", 4096), token + `\n`,
		} {
			b.want(transfer.CodePageToken, list, `{"pageToken":"`+forged+`"}`)
		}
		// Another cluster's key made it.
		other.want(transfer.CodePageToken, list, `{"pageToken":"`+token+`"}`)
		tokens[list] = token
	}
	for from, token := range tokens {
		for _, list := range lists {
			if list != from {
				b.want(transfer.CodePageToken, list, `{"pageToken":"`+token+`"}`)
			}
		}
	}
	b.want(transfer.CodePageToken, lists[0], `{"pageToken":"`+tokens[lists[0]]+`","statuses":["IDLE"]}`)
	b.want(transfer.CodePageToken, lists[2], `{"pageToken":"`+tokens[lists[2]]+`","statuses":["DONE"]}`)
	b.want(transfer.CodePageToken, lists[3], `{"pageToken":"`+tokens[lists[3]]+`","statuses":["SUCCEEDED"]}`)
}

func TestStaleEtags(t *testing.T) { // B104
	b := startBad(t, nil)
	for _, row := range []struct{ create, update string }{
		{b.transferOf("x", ""), `TransferService/UpdateTransfer {"id":"x","limitRate":"%d","etag":%q}`},
		{`{"group":{"name":"x"}}`, `GroupService/UpdateGroup {"name":"x","limit":%d,"etag":%q}`},
	} {
		method, body, _ := strings.Cut(row.update, " ")
		create := createTransfer
		if strings.HasPrefix(method, "Group") {
			create = createGroup
		}
		first, _ := b.want("", create, row.create).field("etag").(string)
		second, _ := b.want("", method, fmt.Sprintf(body, 2048, first)).field("etag").(string)
		if first == "" || second == "" || first == second {
			t.Errorf("%s: %q became %q", method, first, second)
		}
		b.want(transfer.CodeStale, method, fmt.Sprintf(body, 4096, first))
		b.want(transfer.CodeStale, method, fmt.Sprintf(body, 4096, "forged"))
		if got := b.want("", method, fmt.Sprintf(body, 2048, second)); got.field("limit") != 2048.0 && got.field("limitRate") != "2048" {
			t.Errorf("%s: %s", method, got.body)
		}
	}
	b.want(transfer.CodeGroupNotFound, "GroupService/UpdateGroup", `{"name":"none","limit":1,"etag":"x"}`)
	b.want(transfer.CodeNotFound, "TransferService/UpdateTransfer", `{"id":"none","limitRate":"4096","etag":"x"}`)
}

// What grows has a bound, and says so.
func TestQuotas(t *testing.T) { // B107
	b := startBad(t, nil)
	for i := range 1000 {
		b.want("", createGroup, fmt.Sprintf(`{"group":{"name":"g%d"}}`, i))
	}
	b.want(transfer.CodeQuota, createGroup, `{"group":{"name":"more"}}`)
	b.want("", createGroup, `{"group":{"name":"g0"}}`)
	b.want(transfer.CodeQuota, createTransfer, b.transferOf("t", `,"group":"more"`))
	b.want(transfer.CodeNotFound, "TransferService/GetTransfer", `{"id":"t"}`)
	b.want("", createTransfer, b.transferOf("t", `,"group":"g1"`))
	b.want(transfer.CodeState, "GroupService/DeleteGroup", `{"name":"g1"}`)
	b.want("", "GroupService/DeleteGroup", `{"name":"g2"}`)
	b.want("", createGroup, `{"group":{"name":"more"}}`)
	b.want(transfer.CodeLimit, "GroupService/UpdateGroup", `{"name":"more","limit":10001}`)
	b.want(transfer.CodePolicy, createCompletion, `{"completionGroup":{"policy":"QUORUM","quorum":100001}}`)
}

// TestHiddenCharacters refuses what could act on a terminal, and leaves alone
// what only looks like markup.
func TestHiddenCharacters(t *testing.T) { // B108
	b := startBad(t, nil)
	for _, text := range []string{`\u001b[31m`, `\u009b31m`, `\u0007`, `a\nb`, `\u202e`, `\u2066`, `\u0000`, strings.Repeat("a", 257), strings.Repeat("a", 1<<20)} {
		for _, kind := range b.kinds() {
			b.want(transfer.CodeLabel, kind.create, kind.body("x", text))
		}
		if len(text) < 256 {
			b.want(transfer.CodeTemplate, createCompletion, `{"completionGroup":{"notifications":[{"channel":"log","success":"`+text+`"}]}}`)
			b.want(transfer.CodeTemplate, createTransfer, b.transferOf("x", `,"notifications":[{"channel":"log","failure":"`+text+`"}]`))
		}
	}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf(`"k%d":"v"`, i))
	}
	b.want(transfer.CodeLabel, createGroup, `{"group":{"name":"x","labels":{`+strings.Join(many, ",")+`}}}`)
	b.want(transfer.CodeLabel, createGroup, `{"group":{"name":"x","labels":{"\u001b":"v"}}}`)
	for _, kind := range b.kinds() {
		b.want("", kind.create, kind.body("x", `<script>&'\" ü`))
		if got := b.want("", kind.get, kind.named("x")); got.field("labels.a") != `<script>&'" ü` {
			t.Errorf("%s", got.body)
		}
	}
}

// TestGRPCThatDoesNotFit calls a real node as a client that is no gRPC library.
func TestGRPCThatDoesNotFit(t *testing.T) { // B105
	b := startBad(t, nil)
	for _, row := range []struct{ name, path, message, status string }{
		{"fine", "/godwit.v1.TaskService/ListTasks", "", "0"},
		{"unknown method", "/godwit.v1.TaskService/Nothing", "", "404"},
		{"unknown service", "/godwit.v1.NoService/ListTasks", "", "404"},
		{"bad UTF-8", "/godwit.v1.TaskService/GetTask", "\x0a\x01\xff", "3"},
		{"cut off", "/godwit.v1.TaskService/GetTask", "\x0a\x09a", "3"},
		{"5 MiB", "/godwit.v1.TaskService/GetTask", "\x0a\x80\x80\xc0\x02" + strings.Repeat("a", 5<<20), "8"},
		{"unknown enum", "/godwit.v1.GroupService/CreateGroup", "\x0a\x05\x0a\x01g\x10\x63", "3"},
		{"unknown enum in a filter", "/godwit.v1.TaskService/ListTasks", "\x1a\x01\x63", "3"},
	} {
		if got := b.grpc(row.path, row.message); got != row.status {
			t.Errorf("%s: status %s, want %s", row.name, got, row.status)
		}
	}
	if got := b.grpc("/godwit.v1.TaskService/ListTasks", "", "Grpc-Timeout", "0n"); got != "4" {
		t.Errorf("no time at all: status %s", got)
	}
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	f := newFlooder(t, conn, "godwit.v1.TaskService/ListTasks") // no slash before it
	if err := f.open(0); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			break // the connection ended
		}
		if reset, ok := frame.(*http2.RSTStreamFrame); ok && reset.ErrCode == http2.ErrCodeProtocol {
			break
		}
		if h, ok := frame.(*http2.HeadersFrame); ok {
			t.Fatalf("it was answered: %v", h)
		}
	}
}

// grpc returns the gRPC status of a call, or the HTTP status if that is not 200.
// Pairs are further headers.
func (b *badNode) grpc(path, message string, pairs ...string) string {
	n := len(message)
	body := string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + message
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://"+b.Addr()+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	for i := 0; i < len(pairs); i += 2 {
		req.Header.Set(pairs[i], pairs[i+1])
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	var content bytes.Buffer
	if _, err := content.ReadFrom(resp.Body); err != nil {
		return err.Error()
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprint(resp.StatusCode)
	}
	return resp.Trailer.Get("Grpc-Status") + resp.Header.Get("Grpc-Status")
}
