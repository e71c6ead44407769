package endpoint

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"godwit/transfer"
)

func TestEscapePath(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/a/../b//c/%2F%2f?x=|": "http://h/a/../b//c/%2F%2f?x=|",
		"http://h/a%2fb|c":              "http://h/a%2fb%7Cc",
		"http://h/%2f\"<>^`{}":          "http://h/%2f%22%3C%3E%5E%60%7B%7D",
		"http://h/ü%2f?ü":               "http://h/%C3%BC%2f?ü",
		"http://bücher/x|":              "http://bücher/x%7C",
		"//bücher/x|#|":                 "//bücher/x%7C#|",
		"//bücher":                      "//bücher",
		"/a//b|":                        "/a//b%7C",
		"a|b//c|d":                      "a%7Cb//c%7Cd",
		"?|":                            "?|",
		"":                              "",
	} {
		if got := escapePath(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestTargetsAreSentAsGiven: what is requested is the URL as it is recorded, but
// for characters that no request can hold.
func TestTargetsAreSentAsGiven(t *testing.T) {
	pieces := []string{
		"/", "/", "a", "B", ".", "..", "%2f", "%2F", "%41", "%25", "|", "ü", `"`, "^", "`", "{", "}", "[", "]", "<", ">",
		"~", ":", ";", "@", "&", "=", "+", "$", ",", "!", "*", "'", "(", ")", "?", "x=%2f",
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := "http://h.example/" + strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "path"), "")
		canonical, e := transfer.NormalizeURL(raw, "url")
		if e != nil {
			t.Skip(e)
		}
		u, e := parse(raw)
		if e != nil {
			t.Fatal(e)
		}
		want := strings.TrimPrefix(escapePath(canonical), "http://h.example")
		if got := u.RequestURI(); got != want {
			t.Fatalf("%s is sent as %s, want %s", canonical, got, want)
		}
	})
}
