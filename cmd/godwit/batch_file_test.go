package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseBatch(t *testing.T) {
	got, err := parseBatch(strings.NewReader(strings.Join([]string{
		"# a comment", "", "http://h/a", "http://h/b\tb.bin\r", "http://h/c\thttps://m/c\tdir/",
		"http://h/d", "  out=e.bin", "\tdir=/srv", "  checksum=sha-256=00ff", "  header=A: 1", "  header=B: 2",
	}, "\n")))
	want := []entry{
		{line: 3, url: "http://h/a"},
		{line: 4, url: "http://h/b", dest: "b.bin"},
		{line: 5, url: "http://h/c", mirrors: []string{"https://m/c"}, dest: "dir/"},
		{line: 6, url: "http://h/d", dest: "e.bin", dir: "/srv", checksum: "sha-256=00ff", headers: []string{"A: 1", "B: 2"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseBatchNamesTheLineOnly(t *testing.T) {
	for text, want := range map[string]string{
		"  out=x":                        "line 1: ",
		"http://h/a\n  sesame":           "line 2: ",
		"http://h/a\n\n  split=sesame":   "line 3: ",
		"http://h/a\tb\tsesame":          "line 1: ",
		strings.Repeat("x", maxLine+100): "--input-file",
	} {
		_, err := parseBatch(strings.NewReader(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestEntryDestination(t *testing.T) {
	for _, c := range []struct{ dest, dir, folder, want string }{
		{"", "", "", ""},
		{"a", "", "", "a"},
		{"a", "", "dl/", "dl/a"},
		{"", "", "dl", "dl/"},
		{"a", "own", "dl", "own/a"},
		{"/abs", "", "dl", "/abs"},
		{"s3://b/k", "", "dl", "s3://b/k"},
		{"k", "", "s3://b/p", "s3://b/p/k"},
	} {
		e := entry{dest: c.dest, dir: c.dir}
		if got := e.destination(c.folder); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add("http://h/a\tb\n  out=c\n")
	f.Add("\t\n\t=\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseBatch(strings.NewReader(text))
		for _, e := range entries {
			if err != nil || e.url == "" || e.line < 1 {
				t.Fatalf("%q: %+v, %v", text, e, err)
			}
		}
	})
}
