package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMeasureCountsChildren(t *testing.T) {
	took, err := measure(t.Context(), command{argv: shell("sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; exit 0")})
	if err != nil {
		t.Fatal(err)
	}
	if took.cpu == 0 || took.rss == 0 || took.wall == 0 {
		t.Errorf("%+v", took)
	}
}

func TestMeasureReportsWhatAFailedCommandSaid(t *testing.T) {
	_, err := measure(t.Context(), command{argv: shell(`echo "$1" >&2; exit 3`, "no such\nhost")})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("%v", err)
	}
}

func TestMeasureKillsTheWholeGroup(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := measure(ctx, command{argv: shell(`sh -c 'echo up >"$1"; exec sleep 600' sh "$1"; true`, fifo)})
		done <- err
	}()
	if _, err := os.ReadFile(fifo); err != nil { // the child is up
		t.Fatal(err)
	}
	cancel()
	// The child holds the output open: the call returns only if it is dead too.
	if err := <-done; err == nil {
		t.Error("a killed command is no error")
	}
}

func TestKillAtKillsWhenHalfIsReached(t *testing.T) {
	half := make(chan struct{})
	close(half)
	if err := killAt(t.Context(), command{argv: shell("exec sleep 600")}, half); err != nil {
		t.Error(err)
	}
	if err := killAt(t.Context(), command{argv: shell("exit 4")}, make(chan struct{})); err == nil {
		t.Error("a command that ended by itself was killed")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var out tail
	for range 100 {
		out.Write([]byte("beginning of a long story "))
	}
	out.Write([]byte("end"))
	if got := out.String(); len(got) > errTail || !strings.HasSuffix(got, "story end") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestListFormats(t *testing.T) {
	dir := t.TempDir()
	lists, err := makeLists(dir, "http://h/", "/out", 2)
	if err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"godwit": "http://h/small-00000.bin\t/out/small-00000.bin\nhttp://h/small-00001.bin\t/out/small-00001.bin\n",
		"curl":   "url = \"http://h/small-00000.bin\"\noutput = \"/out/small-00000.bin\"\nurl = \"http://h/small-00001.bin\"\noutput = \"/out/small-00001.bin\"\n",
		"aria2c": "http://h/small-00000.bin\n  out=small-00000.bin\nhttp://h/small-00001.bin\n  out=small-00001.bin\n",
		"wget2":  "http://h/small-00000.bin\nhttp://h/small-00001.bin\n",
	} {
		if got, err := os.ReadFile(lists[program]); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", program, got, err)
		}
	}
}

func TestSameContentNoticesEveryDifference(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := write("want", "content")
	if err := sameContent(write("same", "content"), want); err != nil {
		t.Error(err)
	}
	for _, body := range []string{"", "conten", "content!", "cOntent"} {
		if sameContent(write("other", body), want) == nil {
			t.Errorf("%q passes", body)
		}
	}
	if sameContent(filepath.Join(dir, "absent"), want) == nil {
		t.Error("a missing file passes")
	}
}
