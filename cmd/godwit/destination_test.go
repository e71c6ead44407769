package main

import (
	"strings"
	"testing"

	"godwit/transfer"
)

func TestResolve(t *testing.T) {
	here := folder{current: "/home/me", isFolder: func(p string) bool { return p == "/srv" || p == "/home/me/dl" }}
	const url = "https://h.example/a/big%20file.iso?sig=sesame"
	for dest, want := range map[string]string{
		"":                "file:///home/me/big file.iso",
		"x.iso":           "file:///home/me/x.iso",
		"./x.iso":         "file:///home/me/x.iso",
		"../x.iso":        "file:///home/x.iso",
		"dl":              "file:///home/me/dl/big file.iso",
		"new/":            "file:///home/me/new/big file.iso",
		"/srv":            "file:///srv/big file.iso",
		"/srv/y":          "file:///srv/y",
		"file:///srv":     "file:///srv/big file.iso",
		"FILE:///z":       "file:///z",
		"s3://bucket":     "s3://bucket/big file.iso",
		"s3://bucket/":    "s3://bucket/big file.iso",
		"s3://bucket/p/":  "s3://bucket/p/big file.iso",
		"s3://bucket/p/k": "s3://bucket/p/k",
		"~/x":             "file:///home/me/~/x",
	} {
		if got, err := here.resolve(dest, url); err != nil || got != want {
			t.Errorf("resolve(%q) = %q, %v; want %q", dest, got, err, want)
		}
	}
	for _, dest := range []string{"-", "https://h/x", "HTTP://h/x", "ftp://h/x", "\x1b[31m://x"} {
		_, err := here.resolve(dest, url)
		if m := describe(err); err == nil || m.GetCode() != codeUsage || strings.ContainsAny(m.GetMessage(), "\x1b") {
			t.Errorf("resolve(%q): %v", dest, err)
		}
	}
}

// Whatever DEST is, what comes out is a destination or is refused as one.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"", "a/", "../..", "file://", "s3://b", "://"} {
		f.Add(s, "http://h/name")
	}
	here := folder{current: "/home/me", isFolder: func(p string) bool { return len(p)%2 == 0 }}
	f.Fuzz(func(t *testing.T, dest, url string) {
		got, err := here.resolve(dest, url)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got, "file://") && !strings.HasPrefix(got, "s3://") {
			t.Fatalf("resolve(%q, %q) = %q", dest, url, got)
		}
		if l, e := transfer.ParseDestination(got, "destination"); e == nil && l.Key == "" {
			t.Fatalf("resolve(%q, %q) = %q has no name", dest, url, got)
		}
	})
}
