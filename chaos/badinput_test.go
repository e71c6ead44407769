package chaos

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// canary stands in every place of a request that may hold a secret.
const canary = "CANARY4711"

const goodSource = "http://127.0.0.1:9/f?sig=" + canary

// badInput is one request that must be refused on every way into the program.
type badInput struct {
	name string
	// source and dest replace the good ones; "-" stands for an empty one. A dest
	// that begins with "/" is below the server's file root.
	source, dest string
	// fields are more JSON fields of the transfer, args the same as flags. A row
	// without args, whose fields are set, cannot be said on the command line.
	fields string
	args   []string
	// only is "cli" or "api" for what the other cannot express.
	only string
	code transfer.Code
	// cli is the code on the command line, where it is another one.
	cli transfer.Code
}

// statuses are the exit code and the HTTP status of codes for which they are
// not 2 and 400.
var statuses = map[transfer.Code][2]int{
	"path.denied": {3, 403}, "key.reserved": {3, 403}, "egress.denied": {3, 403},
	"request.too_large": {2, 413},
}

func headers(name, value string) string {
	text, _ := json.Marshal([]map[string]string{{"name": name, "value": value}}) // strings always marshal
	return `"headers":` + string(text)
}

func badURLs() []badInput {
	rows := []badInput{
		{name: "spaces", source: "   ", code: "url.empty"},
		{name: "no source", source: "-", code: "url.empty"},
		{name: "8193 bytes", source: "http://h/" + strings.Repeat("a", 8193-9), code: "url.too_long"},
		{name: "100 KiB", source: "http://h/" + strings.Repeat("a", 100<<10), code: "url.too_long"},
		{name: "2 MiB", source: "http://h/" + strings.Repeat("a", 2<<20), only: "api", code: "request.too_large"},
		{name: "NUL", source: "http://h/\x00?" + canary, only: "api", code: "url.invalid"},
		{name: "parameters", source: "http://h/?" + strings.Repeat("a=1&", 10000), code: "url.too_long"},
		{name: "user and password", source: "https://bob:" + canary + "@h/f", code: "url.userinfo"},
		{name: "user", source: "https://" + canary + "@h/f", code: "url.userinfo"},
		{name: "two at signs", source: "http://a@" + canary + "@c/", code: "url.userinfo"},
	}
	add := func(code transfer.Code, urls ...string) {
		for _, u := range urls {
			rows = append(rows, badInput{name: u, source: u, code: code})
		}
	}
	add("url.scheme", "/etc/hosts", "example.com/x", "//host/x", "file:///etc/hosts", "ftp://h/f", "gopher://h/f",
		"data:text/plain,hi", "javascript:alert(1)", "unix:/run/docker.sock", "s3://bucket/key", "h:80/x", "://h/f")
	add("url.invalid", "http://h/a\rb", "http://h/a\nb", "http://h/a\tb", "http://h/a\x7fb", "http://h/\x1b[31m",
		`http://good\@evil/`, `http:/\evil`, "http:h", "http:/h", "http://h/%zz", "http://h/%4",
		"http://h/\u202etxt.exe", "http://h/\u2066x", "http://h/a b", "htt p://h/")
	add("url.host", "http://h:0/", "http://h:65536/", "http://h:-1/", "http://h:80:80/", "http://h:abc/", "http://[::1",
		"http://[1.2.3.4]/", "http:///path", "http://?q", "http://exa%2fmple/", "http://%31%36%39.254.169.254/",
		"http://[fe80::1%25eth0]/")
	return rows
}

// badAddresses are refused by a server, which connects to public addresses and
// to those that it was told.
func badAddresses() []badInput {
	var rows []badInput
	for _, host := range []string{"10.1.2.3", "[fe80::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "0.0.0.0", "２５５.255.255.255"} {
		rows = append(rows, badInput{name: host, source: "http://" + host + "/?" + canary, code: "egress.denied"})
	}
	return rows
}

func badHeaders() []badInput {
	rows := []badInput{
		{
			name: "101 headers", fields: `"headers":[` + strings.TrimSuffix(strings.Repeat(`{"name":"X-A","value":"`+canary+`"},`, 101), ",") + `]`,
			args: slices.Repeat([]string{"-H", "X-A: " + canary}, 101), code: "header.count",
		},
		{
			name: "two Authorizations", fields: `"headers":[{"name":"Authorization","value":"` + canary + `"},{"name":"authorization","value":"` + canary + `"}]`,
			args: []string{"-H", "Authorization: " + canary, "-H", "authorization: " + canary}, code: "header.count",
		},
		{name: "NUL in value", fields: headers("X", canary+"\x00"), code: "header.value"},
		{name: "no colon", args: []string{"-H", canary}, only: "cli", cli: "usage.invalid"},
	}
	add := func(code transfer.Code, name, value string) {
		rows = append(rows, badInput{
			name: "header " + name[:min(len(name), 20)] + value[:min(len(value), 20)], fields: headers(name, value),
			args: []string{"-H", name + ": " + value}, code: code,
		})
	}
	add("header.value", "X", "a\r\nY: "+canary)
	add("header.value", "X", "a\n"+canary)
	add("header.value", "X-Api-Key", canary+strings.Repeat("x", 16<<10))
	for _, name := range []string{"X Y", "", "Ä", "X\x1b[31m", strings.Repeat("n", 300)} {
		add("header.name", name, canary)
	}
	rows = append(rows, badInput{name: "colon in header", fields: headers("X:Y", canary), code: "header.name"})
	for _, name := range []string{
		"Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Expect",
		"Range", "If-Range", "If-Match", "Accept-Encoding", "Proxy-Authorization", "proxy-x",
	} {
		add("header.reserved", name, canary)
	}
	rows = append(rows, badInput{name: ":authority", fields: headers(":authority", canary), code: "header.reserved"})
	return rows
}

func badNumbers() []badInput {
	var rows []badInput
	add := func(code transfer.Code, field string, values ...string) {
		for _, v := range values {
			rows = append(rows, badInput{name: field + " " + v, fields: `"` + field + `":` + v, code: code})
		}
	}
	add("size.invalid", "expectedSize", "-2", `"9223372036854775808"`, "1e309", `"10GB"`, "1.5", `"+1"`, "[]", "true")
	add("part_size.invalid", "partSize", "1", "-1", `"5368709121"`, `"NaN"`)
	add("connections.invalid", "connections", "-1", "1000000", "1099511627776")
	add("rate.invalid", "limitRate", "-1", "1", `"NaN"`, `"Infinity"`)
	add("retries.invalid", "retries", "-1", "1000000000")
	add("checksum.invalid", "digest", `"md5"`, `"SHA256"`)
	add("recoverable.invalid", "recoverableStatuses", "[200]", "[600]", "[-1]")
	add("request.json", "ranges", `["5-3"]`, `["0-0,5-9"]`)
	for _, field := range []string{
		"range", "deadline", "timeout", "notBefore", "backoff", "store", "endpoint", "region",
		"credentialRef", "metadata", "tenant", "overwrite",
	} {
		add("request.json", field, `"`+canary+`"`)
	}
	for _, sum := range []string{
		"abc", "md5:d41d8cd98f00b204e9800998ecf8427e", strings.Repeat("0", 63), strings.Repeat("g", 64),
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	} {
		rows = append(rows, badInput{
			name: "checksum " + sum, fields: `"checksums":{"sha256":"` + sum + `"}`,
			args: []string{"--checksum", sum}, code: "checksum.invalid",
		})
	}
	rows = append(rows,
		badInput{name: "part size for S3", dest: "s3://bucket/k", fields: `"partSize":5242879`, code: "part_size.invalid"},
		badInput{name: "connections", fields: `"connections":65`, args: []string{"--connections", "65"}, code: "connections.invalid"},
		badInput{name: "retries", fields: `"retries":1001`, args: []string{"--retries", "1001"}, code: "retries.invalid"},
		badInput{name: "recoverable", fields: `"recoverableStatuses":[200]`, args: []string{"--recoverable", "200"}, code: "recoverable.invalid"},
		badInput{name: "rate", fields: `"limitRate":1`, args: []string{"--limit-rate", "1"}, code: "rate.invalid"},
	)
	for _, args := range [][]string{
		{"--connections", "x"},
		{"--connections", "1e6"},
		{"--limit-rate", "NaN"},
		{"--limit-rate", "-1"},
		{"--retries", "99999999999"},
		{"--range", "0-5"},
		{"--deadline", "tomorrow"},
		{"--part-size", "1"},
		{"--store", "a"},
		{"--timeout", "x"},
		{"--if-exists", "sometimes"},
		{"--priority", "99"},
		{"--digest", "md5"},
		{"--label", "nothing"},
	} {
		rows = append(rows, badInput{name: strings.Join(args, " "), args: args, only: "cli", cli: "usage.invalid"})
	}
	return rows
}

func badDestinations() []badInput {
	rows := []badInput{
		{name: "no destination", dest: "-", only: "api", code: "dest.invalid"},
		{name: "relative", dest: "file://a/f", code: "path.escape"},
		{name: "component of 256 bytes", dest: "/" + strings.Repeat("n", 256), code: "path.invalid"},
		{name: "path of 4097 bytes", dest: "file:///" + strings.Repeat("ab/", 1400) + "f", code: "path.invalid"},
		{name: "300 components", dest: "file:///" + strings.Repeat("d/", 300) + "f", code: "path.invalid"},
		{name: "NUL in path", dest: "/f\x00", only: "api", code: "path.invalid"},
		{name: "outside of the roots", dest: "file:///etc/godwit-test", only: "server", code: "path.denied"},
	}
	add := func(code, cli transfer.Code, dests ...string) {
		for _, d := range dests {
			rows = append(rows, badInput{name: "to " + d[:min(len(d), 40)], dest: d, code: code, cli: cli})
		}
	}
	add("path.escape", "", "/../../etc/cron.d/x", "/a/../../b", `/..\..\x`)
	add("path.invalid", "", "/a\nb", "/\x1b[31m", "/\u202etxt.exe", "/NUL.txt", "/con", "/x.", "/x ", "/a:stream")
	add("dest.invalid", "usage.invalid", "ftp://h/f", "http://h/f", "gs://b/k")
	for _, dest := range []string{`C:\x`, `\\srv\s`, "f", "etc/x"} {
		rows = append(rows, badInput{name: "to " + dest, dest: dest, only: "api", code: "dest.invalid"})
	}
	add("bucket.invalid", "", "s3://AB/k", "s3://a..b/k", "s3://1.2.3.4/k", "s3://"+strings.Repeat("b", 64)+"/k", "s3://-x/k", "s3://ab/k",
		"s3://b_c/k")
	add("key.invalid", "", "s3://bucket/"+strings.Repeat("k", 1025), "s3://bucket/a\nb", "s3://bucket/\x1b")
	rows = append(rows, badInput{name: "no key", dest: "s3://bucket/", only: "api", code: "key.invalid"})
	add("key.reserved", "", "s3://bucket/_godwit/x", "s3://bucket/_GODWIT/x", "s3://bucket/%5fgodwit/x", "s3://bucket/a/../_godwit/x",
		"s3://bucket//_godwit/x", "s3://bucket/%255fgodwit/x")
	return rows
}

func badBodies() []badInput {
	rows := []badInput{
		{name: "mirror", fields: `"mirrors":[{"url":"ftp://h/` + canary + `"}]`, args: []string{"--mirror", "ftp://h/" + canary}, code: "url.scheme"},
		{
			name: "17 mirrors", fields: `"mirrors":[` + strings.TrimSuffix(strings.Repeat(`{"url":"http://h/"},`, 17), ",") + `]`,
			args: slices.Repeat([]string{"--mirror", "http://h/"}, 17), code: "url.invalid",
		},
		{name: "method", fields: `"method":"HEAD"`, args: []string{"-X", "HEAD"}, code: "method.invalid"},
		{name: "method with a line end", fields: `"method":"GET\r\nX:y"`, args: []string{"-X", "GET\r\nX:y"}, code: "method.invalid"},
		{name: "body with GET", fields: `"method":"GET","body":"Q0FOQVJZNDcxMQ=="`, code: "body.invalid"},
		{name: "body in no base64", fields: `"method":"POST","body":"` + canary + `!"`, code: "body.invalid"},
		{name: "label", fields: `"labels":{"a":"\u001b[31m` + canary + `"}`, args: []string{"--label", "a=\x1b[31m" + canary}, code: "label.invalid"},
		{name: "label key", fields: `"labels":{"a b":"c"}`, args: []string{"--label", "a b=c"}, code: "label.invalid"},
		{name: "33 labels", args: manyLabels(33), only: "cli", code: "label.invalid"},
		{name: "group", fields: `"group":"a b"`, args: []string{"--group", "a b"}, code: "id.invalid"},
		{name: "completion group", fields: `"completionGroup":"a.b"`, args: []string{"--completion-group", "a.b"}, code: "id.invalid"},
		{name: "random access", fields: `"randomAccess":true`, args: []string{"--random-access"}, code: "field.unsupported"},
		{name: "status", fields: `"status":"COMPLETED"`, code: "field.unsupported"},
		{name: "owner", fields: `"owner":{"node":"n"}`, code: "field.unsupported"},
		{name: "unknown word", fields: `"priority":"` + canary + `"`, code: "enum.invalid"},
		{name: "unknown field inside", fields: `"labels":{},"checksums":{"md5":"x"}`, code: "request.json"},
		{name: "null in a list", fields: `"mirrors":[null]`, code: "request.json"},
	}
	for _, id := range []string{"a/b", "..", ".a", "-a", strings.Repeat("i", 129), "ü", "a%2fb", "a b", "a\nb"} {
		text, _ := json.Marshal(id) // strings always marshal
		rows = append(rows, badInput{name: "id " + id[:min(len(id), 9)], fields: `"id":` + string(text), args: []string{"--id=" + id}, code: "id.invalid"})
	}
	return rows
}

func manyLabels(n int) (args []string) {
	for i := range n {
		args = append(args, "--label", "k"+strings.Repeat("x", i)+"=v")
	}
	return args
}

// TestBadInput sends what must be refused in every way that it can come: as
// JSON, as gRPC message, through the command line to a server, and to a node in
// the command itself. The verdict is the same everywhere, nothing is recorded,
// no secret is repeated, and the server goes on.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	rows := slices.Concat(badURLs(), badAddresses(), badHeaders(), badNumbers(), badDestinations(), badBodies(), badUploads())
	t.Logf("%d rows", len(rows))
	api := godwitv1connect.NewTransferServiceClient(h2c(t), s.url, connect.WithGRPC())
	env := environment(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.only != "cli" {
				row.overJSON(t, s, api)
			}
			row.overCommands(t, s, env)
			if t.Failed() {
				return
			}
			s.healthy()
			if left := records(t, s.data); len(left) > 0 {
				t.Fatalf("recorded: %v", left)
			}
		})
	}
	if _, answer := s.call("ListTransfers", "{}"); answer != `{"transfers":[],"nextPageToken":""}` {
		t.Errorf("the list is not empty: %s", answer)
	}
	if left := files(t, s.files); len(left) > 0 {
		t.Errorf("written: %v", left)
	}
	if text := s.Stderr() + s.Stdout(); strings.Contains(text, canary) {
		t.Errorf("the log repeats a secret:\n%s", text)
	}
}

// h2c is a client for gRPC without TLS.
func h2c(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (row badInput) ends(s *server) (source, dest string) {
	pick := func(given, preset string) string {
		switch given {
		case "":
			return preset
		case "-":
			return ""
		}
		return given
	}
	source, dest = pick(row.source, goodSource), pick(row.dest, "/f")
	if strings.HasPrefix(dest, "/") {
		dest = "file://" + s.files + dest
	}
	return source, dest
}

// overJSON sends the row as JSON, and as gRPC what can be said there too.
func (row badInput) overJSON(t *testing.T, s *server, api godwitv1connect.TransferServiceClient) {
	source, dest := row.ends(s)
	ends, err := json.Marshal(map[string]any{"source": map[string]string{"url": source}, "destination": map[string]string{"url": dest}})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"transfer":` + strings.TrimSuffix(string(ends), "}")
	if row.fields != "" {
		body += "," + row.fields
	}
	body += "}}"
	status, answer := s.call("CreateTransfer", body)
	want := 400
	if special, ok := statuses[row.code]; ok {
		want = special[1]
	}
	got := refusal(t, answer)
	if status != want || got.GetCode() != string(row.code) {
		t.Errorf("JSON: %d %s, want %d %s: %.500s", status, got.GetCode(), want, row.code, answer)
	}
	if got.GetField() == "" && status == 400 {
		t.Errorf("JSON: no field is named: %s", answer)
	}
	quiet(t, answer)
	plain(t, got.GetMessage())

	req := new(pb.CreateTransferRequest)
	if row.code == "request.json" || row.code == "request.too_large" || protojson.Unmarshal([]byte(body), req) != nil {
		return
	}
	_, err = api.CreateTransfer(t.Context(), connect.NewRequest(req))
	if detail := detailOf(t, err); detail.GetCode() != string(row.code) {
		t.Errorf("gRPC: %v, want %s", detail, row.code)
	}
	if err != nil {
		quiet(t, err.Error())
	}
}

// overCommands says the row on the command line, for the server and for a node
// of the command's own.
func (row badInput) overCommands(t *testing.T, s *server, env []string) {
	if row.only == "api" || row.only != "cli" && row.fields != "" && row.args == nil {
		return
	}
	source, dest := row.ends(s)
	want := row.cli
	if want == "" {
		want = row.code
	}
	exit := 2
	if special, ok := statuses[want]; ok {
		exit = special[0]
	}
	data := t.TempDir()
	base := append([]string{"get", "-o", "json", "--no-progress"}, row.args...)
	for way, target := range map[string][]string{"server": {"--server", s.url}, "own": {"--data-dir", data}} {
		if way == "own" && (row.only == "server" || want == "egress.denied") {
			continue // a person's own node reads and writes what the person may
		}
		got := godwit(t, env, slices.Concat(base, target, []string{"--", source, dest})...)
		if code, _ := got.failure(); got.code != exit || code != string(want) {
			t.Errorf("%s: exit %d %s, want %d %s: %s", way, got.code, code, exit, want, got.stderr)
		}
		if got.stdout != "" {
			t.Errorf("%s: printed %q", way, got.stdout)
		}
		quiet(t, got.stderr)
		plain(t, got.stderr)
	}
	if left := records(t, data); len(left) > 0 {
		t.Errorf("recorded: %v", left)
	}
}

// quiet fails when a text repeats a secret.
func quiet(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("repeats a secret: %.500s", text)
	}
}
