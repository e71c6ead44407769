package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// goodSecret is that of the published examples of Standard Webhooks.
const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newWebhooks(t testing.TB, config Config) *Webhooks {
	t.Helper()
	w, err := NewWebhooks(config)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// receiver answers every delivery with handler.
func receiver(t testing.TB, opts endpointtest.Options, handler http.HandlerFunc) *endpointtest.Origin {
	t.Helper()
	o := endpointtest.New(t, opts)
	o.Handle("/hook", handler)
	return o
}

// lastBody is that of the last request, which the origin has read.
func lastBody(o *endpointtest.Origin) []byte {
	all := o.Requests()
	return all[len(all)-1].Body
}

func delivery(url string) Delivery {
	return Delivery{URL: url, Secret: goodSecret, ID: "task1", ContentType: EventContentType, Body: []byte(`{"a":1}`)}
}

func TestDeliver(t *testing.T) {
	o := receiver(t, endpointtest.Options{TLS: true}, nil)
	o.Handle("/hook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Verify(goodSecret, r.Header, lastBody(o), time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "thank you")
	}))
	w := newWebhooks(t, Config{Policy: ServerPolicy(prefixes("127.0.0.0/8"), nil), RootCAs: o.RootCAs(), UserAgent: "godwit/1"})
	a, err := w.Deliver(t.Context(), delivery(o.URL("/hook")))
	if err != nil || a.Status != 200 || string(a.Body) != "thank you" {
		t.Fatalf("%+v, %v", a, err)
	}
	r := o.Requests()[0]
	if r.Method != "POST" || string(r.Body) != `{"a":1}` || r.Header.Get("Webhook-Id") != "task1" ||
		r.Header.Get("Content-Type") != EventContentType || r.Header.Get("User-Agent") != "godwit/1" {
		t.Errorf("%+v", r)
	}
	unsigned := delivery(o.URL("/hook"))
	unsigned.Secret = ""
	if a, err := w.Deliver(t.Context(), unsigned); a.Status != 401 || code(err) != transfer.CodeWebhookStatus {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestDeliverJudgesTheStatus(t *testing.T) { // B123
	status := 0
	o := receiver(t, endpointtest.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/other?token=secret")
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(status)
	})
	w := newWebhooks(t, Config{Policy: ForegroundPolicy()})
	for _, tt := range []struct {
		status int
		code   transfer.Code
		asked  time.Duration
	}{
		{200, "", 0},
		{204, "", 0},
		{301, transfer.CodeWebhookRedirect, 2 * time.Hour},
		{307, transfer.CodeWebhookRedirect, 2 * time.Hour},
		{400, transfer.CodeWebhookStatus, 2 * time.Hour},
		{410, transfer.CodeWebhookGone, 2 * time.Hour},
		{503, transfer.CodeWebhookStatus, 2 * time.Hour},
	} {
		status = tt.status
		a, err := w.Deliver(t.Context(), delivery(o.URL("/hook?token=secret")))
		if code(err) != tt.code || a.Status != tt.status || a.RetryAfter != tt.asked {
			t.Errorf("%d: %+v, %v", tt.status, a, err)
		}
		var e *transfer.Error
		if errors.As(err, &e) && (e.Status != tt.status || e.RetryAfter != tt.asked || strings.Contains(e.Error(), "secret")) {
			t.Errorf("%d: %+v", tt.status, e)
		}
	}
	for _, r := range o.Requests() {
		if r.Path != "/hook" {
			t.Errorf("it went to %s", r.Path)
		}
	}
}

// Plain http goes only where the operator has said so, checked at the address
// that is connected to; https goes where downloads may come from.
func TestWebhooksNeedHTTPS(t *testing.T) { // B123
	plain := receiver(t, endpointtest.Options{}, func(http.ResponseWriter, *http.Request) {})
	secure := receiver(t, endpointtest.Options{TLS: true}, func(http.ResponseWriter, *http.Request) {})
	named := func(o *endpointtest.Origin) string { // the origin by a name
		_, port, _ := net.SplitHostPort(o.Addr())
		return "://receiver.example:" + port + "/hook"
	}
	for name, tt := range map[string]struct {
		policy Policy
		url    string
		code   transfer.Code
	}{
		"foreground":           {ForegroundPolicy(), plain.URL("/hook"), ""},
		"named address":        {ServerPolicy(prefixes("127.0.0.1/32"), nil), plain.URL("/hook"), ""},
		"name of it":           {ServerPolicy(prefixes("127.0.0.1/32"), nil), "http" + named(plain), ""},
		"another address":      {ServerPolicy(prefixes("10.0.0.0/8"), nil), "http" + named(plain), transfer.CodeEgress},
		"internal":             {ServerPolicy(nil, nil), plain.URL("/hook"), transfer.CodeEgress},
		"name of internal":     {ServerPolicy(nil, nil), "http" + named(plain), transfer.CodeEgress},
		"internal https":       {ServerPolicy(nil, nil), secure.URL("/hook"), transfer.CodeEgress},
		"internal https, name": {ServerPolicy(nil, nil), "https" + named(secure), transfer.CodeEgress},
		"unknown authority":    {ServerPolicy(prefixes("127.0.0.1/32"), nil), secure.URL("/hook"), transfer.CodeTLSVerify},
		"userinfo":             {ForegroundPolicy(), "http://u:pw@h/", transfer.CodeURLUserinfo},
		"public over http":     {ServerPolicy(nil, nil), "http://8.8.8.8/", transfer.CodeEgress},
	} {
		w := newWebhooks(t, Config{Policy: tt.policy, Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}})
		_, err := w.Deliver(t.Context(), delivery(tt.url))
		if code(err) != tt.code || err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is public at first and private when it is connected to is denied, and so
// is a public address over http that was private and named before.
func TestWebhooksAreCheckedAtEveryDial(t *testing.T) {
	addrs := []string{"8.8.8.8", "127.0.0.1"}
	policy := ServerPolicy(prefixes("127.0.0.1/32"), nil)
	dials := 0
	w := newWebhooks(t, Config{
		Policy: policy,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			a := netip.MustParseAddr(addrs[0])
			addrs = addrs[1:]
			return []netip.Addr{a}, nil
		},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, errors.New("nobody")
		},
	})
	if _, err := w.Deliver(t.Context(), delivery("http://receiver.example/hook")); code(err) != transfer.CodeEgress || dials != 0 {
		t.Errorf("%v, %d dials", err, dials)
	}
	if _, err := w.Deliver(t.Context(), delivery("http://receiver.example/hook")); code(err) == transfer.CodeEgress || dials != 1 {
		t.Errorf("%v, %d dials", err, dials)
	}
}

func TestCheckWebhook(t *testing.T) {
	allowing := ServerPolicy(prefixes("10.0.0.0/8"), nil)
	for _, tt := range []struct {
		policy Policy
		url    string
		code   transfer.Code
	}{
		{ServerPolicy(nil, nil), "https://h.example/", ""},
		{ServerPolicy(nil, nil), "http://h.example/", transfer.CodeURLScheme},
		{ServerPolicy(nil, nil), "https://127.0.0.1/", transfer.CodeEgress},
		{allowing, "http://10.1.1.1/", ""},
		{allowing, "http://h.example/", ""}, // judged when it is resolved
		{allowing, "http://8.8.8.8/", transfer.CodeEgress},
		{allowing, "http://localhost/", transfer.CodeEgress},
		{ForegroundPolicy(), "http://127.0.0.1/", ""},
		{ForegroundPolicy(), "http://u:p@127.0.0.1/", transfer.CodeURLUserinfo},
	} {
		if err := tt.policy.CheckWebhook(tt.url); code(err) != tt.code {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestDeliverReadsABeginning(t *testing.T) { // B123
	gone := make(chan struct{})
	o := receiver(t, endpointtest.Options{}, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for chunk := bytes.Repeat([]byte("x"), 1<<20); ; { // until the client goes
			if _, err := w.Write(chunk); err != nil || r.Context().Err() != nil {
				return
			}
		}
	})
	w := newWebhooks(t, Config{Policy: ForegroundPolicy()})
	a, err := w.Deliver(t.Context(), delivery(o.URL("/hook")))
	if err != nil || a.Status != 200 || len(a.Body) != maxAnswer {
		t.Errorf("status %d, %d bytes, %v", a.Status, len(a.Body), err)
	}
	<-gone
}

// A receiver that cannot show who it is is told nothing.
func TestDeliverNeedsAGoodCertificate(t *testing.T) { // B123
	for name, tt := range map[string]struct {
		opts  endpointtest.Options
		trust bool
		code  transfer.Code
	}{
		"good":              {endpointtest.Options{TLS: true}, true, ""},
		"unknown authority": {endpointtest.Options{TLS: true}, false, transfer.CodeTLSVerify},
		"expired":           {endpointtest.Options{TLS: true, Cert: endpointtest.CertExpired}, true, transfer.CodeTLSVerify},
		"of another":        {endpointtest.Options{TLS: true, Cert: endpointtest.CertWrongHost}, true, transfer.CodeTLSVerify},
		"none":              {endpointtest.Options{}, false, transfer.CodeTLSHandshake},
	} {
		o := receiver(t, tt.opts, func(http.ResponseWriter, *http.Request) {})
		config := Config{Policy: ForegroundPolicy()}
		if tt.trust {
			config.RootCAs = o.RootCAs()
		}
		_, err := newWebhooks(t, config).Deliver(t.Context(), delivery("https://"+o.Addr()+"/hook"))
		if code(err) != tt.code || (len(o.Requests()) > 0) != (tt.code == "") {
			t.Errorf("%s: %v, %d requests", name, err, len(o.Requests()))
		}
	}
}

// pipeWebhooks talks to serve over memory, in the time of the bubble.
func pipeWebhooks(t *testing.T, serve func(net.Conn)) *Webhooks {
	t.Helper()
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	return newWebhooks(t, Config{Policy: ForegroundPolicy(), Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		servers.Go(func() {
			defer far.Close()
			_, _ = http.ReadRequest(bufio.NewReader(far))
			serve(far)
		})
		return near, nil
	}})
}

func TestDeliverEndsAfterHalfAMinute(t *testing.T) { // B123
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
	for name, tt := range map[string]struct {
		serve  func(net.Conn)
		code   transfer.Code
		status int
		bytes  int
	}{
		"silence": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, transfer.CodeTimeout, 0, 0},
		// The status has come and counts.
		"a byte a second": {func(c net.Conn) {
			_, _ = io.WriteString(c, head)
			trickle(c, 1000, time.Second)
		}, "", 200, 29},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := pipeWebhooks(t, tt.serve)
				start := time.Now()
				a, err := w.Deliver(t.Context(), delivery("http://127.0.0.1/hook"))
				if code(err) != tt.code || a.Status != tt.status || time.Since(start) != webhookTimeout || len(a.Body) < tt.bytes {
					t.Errorf("after %v: status %d, %d bytes, %v", time.Since(start), a.Status, len(a.Body), err)
				}
			})
		})
	}
}

func TestDeliverIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := pipeWebhooks(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := w.Deliver(ctx, delivery("http://127.0.0.1/hook")); !errors.Is(err, context.Canceled) || code(err) == "" {
			t.Errorf("%v", err)
		}
	})
}

func TestResolve(t *testing.T) {
	status, answer := 200, ""
	o := receiver(t, endpointtest.Options{}, nil)
	o.Handle("/hook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Verify(goodSecret, r.Header, lastBody(o), time.Now()); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, answer)
		}
	}))
	w := newWebhooks(t, Config{Policy: ForegroundPolicy()})
	resolve := func() (Resolution, error) {
		return w.Resolve(t.Context(), transfer.Webhook{URL: o.URL("/hook"), Secret: goodSecret}, "a.transfer", []byte("{}"))
	}
	answer = `{"url": "HTTPS://H/x?sig=1", "headers": [{"name": "authorization", "value": " Bearer x "}]}`
	r, err := resolve()
	if err != nil || !r.Found || *r.URL != "https://h/x?sig=1" || len(*r.Headers) != 1 ||
		(*r.Headers)[0] != (transfer.Header{Name: "Authorization", Value: "Bearer x"}) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, none := range []int{204, 404} {
		status, answer = none, ""
		if r, err := resolve(); err != nil || r.Found {
			t.Errorf("%d: %+v, %v", none, r, err)
		}
	}
	for _, bad := range []int{301, 401, 410, 500} {
		status = bad
		if r, err := resolve(); err == nil || r.Found {
			t.Errorf("%d: %+v, %v", bad, r, err)
		}
	}
	status, answer = 200, `{"url": "https://h/secret"}`+strings.Repeat(" ", maxAnswer)
	if r, err := resolve(); code(err) != transfer.CodeWebhookStatus || r.Found || strings.Contains(err.Error(), "secret") {
		t.Errorf("%+v, %v", r, err)
	}
}

// An answer whose end is missing is not half of an answer.
func TestResolveNeedsTheWholeAnswer(t *testing.T) {
	w := pipeWebhooks(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"url\": \"https://h/\"}")
	})
	r, err := w.Resolve(t.Context(), transfer.Webhook{URL: "http://127.0.0.1/", Secret: goodSecret}, "a", nil)
	if err == nil || r.Found {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestParseResolutionRefuses(t *testing.T) {
	for _, body := range []string{
		"", "x", "[]", `"https://h/"`, `{"url": 1}`, `{"url": ""}`, `{"url": "file:///etc"}`, `{"url": "https://u:secret@h/"}`,
		`{"uri": "https://h/"}`, `{"url": "https://h/", "secret": 1}`, `{"url": "https://h/"} {}`, `{"headers": {}}`,
		`{"headers": [{"name": "Host", "value": "x"}]}`, `{"headers": [{"name": "A", "value": "secret\r\nB: c"}]}`,
		`{"headers": [{"name": "A", "value": "b", "more": 1}]}`, `{"url": "https://h/"`,
	} {
		r, err := parseResolution([]byte(body))
		if err == nil || r.Found || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
	for _, body := range []string{"{}", "null", `{"url": null}`} {
		if r, err := parseResolution([]byte(body)); err != nil || r.Found {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}

func FuzzParseResolution(f *testing.F) {
	f.Add([]byte(`{"url": "https://h/", "headers": [{"name": "a", "value": "b"}]}`))
	f.Add([]byte(`{"headers": []}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseResolution(body)
		if err != nil && r.Found || r.Found != (r.URL != nil || r.Headers != nil) {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.URL != nil {
			if again, err := transfer.NormalizeURL(*r.URL, "url"); err != nil || again != *r.URL {
				t.Errorf("%q is not normal", *r.URL)
			}
		}
	})
}
