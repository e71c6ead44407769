package transfer

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseDestination(t *testing.T) {
	deep := strings.Repeat("/a", 256)
	for _, tc := range []struct {
		row, in, want string
		code          Code
	}{
		{row: "file", in: "file:///data/x.iso", want: "file:///data/x.iso"},
		{row: "file", in: "FILE:///data//./x", want: "file:///data/x"},
		{row: "B73", in: "file://../../etc/cron.d/x", code: CodePathEscape},
		{row: "B73", in: "file:///a/../../b", code: CodePathEscape},
		{row: "B73", in: "file:///a/..", code: CodePathEscape},
		{row: "B73", in: `file://C:\x`, code: CodePathEscape},
		{row: "B73", in: `file://\\srv\s`, code: CodePathEscape},
		{row: "B73", in: `file:///a/..\..\x`, code: CodePathEscape},
		{row: "B73", in: "file://host/x", code: CodePathEscape},
		{row: "B74", in: "file:///a\x00b", code: CodePathInvalid},
		{row: "B74", in: "file:///a\nb", code: CodePathInvalid},
		{row: "B74", in: "file:///a\x1b[31mb", code: CodePathInvalid},
		{row: "B74", in: "file:///a\u202eb", code: CodePathInvalid},
		{row: "B74", in: "file:///a\xffb", code: CodePathInvalid},
		{row: "B74", in: "file:///" + strings.Repeat("a", 255), want: "file:///" + strings.Repeat("a", 255)},
		{row: "B74", in: "file:///" + strings.Repeat("a", 256), code: CodePathInvalid},
		{row: "B74", in: "file:///" + strings.Repeat("a/", 2047) + "aa", code: CodePathInvalid},
		{row: "B74", in: "file://" + strings.Repeat("/"+strings.Repeat("a", 63), 64) + "/", code: CodePathInvalid},
		{row: "B74", in: "file://" + strings.Repeat("/"+strings.Repeat("a", 63), 64), want: "file://" + strings.Repeat("/"+strings.Repeat("a", 63), 64)},
		{row: "B74", in: "file://" + deep[2:], want: "file://" + deep[2:]},
		{row: "B74", in: "file://" + deep, code: CodePathInvalid},
		{row: "B77", in: "file:///", code: CodePathInvalid},
		{row: "B77", in: "file:///data/", code: CodePathInvalid},
		{row: "B77", in: "file:///data/.", code: CodePathInvalid},
		{row: "B80", in: "file:///d/~/$HOME/*/{a,b}/%s%2e", want: "file:///d/~/$HOME/*/{a,b}/%s%2e"},
		{row: "B82", in: "file:///x.zip/../../y", code: CodePathEscape},
		{row: "B82", in: "file:///x.", code: CodePathInvalid},
		{row: "B82", in: "file:///x ", code: CodePathInvalid},
		{row: "B82", in: "file:///CON", code: CodePathInvalid},
		{row: "B82", in: "file:///NUL.txt", code: CodePathInvalid},
		{row: "B82", in: "file:///com1", code: CodePathInvalid},
		{row: "B82", in: "file:///x.txt:stream", code: CodePathInvalid},
		{row: "B82", in: "file:///console/com10", want: "file:///console/com10"},
		{row: "scheme", in: "", code: CodeDestInvalid},
		{row: "scheme", in: "/data/x", code: CodeDestInvalid},
		{row: "scheme", in: "http://h/x", code: CodeDestInvalid},
		{row: "scheme", in: "file:/data/x", code: CodeDestInvalid},
		{row: "s3", in: "S3://bucket/a/b.iso", want: "s3://bucket/a/b.iso"},
		{row: "B85", in: "s3://AB/k", code: CodeBucket},
		{row: "B85", in: "s3://ABC/k", code: CodeBucket},
		{row: "B85", in: "s3://a..b/k", code: CodeBucket},
		{row: "B85", in: "s3://1.2.3.4/k", code: CodeBucket},
		{row: "B85", in: "s3://" + strings.Repeat("a", 63) + "/k", want: "s3://" + strings.Repeat("a", 63) + "/k"},
		{row: "B85", in: "s3://" + strings.Repeat("a", 64) + "/k", code: CodeBucket},
		{row: "B85", in: "s3://-xx/k", code: CodeBucket},
		{row: "B85", in: "s3://xx-/k", code: CodeBucket},
		{row: "B85", in: "s3://a_b/k", code: CodeBucket},
		{row: "B85", in: "s3:///k", code: CodeBucket},
		{row: "B86", in: "s3://bucket", code: CodeKey},
		{row: "B86", in: "s3://bucket/", code: CodeKey},
		{row: "B86", in: "s3://bucket/" + strings.Repeat("k", 1024), want: "s3://bucket/" + strings.Repeat("k", 1024)},
		{row: "B86", in: "s3://bucket/" + strings.Repeat("k", 1025), code: CodeKey},
		{row: "B86", in: "s3://bucket/a\x01", code: CodeKey},
		{row: "B86", in: "s3://bucket/a\xff", code: CodeKey},
		{row: "B86", in: "s3://bucket//x", want: "s3://bucket//x"},
		{row: "B86", in: "s3://bucket/a//b", want: "s3://bucket/a//b"},
		{row: "B86", in: "s3://bucket/../x", want: "s3://bucket/../x"},
		{row: "B86", in: "s3://bucket/.", want: "s3://bucket/."},
		{row: "B87", in: "s3://bucket/_godwit/cluster", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/_GodWit/x", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/%5fgodwit/x", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/%255fgodwit/x", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/a/%2e%2e/_godwit/x", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/./_godwit", code: CodeKeyReserved},
		{row: "B87", in: "s3://bucket/_godwits/x", want: "s3://bucket/_godwits/x"},
		{row: "B87", in: "s3://bucket/100%/x", want: "s3://bucket/100%/x"},
	} {
		t.Run(tc.row+" "+cutBytes(tc.in, 40), func(t *testing.T) {
			got, err := ParseDestination(tc.in, "destination")
			if tc.code == "" {
				if err != nil || got.String() != tc.want {
					t.Fatalf("got %q (%v), want %q", got, err, tc.want)
				}
				return
			}
			if err == nil || err.Code != tc.code || err.Field != "destination" {
				t.Fatalf("got %q and %+v, want %s", got, err, tc.code)
			}
			if strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("the error repeats its input: %q", err.Error())
			}
		})
	}
}

func TestLocationName(t *testing.T) {
	for in, want := range map[string]string{"file:///a/b": "/a/b", "s3://bucket/a/b": "bucket/a/b"} {
		got, err := ParseDestination(in, "destination")
		if err != nil || got.Name() != want {
			t.Errorf("%s: %q (%v), want %q", in, got.Name(), err, want)
		}
	}
}

func FuzzParseDestination(f *testing.F) {
	for _, s := range []string{
		"file:///a/b", "file:///a/../b", "s3://bucket/key", "s3://b/_godwit/x", `file://C:\x`, "file:///a//./b/.",
		"s3://bucket/%25255fgodwit/", "file:///CON.txt", "file:///\x00", "s3://1.2.3.4/k", "http://h/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseDestination(raw, "destination")
		if err != nil {
			if err.Code.Class() != Refused || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %+v", raw, err)
			}
			return
		}
		if again, err := ParseDestination(got.String(), "destination"); err != nil || again != got {
			t.Fatalf("%q becomes %q, which becomes %q (%v)", raw, got, again, err)
		}
		if got.Bucket == "" && (!path.IsAbs(got.Key) || path.Clean(got.Key) != got.Key || !filepath.IsLocal(got.Key[1:])) {
			t.Fatalf("%q gives path %q", raw, got.Key)
		}
		if got.Bucket != "" && KeyUnder(got.Key, ReservedPrefix) {
			t.Fatalf("%q gives key %q", raw, got.Key)
		}
	})
}

func TestKeyUnderOtherPrefixes(t *testing.T) {
	for _, tc := range []struct {
		key, prefix string
		want        bool
	}{
		{"state/x", "/state/", true},
		{"statex", "state", false},
		{"a/state/x", "a/state", true},
		{"x", "", false},
	} {
		if got := KeyUnder(tc.key, tc.prefix); got != tc.want {
			t.Errorf("%q under %q: %v", tc.key, tc.prefix, got)
		}
	}
}

func TestRemoteName(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/a/b.iso":                              "b.iso",
		"http://h/a/b.iso?x=/c.iso#/d":                  "b.iso",
		"http://h/":                                     "download",
		"http://h":                                      "download",
		"http://h/a/":                                   "download",
		"http://h/my%20file.txt":                        "my file.txt",
		"http://h/b%C3%BCcher.txt":                      "bücher.txt",
		"http://h/..%2f..%2fetc%2fpasswd":               "passwd", // B81
		"http://h/a%5Cb":                                "b",      // B81
		"http://h/.bashrc":                              "bashrc", // B81
		"http://h/.":                                    "download",
		"http://h/..":                                   "download",
		"http://h/%2e%2e":                               "download",
		"http://h/CON":                                  "_CON", // B82
		"http://h/nul.txt":                              "_nul.txt",
		"http://h/a.txt:stream":                         "a.txt_stream",
		"http://h/a.%20.":                               "a",
		"http://h/a%0d%0ab":                             "ab",
		"http://h/a%E2%80%AEgnp.exe":                    "agnp.exe",
		"http://h/%ff":                                  "_",
		"http://h/%zz":                                  "%zz",
		"http://h/" + strings.Repeat("a", 10<<10):       strings.Repeat("a", 200), // B81
		"http://h/" + strings.Repeat("%C3%BC", 150):     strings.Repeat("ü", 100),
		"http://h/a" + strings.Repeat("%C3%BC", 150):    "a" + strings.Repeat("ü", 99),
		"http://h/" + strings.Repeat("a", 199) + ".txt": strings.Repeat("a", 199),
	} {
		if got := RemoteName(in); got != want {
			t.Errorf("%s: got %q, want %q", cutBytes(in, 40), got, want)
		}
	}
}

// Whatever a URL is, its name is one component, and acceptable as a destination.
func FuzzRemoteName(f *testing.F) {
	for _, s := range []string{"b.iso", "..%2f..%2fx", ".bashrc", "CON", "a:b", "%ff", "a%5Cb", "nul.", "%2e%2e", " ", "%F0%9F%98%80", "COM1 .x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		name := RemoteName("http://h/" + segment)
		if !filepath.IsLocal(name) || strings.ContainsFunc(name, separator) || strings.HasPrefix(name, ".") || len(name) > 201 {
			t.Fatalf("%q gives %q", segment, name)
		}
		if got, err := ParseDestination("file:///d/"+name, "destination"); err != nil || got.Key != "/d/"+name {
			t.Fatalf("%q gives %q, which is refused: %v", segment, name, err)
		}
	})
}

// What is there already may have names that no file is to be made with.
func TestParseSource(t *testing.T) {
	for _, name := range []string{"/a/12:30.log", "/a/x.", "/a/x ", "/a/con.txt"} {
		if got, err := ParseSource("file://"+name, "source"); err != nil || got.String() != "file://"+name {
			t.Errorf("%q: %v, %v", name, got, err)
		}
		if _, err := ParseDestination("file://"+name, "destination"); err == nil || err.Code != CodePathInvalid {
			t.Errorf("%q as a destination: %v", name, err)
		}
	}
	for name, code := range map[string]Code{"/a/../b": CodePathEscape, "/a\nb": CodePathInvalid, "/a/": CodePathInvalid, "a": CodePathEscape} {
		if _, err := ParseSource("file://"+name, "source"); err == nil || err.Code != code {
			t.Errorf("%q: %v, want %s", name, err, code)
		}
	}
}
