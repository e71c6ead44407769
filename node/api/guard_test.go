package api

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

func TestBrowsersOfOthersAreRefused(t *testing.T) {
	a := startAPI(t, nil)
	for name, row := range map[string]struct {
		header []string
		code   transfer.Code
	}{
		"rebound name":       {[]string{"Host", "evil.example"}, transfer.CodeHost},
		"rebound with port":  {[]string{"Host", "evil.example:7480"}, transfer.CodeHost},
		"name like ours":     {[]string{"Host", "localhost.evil.example"}, transfer.CodeHost},
		"other address":      {[]string{"Host", "10.0.0.1"}, transfer.CodeHost},
		"foreign origin":     {[]string{"Origin", "https://evil.example"}, transfer.CodeOrigin},
		"null origin":        {[]string{"Origin", "null"}, transfer.CodeOrigin},
		"cross site":         {[]string{"Sec-Fetch-Site", "cross-site"}, transfer.CodeOrigin},
		"same site, no good": {[]string{"Sec-Fetch-Site", "same-site"}, transfer.CodeOrigin},
	} {
		status, body := a.post(t, "ListTransfers", `{}`, row.header...)
		if status != http.StatusForbidden || !strings.Contains(body, string(row.code)) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:7480", "127.0.0.1:1", "[::1]:7480", "127.8.8.8"} {
		if status, body := a.post(t, "ListTransfers", `{}`, "Host", host); status != http.StatusOK {
			t.Errorf("host %s: %d %s", host, status, body)
		}
	}
}

func TestNoCORS(t *testing.T) {
	a := startAPI(t, nil)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, a.URL+"/godwit.v1.TransferService/ListTransfers", nil)
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Access-Control-Request-Method", "POST")
	resp, err := a.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s is sent", name)
		}
	}
}

const testToken = "0123456789abcdef-token"

func withTokens(t *testing.T) func(*Config) {
	return func(c *Config) {
		tokens, err := NewTokens([]byte("# rotation\nthe-old-token-0123456\n" + testToken + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		c.Tokens, c.LoopbackHosts = tokens, false
		c.Metrics = http.HandlerFunc(serveLive)
	}
}

func TestTokens(t *testing.T) {
	a := startAPI(t, withTokens(t))
	for name, value := range map[string]string{
		"none": "", "no scheme": testToken, "basic": "Basic " + testToken, "wrong": "Bearer x" + testToken,
		"prefix": "Bearer " + testToken[:20], "empty": "Bearer ", "comment": "Bearer # rotation",
		"unsigned JWT": "Bearer eyJhbGciOiJub25lIn0.e30.",
	} {
		status, body := a.post(t, "ListTransfers", `{}`, "Authorization", value)
		if status != http.StatusUnauthorized || !strings.Contains(body, string(transfer.CodeAuth)) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, token := range []string{testToken, "the-old-token-0123456"} {
		if status, body := a.post(t, "ListTransfers", `{}`, "Authorization", "bearer "+token); status != http.StatusOK {
			t.Errorf("a good token: %d %s", status, body)
		}
	}
	if status, body := a.post(t, "ListTransfers?access_token="+testToken, `{}`); status != http.StatusBadRequest {
		t.Errorf("token in the URL: %d %s", status, body)
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 401, "/openapi.yaml": 401, "/attached": 401, "/x": 401} {
		resp, err := a.Client().Get(a.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestTokenFailuresInGRPC(t *testing.T) {
	a := startAPI(t, withTokens(t))
	_, err := a.connect(connect.WithGRPC()).ListTransfers(t.Context(), connect.NewRequest(&pb.ListTransfersRequest{}))
	if connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Fatalf("%v", err)
	}
}

func TestTokensAreReplaced(t *testing.T) {
	tokens, err := NewTokens([]byte(testToken))
	if err != nil {
		t.Fatal(err)
	}
	if err := tokens.Replace([]byte("short")); err == nil || !tokens.allow([]string{"Bearer " + testToken}) {
		t.Fatalf("a bad file must change nothing: %v", err)
	}
	if err := tokens.Replace([]byte("another-token-0123456\r\n")); err != nil {
		t.Fatal(err)
	}
	if tokens.allow([]string{"Bearer " + testToken}) || !tokens.allow([]string{"Bearer another-token-0123456"}) {
		t.Fatal("the old token still works, or the new one does not")
	}
	for _, bad := range []string{"", "\n# only a comment\n", "tooshort"} {
		if _, err := NewTokens([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestReadiness(t *testing.T) {
	reason := transfer.Errorf(transfer.CodeShuttingDown, "the node is stopping")
	a := startAPI(t, func(c *Config) { c.Ready = func() error { return reason } })
	resp, err := a.Client().Get(a.URL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("status %d", resp.StatusCode)
	}
}

func TestAttachmentEndsWithTheNode(t *testing.T) {
	a := startAPI(t, nil)
	resp, err := a.Client().Get(a.URL + AttachPath)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	close(a.closing)
	if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("read %d, %v", n, err)
	}
}
