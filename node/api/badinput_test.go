package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// with returns a create request with more fields in its transfer.
func with(fields string) string {
	return `{"transfer":{"source":{"url":"https://example.com/CANARY"},"destination":{"url":"file:///srv/f"},` + fields + `}}`
}

// sending returns a create request of an upload with fields that say how.
func sending(fields string) string {
	return `{"transfer":{"direction":"UPLOAD","source":{"url":"file:///srv/f"},"destination":{"url":"https://example.com/CANARY"},"upload":{` + fields + `}}}`
}

func header(name, value string) string {
	return with(fmt.Sprintf(`"headers":[{"name":%q,"value":%q}]`, name, value))
}

// TestBadInput sends what must be refused. Each row names the code, the field
// and the status of the answer; nothing may reach the engine, and no answer may
// repeat a value.
func TestBadInput(t *testing.T) {
	long := strings.Repeat("a", 300)
	many := strings.TrimSuffix(strings.Repeat(`{"name":"X-A","value":"CANARY"},`, 101), ",")
	rows := []struct {
		name, method, body string
		code               transfer.Code
		field              string
	}{
		// Header values and names.
		{"CR LF", "CreateTransfer", header("X", "CANARY\r\nY: z"), transfer.CodeHeaderValue, "transfer.headers"},
		{"NUL", "CreateTransfer", with(`"headers":[{"name":"X","value":"CANARY\u0000"}]`), transfer.CodeHeaderValue, "transfer.headers"},
		{"name with space", "CreateTransfer", header("X Y", "CANARY"), transfer.CodeHeaderName, "transfer.headers"},
		{"name with colon", "CreateTransfer", header("X:Y", "CANARY"), transfer.CodeHeaderName, "transfer.headers"},
		{"empty name", "CreateTransfer", header("", "CANARY"), transfer.CodeHeaderName, "transfer.headers"},
		{"name outside ASCII", "CreateTransfer", header("Ä", "CANARY"), transfer.CodeHeaderName, "transfer.headers"},
		{"long name", "CreateTransfer", header(long, "CANARY"), transfer.CodeHeaderName, "transfer.headers"},
		{"Host", "CreateTransfer", header("host", "CANARY"), transfer.CodeHeaderResrvd, "transfer.headers"},
		{"Range", "CreateTransfer", header("Range", "CANARY"), transfer.CodeHeaderResrvd, "transfer.headers"},
		{"Transfer-Encoding", "CreateTransfer", header("Transfer-Encoding", "CANARY"), transfer.CodeHeaderResrvd, "transfer.headers"},
		{"Proxy-Authorization", "CreateTransfer", header("Proxy-Authorization", "CANARY"), transfer.CodeHeaderResrvd, "transfer.headers"},
		{":authority", "CreateTransfer", header(":authority", "CANARY"), transfer.CodeHeaderResrvd, "transfer.headers"},
		{"101 headers", "CreateTransfer", with(`"headers":[` + many + `]`), transfer.CodeHeaderCount, "transfer.headers"},
		{"16 KiB value", "CreateTransfer", header("X", strings.Repeat("c", 16<<10)), transfer.CodeHeaderValue, "transfer.headers"},
		{"two Authorizations", "CreateTransfer", with(`"headers":[{"name":"Authorization","value":"a"},{"name":"authorization","value":"b"}]`), transfer.CodeHeaderCount, "transfer.headers"},

		// Numbers.
		{"size -1", "CreateTransfer", with(`"expectedSize":-2`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"size 2^63", "CreateTransfer", with(`"expectedSize":"9223372036854775808"`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"size 1e309", "CreateTransfer", with(`"expectedSize":1e309`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"size 10GB", "CreateTransfer", with(`"expectedSize":"10GB"`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"size 1.5", "CreateTransfer", with(`"expectedSize":1.5`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"size +1", "CreateTransfer", with(`"expectedSize":"+1"`), transfer.CodeSizeInvalid, "transfer.expectedSize"},
		{"part size 1", "CreateTransfer", with(`"partSize":1`), transfer.CodePartSize, "transfer.partSize"},
		{"part size 5 MiB-1 for S3", "CreateTransfer", strings.Replace(with(`"partSize":5242879`), "file:///srv/f", "s3://bucket/k", 1), transfer.CodePartSize, "transfer.partSize"},
		{"part size 5 GiB+1", "CreateTransfer", with(`"partSize":"5368709121"`), transfer.CodePartSize, "transfer.partSize"},
		{"connections -1", "CreateTransfer", with(`"connections":-1`), transfer.CodeConnections, "transfer.connections"},
		{"connections 10^6", "CreateTransfer", with(`"connections":1000000`), transfer.CodeConnections, "transfer.connections"},
		{"connections 2^40", "CreateTransfer", with(`"connections":1099511627776`), transfer.CodeConnections, "transfer.connections"},
		{"rate -1", "CreateTransfer", with(`"limitRate":-1`), transfer.CodeRate, "transfer.limitRate"},
		{"rate 1", "CreateTransfer", with(`"limitRate":1`), transfer.CodeRate, "transfer.limitRate"},
		{"rate NaN", "CreateTransfer", with(`"limitRate":"NaN"`), transfer.CodeRate, "transfer.limitRate"},
		{"rate in update", "UpdateTransfer", `{"id":"t1","limitRate":"Infinity"}`, transfer.CodeRate, "limitRate"},
		{"retries -1", "CreateTransfer", with(`"retries":-1`), transfer.CodeRetries, "transfer.retries"},
		{"retries 10^9", "CreateTransfer", with(`"retries":1000000000`), transfer.CodeRetries, "transfer.retries"},
		{"recoverable 200", "CreateTransfer", with(`"recoverableStatuses":[200]`), transfer.CodeRecoverable, "transfer.recoverableStatuses"},
		{"offset -1", "ReadTransfer", `{"id":"t1","offset":-1}`, transfer.CodeSizeInvalid, "offset"},
		{"checksum odd", "CreateTransfer", with(`"checksums":{"sha256":"abc"}`), transfer.CodeChecksum, "transfer.checksums.sha256"},
		{"checksum md5", "CreateTransfer", with(`"checksums":{"sha256":"md5:d41d8cd98f00b204e9800998ecf8427e"}`), transfer.CodeChecksum, "transfer.checksums.sha256"},
		{"digest md5", "CreateTransfer", with(`"digest":"md5"`), transfer.CodeChecksum, "transfer.digest"},
		{"declared crc64", "CreateTransfer", with(`"checksums":{"crc64nvme":"AAAAAAAAAAA="}`), transfer.CodeField, "transfer.checksums.crc64nvme"},

		// Ids.
		{"id with slash", "CreateTransfer", with(`"id":"a/b"`), transfer.CodeID, "transfer.id"},
		{"id ..", "CreateTransfer", with(`"id":".."`), transfer.CodeID, "transfer.id"},
		{"id of 129", "CreateTransfer", with(`"id":"` + strings.Repeat("a", 129) + `"`), transfer.CodeID, "transfer.id"},
		{"id outside ASCII", "CreateTransfer", with(`"id":"ü"`), transfer.CodeID, "transfer.id"},
		{"id escaped", "GetTransfer", `{"id":"%2f"}`, transfer.CodeID, "id"},
		{"id empty", "GetTransfer", `{}`, transfer.CodeID, "id"},
		{"id empty in command", "CancelTransfer", `{}`, transfer.CodeID, "id"},
		{"id unknown", "CancelTransfer", `{"id":"T1"}`, transfer.CodeNotFound, ""},

		// Ends.
		{"no transfer", "CreateTransfer", `{}`, transfer.CodeJSON, "transfer"},
		{"no source", "CreateTransfer", `{"transfer":{"destination":{"url":"file:///srv/f"}}}`, transfer.CodeURLEmpty, "transfer.source.url"},
		{"no destination", "CreateTransfer", `{"transfer":{"source":{"url":"http://h/"}}}`, transfer.CodeDestInvalid, "transfer.destination.url"},
		{"scheme", "CreateTransfer", strings.Replace(with(`"id":"x"`), "https:", "gopher:", 1), transfer.CodeURLScheme, "transfer.source.url"},
		{"userinfo", "CreateTransfer", strings.Replace(with(`"id":"x"`), "example.com", "u:CANARY@example.com", 1), transfer.CodeURLUserinfo, "transfer.source.url"},
		{"mirror", "CreateTransfer", with(`"mirrors":[{"url":"ftp://CANARY/"}]`), transfer.CodeURLScheme, "transfer.mirrors.url"},
		{"update url", "UpdateTransfer", `{"id":"t1","url":"file:///CANARY"}`, transfer.CodeURLScheme, "url"},
		{"escape", "CreateTransfer", strings.Replace(with(`"id":"x"`), "/srv/f", "/srv/../../CANARY", 1), transfer.CodePathEscape, "transfer.destination.url"},

		// What this version does not do.
		{"group", "CreateTransfer", with(`"group":"../g"`), transfer.CodeID, "transfer.group"},
		{"completion group", "CreateTransfer", with(`"completionGroup":"a.b"`), transfer.CodeID, "transfer.completionGroup"},
		{"attention", "CreateTransfer", with(`"attentionTtl":"1s"`), transfer.CodeDuration, "transfer.attentionTtl"},
		{"attention in days", "CreateTransfer", with(`"attentionTtl":"1d"`), transfer.CodeDuration, "transfer.attentionTtl"},
		{"attention in JSON", "CreateTransfer", with(`"attentionTtl":{"seconds":60}`), transfer.CodeDuration, "transfer.attentionTtl"},
		{"endless attention", "CreateTransfer", with(`"attentionTtl":"99999999999999s"`), transfer.CodeDuration, "transfer.attentionTtl"},
		{"resolver", "CreateTransfer", with(`"resolver":{"url":"ftp://x/"}`), transfer.CodeURLScheme, "transfer.resolver.url"},
		{"secret", "CreateTransfer", with(`"resolver":{"url":"https://x/","secret":"CANARY"}`), transfer.CodeSecret, "transfer.resolver.secret"},
		{"template", "CreateTransfer", with(`"notifications":[{"channel":"log","success":"{x}"}]`), transfer.CodeTemplate, "transfer.notifications.success"},
		{"history", "CreateTransfer", with(`"attemptHistory":[{"node":"x"}]`), transfer.CodeField, "transfer.attemptHistory"},
		{"acknowledged", "CreateTransfer", with(`"acknowledgeTime":"2026-05-04T03:02:01Z"`), transfer.CodeField, "transfer.acknowledgeTime"},
		{"deadline", "CreateTransfer", with(`"attentionDeadline":"2026-05-04T03:02:01Z"`), transfer.CodeField, "transfer.attentionDeadline"},
		{"body source", "CreateTransfer", with(`"bodySource":{"url":"file:///x"}`), transfer.CodeBody, "transfer.bodySource.url"},
		{"upload of a download", "CreateTransfer", with(`"upload":{}`), transfer.CodeField, "transfer.upload"},
		{"ends of a download", "CreateTransfer", with(`"direction":"UPLOAD"`), transfer.CodeURLScheme, "transfer.destination.url"},
		{"chosen protocol", "CreateTransfer", sending(`"chosenProtocol":"CANARY"`), transfer.CodeField, "transfer.upload.chosenProtocol"},
		{"chosen reason", "CreateTransfer", sending(`"chosenReason":"CANARY"`), transfer.CodeField, "transfer.upload.chosenReason"},
		{"maybe duplicate", "CreateTransfer", sending(`"maybeDuplicate":true`), transfer.CodeField, "transfer.upload.maybeDuplicate"},
		{"expiry", "CreateTransfer", sending(`"expireTime":"2026-05-04T03:02:01Z"`), transfer.CodeField, "transfer.upload.expireTime"},
		{"time of a source", "CreateTransfer", sending(`"sourceTime":"2026-05-04T03:02:01Z"`), transfer.CodeField, "transfer.upload.sourceTime"},
		{
			"time of a part", "CreateTransfer", sending(`"form":{"parts":[{"name":"a","sourceTime":"2026-05-04T03:02:01Z"}]}`),
			transfer.CodeField, "transfer.upload.form.parts.sourceTime",
		},
		{"unknown field of an upload", "CreateTransfer", sending(`"x":"CANARY"`), transfer.CodeJSON, "transfer.upload.x"},
		{"unknown field of a part", "CreateTransfer", sending(`"form":{"parts":[{"name":"a","file":"CANARY"}]}`), transfer.CodeJSON, "transfer.upload.form.parts[0].file"},
		{"form is a list", "CreateTransfer", sending(`"form":[]`), transfer.CodeJSON, "transfer.upload.form"},
		{"random access", "CreateTransfer", with(`"randomAccess":true`), transfer.CodeField, "transfer.randomAccess"},
		{"output only", "CreateTransfer", with(`"status":"COMPLETED"`), transfer.CodeField, "transfer.status"},
		{"reserved header set", "UpdateTransfer", `{"id":"t1","headers":[{"name":"Range","value":"CANARY"}]}`, transfer.CodeHeaderResrvd, "headers"},
		{"header appended", "UpdateTransfer", `{"id":"t1","appendHeaders":[{"name":"X","value":"CANARY\n"}]}`, transfer.CodeHeaderValue, "appendHeaders"},
		{"header removed", "UpdateTransfer", `{"id":"t1","removeHeaders":["a b"]}`, transfer.CodeHeaderName, "removeHeaders"},
		{"moved", "UpdateTransfer", `{"id":"t1","group":"../g"}`, transfer.CodeID, "group"},

		// Lists.
		{"page size -1", "ListTransfers", `{"pageSize":-1}`, transfer.CodePageSize, "pageSize"},
		{"page size 10^9", "ListTransfers", `{"pageSize":1000000000}`, transfer.CodePageSize, "pageSize"},
		{"page token", "ListTransfers", `{"pageToken":"CANARY"}`, transfer.CodePageToken, "pageToken"},
		{"status", "ListTransfers", `{"statuses":["CANARY"]}`, transfer.CodeEnum, "statuses[0]"},
		{"no status", "ListTransfers", `{"statuses":["STATUS_UNSPECIFIED"]}`, transfer.CodeFilter, "statuses"},
		{"sort", "ListTransfers", `{"sort":"CANARY"}`, transfer.CodeJSON, "sort"},

		// JSON.
		{"empty", "ListTransfers", ``, transfer.CodeJSON, ""},
		{"unknown field", "CreateTransfer", with(`"x":"CANARY"`), transfer.CodeJSON, "transfer.x"},
		{"duplicate key", "CreateTransfer", with(`"id":"a","id":"b"`), transfer.CodeJSON, "transfer.id"},
		{"duplicate by other name", "CreateTransfer", with(`"partSize":0,"part_size":0`), transfer.CodeJSON, "transfer.partSize"},
		{"duplicate label", "CreateTransfer", with(`"labels":{"a":"CANARY","a":"b"}`), transfer.CodeJSON, "transfer.labels"},
		{"trailing bytes", "ListTransfers", `{}x`, transfer.CodeJSON, ""},
		{"two objects", "ListTransfers", `{}{}`, transfer.CodeJSON, ""},
		{"nesting", "ListTransfers", strings.Repeat(`[`, 100000), transfer.CodeJSON, ""},
		{"nesting in a field", "CreateTransfer", with(`"id":` + strings.Repeat(`{"a":`, 100000)), transfer.CodeJSON, "transfer.id"},
		{"byte order mark", "ListTransfers", "\xef\xbb\xbf{}", transfer.CodeJSON, ""},
		{"invalid UTF-8", "CreateTransfer", with("\"id\":\"\xff\""), transfer.CodeJSON, ""},
		{"lone surrogate", "CreateTransfer", with(`"id":"\ud800"`), transfer.CodeJSON, "transfer.id"},
		{"NaN", "ListTransfers", `{"pageSize":NaN}`, transfer.CodeJSON, "pageSize"},
		{"array", "ListTransfers", `[]`, transfer.CodeJSON, ""},
		{"null", "ListTransfers", `null`, transfer.CodeJSON, ""},
		{"string", "ListTransfers", `"CANARY"`, transfer.CodeJSON, ""},
		{"comment", "ListTransfers", `{/*CANARY*/}`, transfer.CodeJSON, ""},
		{"cut off", "ListTransfers", `{"pageSize":`, transfer.CodeJSON, "pageSize"},
		{"object for string", "CreateTransfer", with(`"id":{}`), transfer.CodeJSON, "transfer.id"},
		{"string for object", "CreateTransfer", `{"transfer":"CANARY"}`, transfer.CodeJSON, "transfer"},
		{"string for bool", "CreateTransfer", `{"start":"CANARY"}`, transfer.CodeJSON, "start"},
		{"number for string", "GetTransfer", `{"id":1}`, transfer.CodeJSON, "id"},
		{"string for list", "WatchTransfers", `{"ids":"CANARY"}`, transfer.CodeJSON, "ids"},
		{"list for map", "CreateTransfer", with(`"labels":[]`), transfer.CodeJSON, "transfer.labels"},
		{"null in list", "CreateTransfer", with(`"mirrors":[null]`), transfer.CodeJSON, "transfer.mirrors[0]"},
		{"number for enum", "CreateTransfer", with(`"priority":3`), transfer.CodeEnum, "transfer.priority"},
		{"unknown enum", "CreateTransfer", with(`"ifExists":"CANARY"`), transfer.CodeEnum, "transfer.ifExists"},
		{"body not Base64", "CreateTransfer", with(`"body":"CANARY!"`), transfer.CodeBody, "transfer.body"},
		{"time", "CreateTransfer", with(`"createTime":"CANARY"`), transfer.CodeJSON, "transfer.createTime"},
		{"label with escape", "CreateTransfer", with(`"labels":{"a":"\u001b[31m"}`), transfer.CodeLabel, "transfer.labels"},
		{"2 MiB", "CreateTransfer", with(`"id":"` + strings.Repeat("a", 2<<20) + `"`), transfer.CodeTooLarge, ""},
		{"long reason", "CancelTransfer", `{"id":"t1","reason":"` + strings.Repeat("r", 2000) + `"}`, transfer.CodeTooLarge, "reason"},
	}
	a := startAPI(t, nil)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			contentType, body := "application/json", row.body
			want := row.code.Info().HTTP
			if row.method == "WatchTransfers" || row.method == "ReadTransfer" {
				contentType, body, want = "application/connect+json", envelope(row.body), http.StatusOK
			}
			status, answer := a.post(t, row.method, body, "Content-Type", contentType)
			if strings.Contains(answer, "CANARY") {
				t.Errorf("the answer repeats a value: %s", answer)
			}
			if want == http.StatusOK {
				answer = `{` + strings.TrimSuffix(strings.SplitN(answer, `{"error":{`, 2)[1], "}")
			}
			wantFailure(t, status, answer, want, row.code, row.field)
		})
	}
	if a.engine.creates != 0 {
		t.Errorf("%d bad requests reached the engine", a.engine.creates)
	}
}

// envelope frames a message as a stream does.
func envelope(message string) string {
	n := len(message)
	return string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + message
}

func TestAcceptedJSON(t *testing.T) {
	a := startAPI(t, nil)
	for name, body := range map[string]string{
		"null is absent":     with(`"expectedSize":null,"id":null`),
		"numbers as strings": with(`"partSize":"8388608","connections":"4"`),
		"proto names":        with(`"part_size":8388608`),
		"white space":        " \n{ \"transfer\" : {\"source\":{\"url\":\"http://h/\"},\"destination\":{\"url\":\"file:///f\"}} } \n",
		"largest body":       with(`"method":"POST","body":"` + strings.Repeat("AAAA", (1<<20)/3) + `"`),
	} {
		if status, answer := a.post(t, "CreateTransfer", body); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := a.post(t, "ListTransfers", `{}`, "Content-Type", "application/json; charset=UTF-8"); status != http.StatusOK {
		t.Errorf("charset: %d %s", status, answer)
	}
}

func TestMediaTypes(t *testing.T) {
	a := startAPI(t, nil)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(`{}`))
	_ = w.Close()
	for name, row := range map[string]struct {
		body   string
		header []string
	}{
		"simple CORS":     {`{}`, []string{"Content-Type", "text/plain"}},
		"none":            {`{}`, []string{"Content-Type", ""}},
		"form":            {`a=b`, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"charset":         {`{}`, []string{"Content-Type", "application/json; charset=utf-16"}},
		"parameter":       {`{}`, []string{"Content-Type", "application/json; x=y"}},
		"gzip":            {zipped.String(), []string{"Content-Encoding", "gzip"}},
		"gzip in a frame": {"\x01" + envelope(`{}`)[1:], []string{"Content-Type", "application/connect+json"}},
	} {
		t.Run(name, func(t *testing.T) {
			method, want := "ListTransfers", http.StatusUnsupportedMediaType
			if name == "gzip in a frame" {
				method, want = "WatchTransfers", http.StatusOK
			}
			status, body := a.post(t, method, row.body, row.header...)
			if status != want || !strings.Contains(body, string(transfer.CodeMediaType)) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestMethodsAndPaths(t *testing.T) {
	a := startAPI(t, nil)
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/godwit.v1.TransferService/ListTransfers?message=%7B%7D&encoding=json", http.StatusMethodNotAllowed},
		{"PUT", "/godwit.v1.TransferService/ListTransfers", http.StatusMethodNotAllowed},
		{"POST", "/godwit.v1.TransferService/Nothing", http.StatusNotFound},
		{"POST", "/godwit.v1.NoService/ListTransfers", http.StatusNotFound},
		{"GET", "/debug/pprof/", http.StatusNotFound},
		{"POST", "/livez", http.StatusNotFound},
		{"GET", "/livez", http.StatusOK},
		{"GET", "/readyz", http.StatusOK},
		{"GET", "/openapi.yaml", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), row.method, a.URL+row.path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		// A method override must be without effect.
		req.Header.Set("X-HTTP-Method-Override", "POST")
		resp, err := a.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != row.status {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, resp.StatusCode, row.status)
		}
	}
}

// FuzzCheckJSON: what the checker lets pass, protojson reads, and without loss.
func FuzzCheckJSON(f *testing.F) {
	f.Add([]byte(goodTransfer))
	f.Add([]byte(`{"transfer":{"labels":{"a":"b"},"retries":null,"mirrors":[{}],"createTime":"2026-01-01T00:00:00Z"}}`))
	f.Add([]byte(`{"transfer":{"attentionTtl":"-0.5s","notifications":[{"ttl":"99999999999.999999999s"}]}}`))
	f.Add([]byte(with(`"a":[[[[`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &pb.CreateTransferRequest{}
		if e := checkJSON(data, m.ProtoReflect().Descriptor()); e != nil {
			return
		}
		if err := protojson.Unmarshal(data, m); err != nil {
			t.Fatalf("accepted, but protojson says: %v", err)
		}
	})
}
