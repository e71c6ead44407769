package transfer

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// The rows are named after the catalogue of bad input in the documentation.
func TestNormalizeURL(t *testing.T) {
	for _, tc := range []struct {
		row, in, want string
		code          Code
	}{
		{row: "B01", in: "", code: CodeURLEmpty},
		{row: "B01", in: " \t ", code: CodeURLEmpty},
		{row: "B02", in: "/etc/passwd", code: CodeURLScheme},
		{row: "B02", in: "example.com/x", code: CodeURLScheme},
		{row: "B02", in: "example.com:8080/x", code: CodeURLScheme},
		{row: "B02", in: "//host/x", code: CodeURLScheme},
		{row: "B03", in: "file:///etc/passwd", code: CodeURLScheme},
		{row: "B03", in: "ftp://h/x", code: CodeURLScheme},
		{row: "B03", in: "gopher://h/x", code: CodeURLScheme},
		{row: "B03", in: "data:text/plain,x", code: CodeURLScheme},
		{row: "B03", in: "javascript:alert(1)", code: CodeURLScheme},
		{row: "B03", in: "unix:/run/docker.sock", code: CodeURLScheme},
		{row: "B03", in: "s3://bucket/key", code: CodeURLScheme},
		{row: "B04", in: "HTTP://EXAMPLE.com:443/A", want: "http://example.com:443/A"},
		{row: "B04", in: "HTTPS://EXAMPLE.com:443/A", want: "https://example.com/A"},
		{row: "B04", in: "http://Example.COM:80", want: "http://example.com/"},
		{row: "B04", in: "http://example.com:0080/", want: "http://example.com/"},
		{row: "B04", in: "http://example.com:/", want: "http://example.com/"},
		{row: "B04", in: "http://example.com?q=1", want: "http://example.com/?q=1"},
		{row: "B04", in: "http://my_host/", want: "http://my_host/"},
		{row: "B05", in: "http://h/" + strings.Repeat("a", 8192-9), want: "http://h/" + strings.Repeat("a", 8192-9)},
		{row: "B05", in: "http://h/" + strings.Repeat("a", 8193-9), code: CodeURLTooLong},
		{row: "B05", in: "http://h/" + strings.Repeat("a", 1<<20), code: CodeURLTooLong},
		{row: "B06", in: "http://h/%0d%0aX:%20y", want: "http://h/%0d%0aX:%20y"},
		{row: "B06", in: "http://h/\r", code: CodeURLInvalid},
		{row: "B06", in: "http://h/\nX: y", code: CodeURLInvalid},
		{row: "B06", in: "http://h/\t", code: CodeURLInvalid},
		{row: "B06", in: "http://h/\x00", code: CodeURLInvalid},
		{row: "B06", in: "http://h/\x7f", code: CodeURLInvalid},
		{row: "B06", in: "http://h/a b", code: CodeURLInvalid},
		{row: "B06", in: "http://h/\xff", code: CodeURLInvalid},
		{row: "B06", in: "http://h/%zz", code: CodeURLInvalid},
		{row: "B06", in: "http://h/%4", code: CodeURLInvalid},
		{row: "B07", in: "http://h:0/", code: CodeURLHost},
		{row: "B07", in: "http://h:65536/", code: CodeURLHost},
		{row: "B07", in: "http://h:-1/", code: CodeURLHost},
		{row: "B07", in: "http://h:80:80/", code: CodeURLHost},
		{row: "B07", in: "http://h:abc/", code: CodeURLHost},
		{row: "B07", in: "http://[::1", code: CodeURLHost},
		{row: "B07", in: "http://[1.2.3.4]/", code: CodeURLHost},
		{row: "B07", in: "http://[::1]x/", code: CodeURLHost},
		{row: "B07", in: "http:///x", code: CodeURLHost},
		{row: "B07", in: "http://a..b/", code: CodeURLHost},
		{row: "B07", in: "http://-a/", code: CodeURLHost},
		{row: "B07", in: "http://a!b/", code: CodeURLHost},
		{row: "B07", in: "http://" + strings.Repeat("a", 64) + "/", code: CodeURLHost},
		{row: "B07", in: "http://" + strings.Repeat("a.", 127) + "a/", code: CodeURLHost},
		{row: "B07", in: "http://1.2.3.4.5/", code: CodeURLHost},
		{row: "B07", in: "http://1.2.3.256/", code: CodeURLHost},
		{row: "B07", in: "http://[2001:DB8:0:0::1]:8080/", want: "http://[2001:db8::1]:8080/"},
		{row: "B08", in: "https://user:pa55word@host/f", code: CodeURLUserinfo},
		{row: "B08", in: "https://pa55word@host/f", code: CodeURLUserinfo},
		{row: "B09", in: `http://good\@evil/`, code: CodeURLInvalid},
		{row: "B09", in: "http://a@b@c/", code: CodeURLUserinfo},
		{row: "B09", in: `http:/\evil`, code: CodeURLInvalid},
		{row: "B09", in: `http:/evil`, code: CodeURLInvalid},
		{row: "B10", in: "http://exa%2fmple/", code: CodeURLHost},
		{row: "B10", in: "http://%31%36%39.254.169.254/", code: CodeURLHost},
		{row: "B11", in: "http://[fe80::1%25eth0]/", code: CodeURLHost},
		{row: "B12", in: "http://metadata.google.internal./", want: "http://metadata.google.internal/"},
		{row: "B12", in: "http://h../", code: CodeURLHost},
		{row: "B13", in: "http://bücher.example/", want: "http://xn--bcher-kva.example/"},
		{row: "B13", in: "http://xn--bcher-kva.example/", want: "http://xn--bcher-kva.example/"},
		{row: "B13", in: "http://xn--0/", code: CodeURLHost},
		{row: "B13", in: "http://１６９.２５４.１６９.２５４/", want: "http://169.254.169.254/"},
		{row: "B13", in: "http://１６９。２５４。１６９。２５４/", want: "http://169.254.169.254/"},
		{row: "B13", in: "http://ⓛocalhost/", want: "http://localhost/"},
		{row: "B13", in: "http://h/\u202egnp.exe", code: CodeURLInvalid},
		{row: "B13", in: "http://\u2066h/", code: CodeURLInvalid},
		{row: "B13", in: "http://a\u00adb/", want: "http://ab/"},
		{row: "B14", in: "http://h/x#frag", want: "http://h/x"},
		{row: "B14", in: "http://h/x?a=b#frag?c", want: "http://h/x?a=b"},
		{row: "B14", in: "http://h/?" + strings.Repeat("a&", 10_000), code: CodeURLTooLong},
		{row: "B15", in: "http://h/a/../b//c/%2F%2f?x=%2f", want: "http://h/a/../b//c/%2F%2f?x=%2f"},
		{row: "B16", in: "http://127.1/", want: "http://127.0.0.1/"},
		{row: "B18", in: "http://2130706433/", want: "http://127.0.0.1/"},
		{row: "B18", in: "http://0x7f.1/", want: "http://127.0.0.1/"},
		{row: "B18", in: "http://0177.0.0.1/", want: "http://127.0.0.1/"},
		{row: "B18", in: "http://017700000001/", want: "http://127.0.0.1/"},
		{row: "B18", in: "http://0x/", want: "http://0.0.0.0/"},
		{row: "B18", in: "http://1.0x10000000000000000/", code: CodeURLHost},
		{row: "B19", in: "http://[::ffff:127.0.0.1]/", want: "http://[::ffff:127.0.0.1]/"},
	} {
		t.Run(tc.row+" "+cutBytes(tc.in, 40), func(t *testing.T) {
			got, err := NormalizeURL(tc.in, "source")
			if tc.code == "" {
				if err != nil || got != tc.want {
					t.Fatalf("got %q (%v), want %q", got, err, tc.want)
				}
				return
			}
			if err == nil || err.Code != tc.code || err.Field != "source" {
				t.Fatalf("got %q and %+v, want %s", got, err, tc.code)
			}
			if text := err.Error(); strings.Contains(text, "pa55word") || strings.ContainsFunc(text, unprintable) {
				t.Fatalf("the error repeats its input: %q", text)
			}
		})
	}
}

func FuzzNormalizeURL(f *testing.F) {
	for _, s := range []string{
		"http://h/", "HTTPS://Example.COM:443/a?b#c", "http://user:pass@h/", "http://bücher.example/%0d",
		"http://[::1]:80/", "http://0x7f.1/", "http://１.２.３.４/", `http://good\@evil/`, "http://h:1:2/", "http://xn--a/",
		"http://a.b./x y", "http://[fe80::1%25eth0]/", "http://-/", "data:,",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := NormalizeURL(raw, "source")
		if err != nil {
			if err.Code.Class() != Refused || err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %+v", raw, err)
			}
			return
		}
		if again, err := NormalizeURL(got, "source"); err != nil || again != got {
			t.Fatalf("%q becomes %q, which becomes %q (%v)", raw, got, again, err)
		}
		checkAgainstNetURL(t, got)
	})
}

// checkAgainstNetURL holds the canonical form against the parser that will
// read it when the request is made: both must see the same host.
func checkAgainstNetURL(t *testing.T, canonical string) {
	t.Helper()
	u, err := url.Parse(canonical)
	if err != nil {
		t.Fatalf("%q cannot be parsed: %v", canonical, err)
	}
	authority, _ := cutAuthority(strings.SplitN(canonical, "://", 2)[1])
	if u.Host != authority || u.User != nil || u.Fragment != "" || u.Host != strings.ToLower(u.Host) || !isASCII(u.Host) {
		t.Fatalf("%q has host %q to net/url and %q here", canonical, u.Host, authority)
	}
	if endsInNumber(u.Hostname()) && !strings.HasPrefix(authority, "[") {
		if _, err := netip.ParseAddr(u.Hostname()); err != nil {
			t.Fatalf("%q may be an address to some resolvers: %v", canonical, err)
		}
	}
}

func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://h/a/b?token=secret#frag":         "https://h/a/b",
		"https://user:secret@h:8443/a":            "https://h:8443/a",
		"https://user:sec@ret@h/a":                "https://h/a",
		"https://user:sec?ret@h/a":                "https://REDACTED",
		"https://user:sec/ret@h/a":                "https://REDACTED",
		"https://user:sec#ret@h/a":                "https://REDACTED",
		`https://user:secret\@h/a`:                "https://h/a",
		"https://h#secret":                        "https://h",
		"https://?secret":                         "https://REDACTED",
		"user:secret@host":                        "REDACTED",
		"secret":                                  "REDACTED",
		"":                                        "REDACTED",
		"https://h/\x1b[31m":                      "https://h/\uFFFD[31m",
		"https://[2001:db8::1]:8443/x":            "https://[2001:db8::1]:8443/x",
		"file:///data/a?b":                        "file:///data/a?b",
		"s3://bucket/prefix?access=secret&region": "s3://bucket/prefix",
	} {
		if got := RedactURL(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzRedactURL(f *testing.F) {
	f.Add("https", "user", "CANARY", "h", "/p")
	f.Add("http", "a@b", "CANARY/", "h:80", "")
	f.Add("s3", "", "CANARY?", "[::1]", "?x")
	f.Fuzz(func(t *testing.T, scheme, user, password, host, rest string) {
		// A canary that nothing but the password can have put there.
		const canary = "CANARY"
		if strings.Contains(scheme+user+host+rest, canary) || !only(host, ".") || scheme == "file" || scheme != "http" && scheme != "https" {
			return
		}
		secret := strings.Map(func(r rune) rune {
			if strings.ContainsRune("/?#", r) {
				return 'x'
			}
			return r
		}, password) + canary
		user = strings.Map(func(r rune) rune {
			if strings.ContainsRune("/?#", r) {
				return 'x'
			}
			return r
		}, user)
		shown := RedactURL(scheme + "://" + user + ":" + secret + "@" + host + rest)
		if strings.Contains(shown, canary) {
			t.Fatalf("%q shows the password", shown)
		}
		if query := RedactURL(scheme + "://" + host + "/?" + rest + canary); strings.Contains(query, canary) {
			t.Fatalf("%q shows the query", query)
		}
	})
}
