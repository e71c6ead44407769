package endpoint

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

func TestRedirectTargets(t *testing.T) {
	for location, want := range map[string]string{
		"/b":                                   "https://h.example/b",
		"b?x=1#frag":                           "https://h.example/dir/b?x=1",
		"?x=1":                                 "https://h.example/dir/a?x=1",
		"//other.example/b":                    "https://other.example/b",
		"https://OTHER.example":                "https://other.example/",
		"https://h.example:443/b":              "https://h.example/b",
		"/a b":                                 "https://h.example/a%20b",
		"/ä":                                   "https://h.example/%C3%A4",
		"https://h.example/%2f%41?sig=a%2Fb+c": "https://h.example/%2f%41?sig=a%2Fb+c",
		"":                                     "redirect.invalid",
		"/" + strings.Repeat("x", 64<<10):      "redirect.invalid",
		"/\x00":                                "redirect.invalid",
		"/a\r\nX: y":                           "redirect.invalid",
		"/\xff\xfe":                            "redirect.invalid",
		"https://user:pass@h.example/b":        "redirect.invalid",
		"//user@h.example/b":                   "redirect.invalid",
		`https://h.example\@evil.example/`:     "redirect.invalid",
		`/\evil.example`:                       "redirect.invalid",
		"https:/b":                             "redirect.invalid",
		"https:b":                              "redirect.invalid",
		"https://[::1/b":                       "redirect.invalid",
		"https://h.example:99999/":             "redirect.invalid",
		"https://":                             "redirect.invalid",
		"file:///etc/passwd":                   "redirect.scheme",
		"ftp://h.example/b":                    "redirect.scheme",
		"javascript:alert(1)":                  "redirect.scheme",
		"data:,x":                              "redirect.scheme",
		"http://h.example/b":                   "redirect.downgrade",
		"http://other.example/b":               "redirect.downgrade",
	} {
		from, e := parse("https://h.example/dir/a?token=secret")
		if e != nil {
			t.Fatal(e)
		}
		n, e := hop{url: from, method: http.MethodGet, trusted: true}.next(302, []string{location})
		if e != nil {
			if string(e.Code) != want || strings.Contains(e.Error(), "evil") || strings.Contains(e.Error(), "pass@") {
				t.Errorf("%.40q: %v, want %s", location, e, want)
			}
			continue
		}
		if got := n.url.String(); got != want {
			t.Errorf("%.40q: %s, want %s", location, got, want)
		}
	}
}

func TestRedirectMethods(t *testing.T) {
	for _, tc := range []struct {
		method string
		status int
		want   string
		body   bool
	}{
		{"GET", 301, "GET", true},
		{"GET", 302, "GET", true},
		{"GET", 303, "GET", false},
		{"GET", 307, "GET", true},
		{"POST", 301, "GET", false},
		{"POST", 302, "GET", false},
		{"POST", 303, "GET", false},
		{"POST", 307, "POST", true},
		{"POST", 308, "POST", true},
		{"PUT", 302, "PUT", true},
		{"HEAD", 303, "HEAD", true},
	} {
		for _, other := range []bool{false, true} {
			from, _ := parse("https://h.example/a")
			h := hop{url: from, method: tc.method, body: inline("b"), size: 1, trusted: true}
			n, e := h.next(tc.status, []string{map[bool]string{false: "/b", true: "https://o.example/"}[other]})
			if other && tc.body {
				if e == nil || e.Code != transfer.CodeRedirectBody {
					t.Errorf("%s %d: the body goes to another origin: %v", tc.method, tc.status, e)
				}
				continue
			}
			if e != nil || n.method != tc.want || (n.body != nil) != tc.body {
				t.Errorf("%s %d: %s with %d bytes, %v", tc.method, tc.status, n.method, n.size, e)
			}
		}
	}
}

func TestRedirectsAreBounded(t *testing.T) { // B25
	for name, tc := range map[string]struct {
		hops int
		most int
		want transfer.Code
	}{
		"10 hops": {hops: 10}, "11 hops": {hops: 11, want: transfer.CodeRedirectMany}, "loop": {hops: -1, want: transfer.CodeRedirectMany},
		"none allowed": {hops: 1, most: -1, want: transfer.CodeRedirectMany}, "none needed": {hops: 0, most: -1},
	} {
		o := endpointtest.New(t, endpointtest.Options{Size: 10})
		for i := range tc.hops {
			o.Redirect(fmt.Sprintf("/%d", i), 302, fmt.Sprintf("/%d", i+1))
		}
		if tc.hops < 0 {
			o.Redirect("/0", 302, "/1")
			o.Redirect("/1", 307, "/0")
		}
		r, _, err := fetch(t, newClient(t, o, func(c *Config) { c.MaxRedirects = tc.most }), first(o.URL("/0")))
		if code(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && r.Shown.ActualURL != o.URL(fmt.Sprintf("/%d", tc.hops)) {
			t.Errorf("%s: %s", name, r.Shown.ActualURL)
		}
		if n := len(o.Requests()); n > defaultRedirects+1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestRedirectToPrivateAddressIsDenied(t *testing.T) { // B24
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	target := endpointtest.New(t, endpointtest.Options{Size: 10, Addr: "127.0.0.2:0"})
	o.Redirect("/f", 302, target.URL("/secret"))
	c := newClient(t, o, func(c *Config) { c.Policy = ServerPolicy(prefixes("127.0.0.1/32"), nil) })
	_, _, err := fetch(t, c, first(o.URL("/f")))
	if code(err) != transfer.CodeEgress || strings.Contains(err.Error(), "/secret") {
		t.Error(err)
	}
	if n, _ := target.Connections(); n != 0 {
		t.Errorf("%d connections to the target", n)
	}
}

func TestTrustEndsAtTheOrigin(t *testing.T) { // B34 to B37
	for to, want := range map[string]bool{
		"http://h.example:8080/b": true, "/b": true, "http://H.example:8080/": true,
		"https://h.example:8080/": false, "http://h.example:8081/": false, "http://h.example/": false,
		"http://sub.h.example:8080/": false, "http://example:8080/": false, "http://h.example.evil:8080/": false,
	} {
		from, _ := parse("http://h.example:8080/a")
		n, e := hop{url: from, method: http.MethodGet, trusted: true}.next(302, []string{to})
		if e != nil || n.trusted != want {
			t.Errorf("%s: trusted %v, %v", to, n.trusted, e)
		}
	}
}

func TestSchemeIsPartOfTheOrigin(t *testing.T) {
	plain := endpointtest.New(t, endpointtest.Options{Size: 10})
	secure := endpointtest.New(t, endpointtest.Options{Size: 10, TLS: true})
	plain.Redirect("/f", 302, secure.URL("/f"))
	secure.Redirect("/down", 302, plain.URL("/g"))
	req := first(plain.URL("/f"))
	req.Headers = []transfer.Header{{Name: "X-Api-Key", Value: "secret"}}
	if _, _, err := fetch(t, newClient(t, secure), req); err != nil {
		t.Fatal(err)
	}
	if got := secure.Requests()[0].Header.Get("X-Api-Key"); got != "" {
		t.Error("the header went to another scheme")
	}
	if _, _, err := fetch(t, newClient(t, secure), first(secure.URL("/down"))); code(err) != transfer.CodeDowngrade {
		t.Error(err)
	}
}

// Every request starts again from the original URL: the target of a redirect
// may expire.
func TestExpiredTargetIsReplaced(t *testing.T) { // O10
	o := endpointtest.New(t, endpointtest.Options{Size: testSize})
	o.Redirect("/f", 302, "/signed1?sig=1")
	c := newClient(t, o)
	r, _, err := fetch(t, c, first(o.URL("/f")))
	if err != nil {
		t.Fatal(err)
	}
	o.Handle("/signed1", http.NotFoundHandler())
	o.Redirect("/f", 302, "/signed2?sig=2")
	req := first(o.URL("/f"))
	req.Offset, req.Validator, req.Size = 5000, r.Validator, r.Size
	part, data, err := fetch(t, c, req)
	if err != nil {
		t.Fatal(err)
	}
	checkPart(t, o, part, data, 5000)
}

// Whatever way redirects lead, no header of the user, and no Referer, reaches
// another origin than the first one, nor the first one again after another.
func TestUserHeadersStayWithTheirOrigin(t *testing.T) {
	const origins, paths = 3, 4
	var all [origins]*endpointtest.Origin
	for i := range all {
		// Same host for two of them, so that the port alone tells them apart.
		all[i] = endpointtest.New(t, endpointtest.Options{Size: 100, Addr: fmt.Sprintf("127.0.0.%d:0", 1+i/2)})
	}
	c := newClient(t, nil)
	names := []string{"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization", "User-Agent"}
	rapid.Check(t, func(rt *rapid.T) {
		for _, o := range all {
			o.ResetLedger()
			for p := range paths {
				path := fmt.Sprintf("/%d", p)
				if rapid.Bool().Draw(rt, "content") {
					o.Handle(path, nil)
					continue
				}
				to := all[rapid.IntRange(0, origins-1).Draw(rt, "to")]
				target := fmt.Sprintf("/%d?token=secret", rapid.IntRange(0, paths-1).Draw(rt, "path"))
				if to != o || rapid.Bool().Draw(rt, "absolute") {
					target = to.URL(target)
				}
				o.Redirect(path, rapid.SampledFrom([]int{301, 302, 303, 307, 308}).Draw(rt, "status"), target)
			}
		}
		req := first(all[0].URL("/0?token=secret"))
		for _, n := range names {
			req.Headers = append(req.Headers, transfer.Header{Name: n, Value: "secret"})
		}
		if r, err := c.Open(t.Context(), req); err == nil {
			_ = r.Body.Close()
		}
		for i, o := range all {
			for _, q := range o.Requests() {
				for _, n := range names {
					if i > 0 && strings.Contains(q.Header.Get(n), "secret") {
						rt.Fatalf("origin %d got %s", i, n)
					}
				}
				if q.Header.Get("Referer") != "" {
					rt.Fatal("Referer was sent")
				}
			}
		}
		if all[0].Requests()[0].Header.Get("Authorization") != "secret" {
			rt.Fatal("the first origin did not get the header")
		}
	})
}

func TestDroppedHeadersAreNotRestored(t *testing.T) { // B39
	a := endpointtest.New(t, endpointtest.Options{Size: 10})
	b := endpointtest.New(t, endpointtest.Options{Size: 10})
	a.Redirect("/1", 302, "/2")
	a.Redirect("/2", 302, b.URL("/3"))
	b.Redirect("/3", 302, a.URL("/4"))
	req := first(a.URL("/1"))
	req.Headers = []transfer.Header{{Name: "Authorization", Value: "secret"}}
	if _, _, err := fetch(t, newClient(t, nil), req); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"secret", "secret", ""} {
		if got := a.Requests()[i].Header.Get("Authorization"); got != want {
			t.Errorf("request %d has %q", i, got)
		}
	}
}

func TestCookiesAndChallengesAreNotAnswered(t *testing.T) { // B40, B44
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	o.Handle("/f", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Location", "/g")
		w.WriteHeader(302)
	}))
	o.Handle("/g", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(401)
	}))
	if _, _, err := fetch(t, newClient(t, o), first(o.URL("/f"))); code(err) != transfer.CodeStatus {
		t.Error(err)
	}
	for _, q := range o.Requests() {
		if len(q.Header["Cookie"])+len(q.Header["Authorization"]) > 0 {
			t.Errorf("%v", q.Header)
		}
	}
	if n := len(o.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// The canary is in every secret place of a request; no failure repeats it.
func TestErrorsHoldNoSecrets(t *testing.T) {
	const canary = "CANARY"
	o := endpointtest.New(t, endpointtest.Options{Size: testSize})
	o.Redirect("/loop", 302, "/loop?"+canary)
	o.Redirect("/scheme", 302, "ftp://"+canary)
	o.Redirect("/invalid", 302, "http://"+canary+":x/"+canary)
	o.Redirect("/userinfo", 302, "http://"+canary+":"+canary+"@h/")
	o.Redirect("/refused", 302, "http://127.0.0.1:1/"+canary+"?"+canary)
	o.Raw("/raw", "HTTP/1.1 200 OK\r\n"+canary+"\r\n\r\n")
	o.Raw("/rawstatus", canary+"\r\n\r\n")
	o.Raw("/rawname", "HTTP/1.1 200 OK\r\n"+canary+"\x01: 1\r\n\r\n")
	o.Raw("/rawlength", "HTTP/1.1 200 OK\r\nContent-Length: "+canary+"\r\n\r\n")
	o.Raw("/rawte", "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+canary+"\r\n\r\n")
	o.Raw("/reason", "HTTP/1.1 404 "+canary+"\r\nContent-Length: 0\r\n\r\n")
	o.Raw("/range", "HTTP/1.1 206 P\r\nContent-Range: "+canary+"\r\nContent-Length: 0\r\n\r\n")
	o.Raw("/encoding", "HTTP/1.1 200 P\r\nContent-Encoding: "+canary+"\r\nContent-Length: 0\r\n\r\n")
	c := newClient(t, o)
	for _, path := range []string{
		"/loop", "/scheme", "/invalid", "/userinfo", "/refused", "/raw", "/rawstatus", "/rawname", "/rawlength",
		"/rawte", "/reason", "/range", "/encoding",
	} {
		req := first(o.URL(path + "?" + canary))
		req.Headers = []transfer.Header{{Name: "X-Key", Value: canary}}
		_, _, err := fetch(t, c, req)
		if err == nil {
			t.Errorf("%s: no error", path)
		}
		for err := err; err != nil; {
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(strings.ToUpper(text), canary) {
				t.Errorf("%s: %s", path, text)
			}
			u, ok := err.(interface{ Unwrap() error })
			if !ok {
				break
			}
			err = u.Unwrap()
		}
	}
}

func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"/b", "//h", "https://h", "http://h", `\`, "?", "#", "https://a@b", "b:c", "https://h.example@x"} {
		f.Add(s)
	}
	from, e := parse("https://h.example/a?token=secret")
	if e != nil {
		f.Fatal(e)
	}
	f.Fuzz(func(t *testing.T, location string) {
		n, e := hop{url: from, method: http.MethodGet, trusted: true}.next(302, []string{location})
		if e != nil {
			return
		}
		if n.url.Scheme != "https" || n.url.Host == "" || n.url.User != nil || len(n.url.String()) > maxURL {
			t.Fatalf("%q: %v", location, n.url)
		}
		if n.trusted != (n.url.Host == "h.example") {
			t.Fatalf("%q: trusted %v for %v", location, n.trusted, n.url)
		}
		again, err := url.Parse(n.url.String())
		if err != nil || again.Host != n.url.Host || !bytes.Equal([]byte(again.RequestURI()), []byte(n.url.RequestURI())) {
			t.Fatalf("%q: %v is read as %v", location, n.url, again)
		}
	})
}

func inline(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// TestBodyFromElsewhere sends a body that is opened for each hop, and gives its
// owner's error back.
func TestBodyFromElsewhere(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	opened := 0
	req := first(o.URL("/f"))
	req.Method, req.BodySize = http.MethodPost, 5
	req.OpenBody = func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader("hello")), nil
	}
	c := newClient(t, o)
	if _, err := c.Open(t.Context(), req); code(err) == transfer.CodeInternal || opened == 0 {
		t.Errorf("opened %d times: %v", opened, err)
	}
	req.OpenBody = func() (io.ReadCloser, error) { return nil, transfer.Errorf(transfer.CodeSourceChanged, "it changed") }
	if _, err := c.Open(t.Context(), req); code(err) != transfer.CodeSourceChanged {
		t.Errorf("%v", err)
	}
}
