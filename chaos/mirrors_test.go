package chaos

import (
	"net"
	"slices"
	"strings"
	"testing"

	"godwit/endpoint/endpointtest"
)

// deadURL is the URL of an origin that is gone.
func deadURL(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String() + "/f"
}

// TestMirrors loses the first source before and in the middle of a download. A
// mirror takes over with the same content; different content is never joined.
func TestMirrors(t *testing.T) {
	t.Parallel()
	origin := func(t *testing.T, seed uint64) *endpointtest.Origin {
		return endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: seed})
	}
	// dies ends an origin when half of its content was served.
	dies := func(o *endpointtest.Origin) {
		o.Set(func(b *endpointtest.Behavior) { b.CutAt, b.CutTimes = contentSize/2, endpointtest.Always })
		o.When(contentSize/2, func() {
			o.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = 503, endpointtest.Always })
		})
	}
	for kind, make := range destinations {
		t.Run("first is dead/"+kind, func(t *testing.T) {
			t.Parallel()
			second, dest := origin(t, 1), make(t)
			judge(t, fetch(t, dest, deadURL(t), "--mirror", second.URL("/f")), "")
			dest.holds(t, second.Content())
		})
		t.Run("first refuses/"+kind, func(t *testing.T) {
			t.Parallel()
			first, second, dest := origin(t, 1), origin(t, 1), make(t)
			first.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = 404, endpointtest.Always })
			judge(t, fetch(t, dest, first.URL("/f"), "--mirror", second.URL("/f")), "")
			dest.holds(t, second.Content())
		})
		t.Run("first dies/"+kind, func(t *testing.T) {
			t.Parallel()
			first, second, dest := origin(t, 1), origin(t, 1), make(t)
			dies(first)
			judge(t, fetch(t, dest, first.URL("/f"), "--mirror", second.URL("/f")), "")
			dest.holds(t, second.Content())
			if served := first.BytesServed() + second.BytesServed(); served > contentSize+inFlight {
				t.Errorf("%d bytes were served", served)
			}
		})
		t.Run("first dies and the mirror has other content/"+kind, func(t *testing.T) {
			t.Parallel()
			first, second, dest := origin(t, 1), origin(t, 2), make(t)
			dies(first)
			got := fetch(t, dest, first.URL("/f"), "--mirror", second.URL("/f"), "--retries", "2")
			if code, _ := got.failure(); got.code == 0 || !slices.Contains([]string{"http.unavailable", "source.changed", "net.reset"}, code) {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
			dest.unpublished(t)
		})
		t.Run("other tag and the right digest/"+kind, func(t *testing.T) {
			t.Parallel()
			first, second, dest := origin(t, 1), origin(t, 1), make(t)
			first.Set(func(b *endpointtest.Behavior) { b.ETag = endpointtest.ETagWeak })
			dies(first)
			judge(t, fetch(t, dest, first.URL("/f"), "--mirror", second.URL("/f"), "--checksum", "sha256:"+second.SHA256()), "")
			dest.holds(t, second.Content())
			if served := first.BytesServed() + second.BytesServed(); served > contentSize+inFlight {
				t.Errorf("%d bytes were served", served)
			}
		})
		t.Run("other content and the digest of the first/"+kind, func(t *testing.T) {
			t.Parallel()
			first, second, dest := origin(t, 1), origin(t, 2), make(t)
			dies(first)
			got := fetch(t, dest, first.URL("/f"), "--mirror", second.URL("/f"), "--retries", "4", "--checksum", "sha256:"+first.SHA256())
			judge(t, got, "checksum.mismatch")
			dest.empty(t)
		})
	}
}

// TestRedirects sends a download to another origin: it arrives, and no
// credential goes with it.
func TestRedirects(t *testing.T) {
	t.Parallel()
	first := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 1})
	second := endpointtest.New(t, endpointtest.Options{Size: contentSize, Seed: 1})
	first.Redirect("/f", 302, second.URL("/f?signed=1"))
	first.Redirect("/same", 307, "/g")
	first.Redirect("/loop", 302, "/loop")
	first.Redirect("/file", 302, "file:///etc/hosts")
	first.Redirect("/none", 302, "")
	secrets := []string{"-H", "Authorization: Bearer " + canary, "-H", "X-Api-Key: " + canary, "-H", "Cookie: a=" + canary}
	dest := toFile(t)
	judge(t, fetch(t, dest, first.URL("/f?sig="+canary), secrets...), "")
	dest.holds(t, second.Content())
	for _, r := range second.Requests() {
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), canary) || name == "Referer" {
				t.Errorf("%s was sent to another origin", name)
			}
		}
	}
	for _, r := range first.Requests() {
		if r.Header.Get("X-Api-Key") != canary || r.Header.Get("Authorization") != "Bearer "+canary || r.Query != "sig="+canary {
			t.Errorf("the first origin got %v %s", r.Header, r.Query)
		}
	}
	dest = toFile(t)
	judge(t, fetch(t, dest, first.URL("/same"), secrets...), "")
	dest.holds(t, first.Content())
	for path, code := range map[string]string{"/loop": "redirect.too_many", "/file": "redirect.scheme", "/none": "redirect.invalid"} {
		dest := toFile(t)
		judge(t, fetch(t, dest, first.URL(path)), code)
		dest.empty(t)
	}
}
