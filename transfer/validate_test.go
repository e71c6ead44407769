package transfer

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func goodSpec() Spec {
	return Spec{
		ID: "a", Source: "http://h/x", Destination: "file:///d/x", Size: UnknownSize, Retries: DefaultRetries,
	}
}

func TestNormalizeFillsDefaults(t *testing.T) {
	in := goodSpec()
	in.Source, in.Mirrors = "HTTP://H:80", []string{"https://M:443/x#y"}
	in.Headers = []Header{{"x-token", " \tv "}}
	in.SHA256 = "sha256:" + strings.Repeat("AB", 32)
	in.Recoverable = []int{503, 401, 503}
	before := in
	got, err := Normalize(in)
	if err != nil {
		t.Fatal(err)
	}
	want := goodSpec()
	want.Direction, want.Method = Download, "GET"
	want.IfExists, want.Priority, want.Cost = IfExistsFail, PriorityDefault, CostDefault
	want.Source, want.Mirrors = "http://h/", []string{"https://m/x"}
	want.Headers = []Header{{"X-Token", "v"}}
	want.SHA256 = strings.Repeat("ab", 32)
	want.Recoverable = []int{401, 503}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(in, before) || in.Mirrors[0] != "https://M:443/x#y" || in.Headers[0].Name != "x-token" || in.Recoverable[0] != 503 {
		t.Fatalf("the argument was changed: %+v", in)
	}
	if again, err := Normalize(got); err != nil || !reflect.DeepEqual(again, got) {
		t.Fatalf("the canonical form is not stable: %+v (%v)", again, err)
	}
}

func TestNormalizeUpload(t *testing.T) {
	in := goodSpec()
	in.Direction, in.Source, in.Destination = Upload, "file:///d//x", "HTTP://h:80/x"
	got, err := Normalize(in)
	if err != nil || got.Source != "file:///d/x" || got.Destination != "http://h/x" || got.Method != "PUT" {
		t.Fatalf("%+v (%v)", got, err)
	}
}

func repeatHeaders(n int) []Header {
	var out []Header
	for i := range n {
		out = append(out, Header{Name: fmt.Sprintf("X-%d", i), Value: "v"})
	}
	return out
}

func labels(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("k%d", i)] = "v"
	}
	return out
}

const canary = "S3CR3T"

func TestNormalizeRefuses(t *testing.T) {
	for _, tc := range []struct {
		row    string
		change func(*Spec)
		field  string
		code   Code
	}{
		{"B01", func(s *Spec) { s.Source = "" }, "source", CodeURLEmpty},
		{"B08", func(s *Spec) { s.Mirrors = []string{"http://u:" + canary + "@h/"} }, "mirrors", CodeURLUserinfo},
		{"mirrors", func(s *Spec) { s.Mirrors = slices.Repeat([]string{"http://h/"}, 17) }, "mirrors", CodeURLInvalid},
		{"B48", func(s *Spec) { s.Headers = []Header{{"X", canary + "\r\nY: z"}} }, "headers", CodeHeaderValue},
		{"B48", func(s *Spec) { s.Headers = []Header{{"X", canary + "\x00"}} }, "headers", CodeHeaderValue},
		{"B48", func(s *Spec) { s.Headers = []Header{{"X", canary + "\xff"}} }, "headers", CodeHeaderValue},
		{"B49", func(s *Spec) { s.Headers = []Header{{"X Y", canary}} }, "headers", CodeHeaderName},
		{"B49", func(s *Spec) { s.Headers = []Header{{"X:Y", canary}} }, "headers", CodeHeaderName},
		{"B49", func(s *Spec) { s.Headers = []Header{{"", canary}} }, "headers", CodeHeaderName},
		{"B49", func(s *Spec) { s.Headers = []Header{{"Ü", canary}} }, "headers", CodeHeaderName},
		{"B49", func(s *Spec) { s.Headers = []Header{{strings.Repeat("x", 300), canary}} }, "headers", CodeHeaderName},
		{"B50", func(s *Spec) { s.Headers = []Header{{"proxy-\x1b[31m", canary}} }, "headers", CodeHeaderResrvd},
		{"B51", func(s *Spec) { s.Headers = repeatHeaders(101) }, "headers", CodeHeaderCount},
		{"B51", func(s *Spec) { s.Headers = []Header{{"X", strings.Repeat("v", 16<<10)}} }, "headers", CodeHeaderValue},
		{"B51", func(s *Spec) { s.Headers = []Header{{"Authorization", canary}, {"authorization", canary}} }, "headers", CodeHeaderCount},
		{"headers in all", func(s *Spec) {
			s.Headers = repeatHeaders(9)
			for i := range s.Headers {
				s.Headers[i].Value = strings.Repeat("v", 8<<10)
			}
		}, "headers", CodeHeaderCount},
		{"B57", func(s *Spec) { s.Size = -2 }, "size", CodeSizeInvalid},
		{"B58", func(s *Spec) { s.PartSize = 1 }, "part_size", CodePartSize},
		{"B58", func(s *Spec) { s.PartSize = -1 }, "part_size", CodePartSize},
		{"B58", func(s *Spec) { s.PartSize, s.Destination = 5<<20-1, "s3://bucket/k" }, "part_size", CodePartSize},
		{"B58", func(s *Spec) { s.PartSize = 5<<30 + 1 }, "part_size", CodePartSize},
		{"B60", func(s *Spec) { s.Connections = -1 }, "connections", CodeConnections},
		{"B60", func(s *Spec) { s.Connections = 65 }, "connections", CodeConnections},
		{"B60", func(s *Spec) { s.RateLimit = -1 }, "rate_limit", CodeRate},
		{"B60", func(s *Spec) { s.RateLimit = 1 }, "rate_limit", CodeRate},
		{"B63", func(s *Spec) { s.Retries = -1 }, "retries", CodeRetries},
		{"B63", func(s *Spec) { s.Retries = 1001 }, "retries", CodeRetries},
		{"B64", func(s *Spec) { s.SHA256 = "abc" }, "checksum", CodeChecksum},
		{"B73", func(s *Spec) { s.Destination = "file:///a/../b" }, "destination", CodePathEscape},
		{"B85", func(s *Spec) { s.Destination = "s3://AB/x" }, "destination", CodeBucket},
		{"B95", func(s *Spec) { s.ID = "a/b" }, "id", CodeID},
		{"B95", func(s *Spec) { s.ID = "" }, "id", CodeID},
		{"B108", func(s *Spec) { s.Labels = map[string]string{"k": "\x1b[31m"} }, "labels", CodeLabel},
		{"labels", func(s *Spec) { s.Labels = labels(33) }, "labels", CodeLabel},
		{"labels", func(s *Spec) { s.Labels = map[string]string{"": "v"} }, "labels", CodeLabel},
		{"labels", func(s *Spec) { s.Labels = map[string]string{"a b": "v"} }, "labels", CodeLabel},
		{"labels", func(s *Spec) { s.Labels = map[string]string{strings.Repeat("k", 64): "v"} }, "labels", CodeLabel},
		{"labels", func(s *Spec) { s.Labels = map[string]string{"k": strings.Repeat("v", 257)} }, "labels", CodeLabel},
		{"recoverable", func(s *Spec) { s.Recoverable = []int{399} }, "recoverable", CodeRecoverable},
		{"recoverable", func(s *Spec) { s.Recoverable = []int{600} }, "recoverable", CodeRecoverable},
		{"method", func(s *Spec) { s.Method = "G T" }, "method", CodeMethod},
		{"method", func(s *Spec) { s.Method = strings.Repeat("X", 33) }, "method", CodeMethod},
		{"method", func(s *Spec) { s.Method = "HEAD" }, "method", CodeMethod},
		{"method", func(s *Spec) { s.Method = "connect" }, "method", CodeMethod},
		{"body", func(s *Spec) { s.Body = []byte(canary) }, "body", CodeBody},
		{"body", func(s *Spec) { s.Method, s.Body = "POST", make([]byte, 1<<20+1) }, "body", CodeBody},
		{"direction", func(s *Spec) { s.Direction = "SIDEWAYS" }, "direction", CodeEnum},
		{"if exists", func(s *Spec) { s.IfExists = "ASK" }, "if_exists", CodeEnum},
		{"priority", func(s *Spec) { s.Priority = "URGENT" }, "priority", CodeEnum},
		{"cost", func(s *Spec) { s.Cost = "FREE" }, "cost_policy", CodeEnum},
	} {
		t.Run(tc.row, func(t *testing.T) {
			spec := goodSpec()
			tc.change(&spec)
			got, err := Normalize(spec)
			if err == nil || err.Code != tc.code || err.Field != tc.field {
				t.Fatalf("got %+v and %+v, want %s of %s", got, err, tc.code, tc.field)
			}
			if text := err.Error(); strings.Contains(text, canary) || strings.ContainsFunc(text, unprintable) {
				t.Fatalf("the error repeats its input: %q", text)
			}
			if err.Code.Info().Exit != exitUsage {
				t.Fatalf("exit %d", err.Code.Info().Exit)
			}
		})
	}
}

func TestReservedHeaders(t *testing.T) { // B50
	for _, name := range []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Expect", "Range",
		"If-Range", "If-Match", "Accept-Encoding", "Proxy-Authorization", "proxy-connection", ":authority",
	} {
		if _, err := NormalizeHeaders([]Header{{name, "v"}}); err == nil || err.Code != CodeHeaderResrvd {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNormalizeAccepts(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"limits": func(s *Spec) {
			s.Headers, s.Connections, s.Retries, s.RateLimit = repeatHeaders(100), 64, 1000, 1024
			s.Labels, s.PartSize, s.Recoverable = labels(32), 4096, []int{400, 599}
		},
		"zero":      func(s *Spec) { s.Size, s.Connections, s.Retries = 0, 0, 0 },
		"post":      func(s *Spec) { s.Method, s.Body = "POST", make([]byte, 1<<20) },
		"own verb":  func(s *Spec) { s.Method, s.Body = "REPORT", []byte("x") },
		"s3":        func(s *Spec) { s.Destination, s.PartSize = "s3://bucket/k", 5<<20 },
		"label key": func(s *Spec) { s.Labels = map[string]string{"a.b/C_d-9": "ü"} },
		"tab":       func(s *Spec) { s.Headers = []Header{{"X", "a\tb"}} },
	} {
		spec := goodSpec()
		change(&spec)
		if _, err := Normalize(spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckID(t *testing.T) { // B95
	for id, ok := range map[string]bool{
		"a": true, "A": true, "0": true, "01J_x.y-z": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "..": false, ".a": false, "_a": false, "-a": false,
		"a/b": false, "a%2fb": false, "ü": false, "a b": false, "a\n": false,
	} {
		if err := CheckID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestParseChecksum(t *testing.T) { // B64
	digits := strings.Repeat("0a", 32)
	for in, want := range map[string]string{
		digits: digits, strings.ToUpper(digits): digits, "sha256:" + digits: digits, "SHA-256=" + digits: digits,
		digits[1:]: "", digits + "0": "", "": "", "md5:" + digits[:32]: "", "sha256:": "", "crc32:" + digits: "",
		"g" + digits[1:]: "", "sha256:" + digits + ",sha256:" + digits: "",
		"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=": "",
	} {
		got, err := ParseChecksum(in)
		if got != want || (err == nil) != (want != "") || err != nil && err.Code != CodeChecksum {
			t.Errorf("%q: got %q (%v)", in, got, err)
		}
	}
}

func FuzzParseChecksum(f *testing.F) {
	for _, s := range []string{strings.Repeat("0A", 32), "sha256:" + strings.Repeat("f", 64), "sha-256=", "md5:x", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseChecksum(s)
		if err != nil {
			return
		}
		if again, err := ParseChecksum("sha256:" + got); err != nil || again != got || len(got) != 64 {
			t.Fatalf("%q becomes %q, which becomes %q (%v)", s, got, again, err)
		}
	})
}

func FuzzNormalizeHeaders(f *testing.F) {
	f.Add("Authorization", "Bearer x")
	f.Add("proxy-x", "y")
	f.Add("X Y", "\r\n")
	f.Add(":authority", "h")
	f.Fuzz(func(t *testing.T, name, value string) {
		got, err := NormalizeHeaders([]Header{{name, value}})
		if err != nil {
			if strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		if strings.ContainsAny(got[0].Name+got[0].Value, "\r\n\x00") || reservedHeader(strings.ToLower(got[0].Name)) {
			t.Fatalf("%q passed", got)
		}
		if again, err := NormalizeHeaders(got); err != nil || !slices.Equal(again, got) {
			t.Fatalf("%q becomes %q (%v)", got, again, err)
		}
	})
}

func TestDeriveID(t *testing.T) {
	ids := []string{
		DeriveID("http://h/a", "file:///b"), DeriveID("http://h/a", "file:///c"),
		DeriveID("http://h/b", "file:///b"), DeriveID("http://h/afile", ":///b"),
	}
	distinct := map[string]bool{}
	for _, id := range ids {
		distinct[id] = true
		if err := CheckID(id); err != nil || id[0] < 'a' || id[0] > 'z' || strings.Contains(id, "http") {
			t.Errorf("%q: %v", id, err)
		}
	}
	if len(distinct) != len(ids) {
		t.Errorf("ids collide: %v", slices.Sorted(maps.Keys(distinct)))
	}
	// Ids of transfers that exist must be found again by later versions.
	if want := "tgrcz2omgprvjlxwfzulossv4dy"; ids[0] != want {
		t.Errorf("the id is not stable: %s, want %s", ids[0], want)
	}
}

func TestCanonicalDestinationKey(t *testing.T) { // B79
	same := [][2]string{
		{"file:///a/B", "file:///A/b"},
		{"file:///\u00e9", "file:///e\u0301"},
		{"file:///\u00c9", "file:///e\u0301"},
		{"file:///\u03c2", "file:///\u03a3"},
		{"file:///\u212b", "file:///\u00e5"},
	}
	for _, pair := range same {
		if CanonicalDestinationKey(pair[0]) != CanonicalDestinationKey(pair[1]) {
			t.Errorf("%q and %q are told apart", pair[0], pair[1])
		}
	}
	different := [][2]string{{"file:///a", "file:///b"}, {"s3://bucket/a", "s3://bucket/A"}}
	for _, pair := range different {
		if CanonicalDestinationKey(pair[0]) == CanonicalDestinationKey(pair[1]) {
			t.Errorf("%q and %q are taken for one", pair[0], pair[1])
		}
	}
}

func FuzzCanonicalDestinationKey(f *testing.F) {
	for _, s := range []string{"a", "É", "\u212b", "ς", "\u0345", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := CanonicalDestinationKey("file:///" + s)
		if again := CanonicalDestinationKey(key); again != key {
			t.Fatalf("%q becomes %q, which becomes %q", s, key, again)
		}
	})
}
