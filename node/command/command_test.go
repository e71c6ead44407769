//go:build linux

package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"godwit/transfer"
)

// orphanScript names the environment variable with which this test's binary is
// a node that runs a script.
const orphanScript = "COMMAND_TEST_SCRIPT"

func TestMain(m *testing.M) {
	if path := os.Getenv(orphanScript); path != "" {
		r, err := New(map[string]Config{"c": {Argv: []string{path}}})
		if err == nil {
			r.Run(context.Background(), Request{Name: "c"})
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestCommandDiesWithItsNode(t *testing.T) {
	runs := make(chan struct{})
	fifo, gone := watch(t, func() { close(runs) })
	node := exec.Command(os.Args[0])
	node.Env = append(os.Environ(), orphanScript+"="+script(t, "exec 9>"+fifo+"; echo x >&9; exec sleep 1000"))
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	<-runs
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = node.Wait()
	gone()
}

// script writes a shell script and returns its path.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// newRunner has one command, c.
func newRunner(t *testing.T, c Config) *Runner {
	t.Helper()
	r, err := New(map[string]Config{"c": c})
	if err != nil {
		t.Fatal(err)
	}
	r.grace = 200 * time.Millisecond
	t.Cleanup(func() { noChildren(t) })
	return r
}

// noChildren checks that every child was waited for.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("child %d is left (%v)", pid, err)
	}
}

func run(t *testing.T, r *Runner) Result {
	t.Helper()
	return r.Run(t.Context(), Request{Name: "c", Task: "t1", Attempt: 3, Input: []byte(`{"id":"g"}`)})
}

func TestRun(t *testing.T) { // B119
	path := script(t, `cat; echo; echo "$@" >&2; /usr/bin/env | /usr/bin/sort; pwd; exit 0`)
	r := newRunner(t, Config{Argv: []string{path, "; rm -rf /", "$(id)", "--flag"}, Env: map[string]string{"REGION": "eu west"}})
	t.Setenv("GODWIT_SECRET", "secret")
	res := run(t, r)
	if res.Err != nil || !res.HasExit || res.Exit != 0 {
		t.Fatalf("%+v", res)
	}
	want := []string{`{"id":"g"}`, "; rm -rf / $(id) --flag", "GODWIT_TASK_ATTEMPT=3", "GODWIT_TASK_ID=t1", "PATH=/usr/bin:/bin", "REGION=eu west", "/"}
	var got []string
	for line := range strings.Lines(res.Output) {
		// The shell's own.
		if !strings.HasPrefix(line, "PWD=") && !strings.HasPrefix(line, "SHLVL=") && !strings.HasPrefix(line, "_=") && !strings.HasPrefix(line, "OLDPWD=") {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
}

func TestRunFails(t *testing.T) {
	for name, tt := range map[string]struct {
		body    string
		code    transfer.Code
		hasExit bool
		exit    int
	}{
		"exit code":         {"exit 7", transfer.CodeExecFailed, true, 7},
		"signal":            {"kill -9 $$", transfer.CodeExecFailed, false, 0},
		"reads no input":    {"exec 0<&-; exit 0", "", true, 0},
		"no such program":   {"nonesuch", transfer.CodeExecFailed, true, 127},
		"closes its output": {"exec >&- 2>&-; exit 3", transfer.CodeExecFailed, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, Config{Argv: []string{script(t, tt.body)}})
			res := r.Run(t.Context(), Request{Name: "c", Input: make([]byte, 1<<20)})
			code := transfer.Code("")
			if res.Err != nil {
				code = res.Err.Code
			}
			if code != tt.code || res.HasExit != tt.hasExit || res.Exit != tt.exit {
				t.Errorf("%+v", res)
			}
		})
	}
	r := newRunner(t, Config{Argv: []string{script(t, "")}})
	if res := r.Run(t.Context(), Request{Name: "d"}); res.Err == nil || res.Err.Code != transfer.CodeCommand {
		t.Errorf("unknown: %+v", res)
	}
}

func TestOutputIsBounded(t *testing.T) { // B122
	r := newRunner(t, Config{Argv: []string{script(t, "head -c 268435456 /dev/zero; echo the end")}})
	res := run(t, r)
	if res.Err != nil || len(res.Output) != maxOutput || !strings.HasSuffix(res.Output, "the end\n") {
		t.Errorf("%d bytes, %v", len(res.Output), res.Err)
	}
}

// watch makes a FIFO and returns its path and a function that waits until nobody
// has it open for writing any more. It calls written when something is written.
func watch(t *testing.T, written func()) (path string, gone func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		f, err := os.Open(path) // when somebody writes
		if err == nil {
			if n, _ := f.Read(make([]byte, 1)); n > 0 {
				written()
			}
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		done <- err
	}()
	return path, func() {
		// A command that was killed before it opened the FIFO did not either.
		if f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_ = f.Close()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// What a command starts in its group does not outlive it, however it ends.
func TestGroupIsKilled(t *testing.T) { // B122
	for name, tt := range map[string]struct {
		body string
		code transfer.Code
	}{
		"runs for ever":         {"sleep 1000 9>$0.fifo", transfer.CodeExecTimeout},
		"ignores TERM":          {"trap '' TERM; (trap '' TERM; sleep 1000) 9>$0.fifo; sleep 1000", transfer.CodeExecTimeout},
		"child ignores TERM":    {"(trap '' TERM; sleep 1000) 9>$0.fifo & wait", transfer.CodeExecTimeout},
		"leaves a child":        {"sleep 1000 9>$0.fifo & exit 0", ""},
		"forks twice":           {"(sleep 1000 9>$0.fifo &) & exit 0", ""},
		"child without output":  {"sleep 1000 9>$0.fifo >/dev/null 2>&1 </dev/null & exit 0", ""},
		"fails and leaves some": {"for i in 1 2 3; do sleep 1000 9>$0.fifo & done; exit 1", transfer.CodeExecFailed},
	} {
		t.Run(name, func(t *testing.T) {
			fifo, gone := watch(t, func() {})
			// The end of the shell must not come before the child has its FIFO.
			path := script(t, strings.ReplaceAll("exec 8>$0.fifo; "+tt.body, "$0.fifo", fifo))
			c := Config{Argv: []string{path}}
			if tt.code == transfer.CodeExecTimeout {
				c.Timeout = 300 * time.Millisecond
			}
			r := newRunner(t, c)
			res := run(t, r)
			code := transfer.Code("")
			if res.Err != nil {
				code = res.Err.Code
			}
			if code != tt.code || res.HasExit == (code == transfer.CodeExecTimeout) {
				t.Errorf("%+v", res)
			}
			gone()
		})
	}
}

// A process that has left the group is out of reach, and holds nobody up.
func TestDaemonHoldsNobodyUp(t *testing.T) {
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("no setsid")
	}
	r := newRunner(t, Config{Argv: []string{script(t, "/usr/bin/setsid sh -c 'echo $$; exec sleep 3' & sleep 0.1; exit 0")}})
	if res := run(t, r); res.Err != nil {
		t.Errorf("%+v", res)
	}
}

func TestRunIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fifo, gone := watch(t, cancel)
	r := newRunner(t, Config{Argv: []string{script(t,
		"trap 'echo bye; exit 0' TERM; exec 9>"+fifo+"; echo started; echo x >&9; while :; do sleep 0.01; done")}})
	r.grace = time.Minute
	res := r.Run(ctx, Request{Name: "c"})
	if res.Err == nil || !errors.Is(res.Err, context.Canceled) || res.HasExit ||
		!strings.HasPrefix(res.Output, "started\n") || !strings.HasSuffix(res.Output, "bye\n") {
		t.Errorf("%+v", res)
	}
	gone()
	if res := r.Run(ctx, Request{Name: "c"}); res.Err == nil || !errors.Is(res.Err, context.Canceled) || res.Output != "" {
		t.Errorf("%+v", res)
	}
}

func TestSwappedProgramIsNotRun(t *testing.T) { // B118
	replaced := func(t *testing.T, path string) {
		evil := script(t, "echo evil")
		if err := os.Rename(evil, path); err != nil {
			t.Fatal(err)
		}
	}
	for name, swap := range map[string]func(t *testing.T, path string){
		"replaced": replaced,
		"gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"written to": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho evil and longer"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"open to others": func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o707); err != nil {
				t.Fatal(err)
			}
		},
		"a link": func(t *testing.T, path string) {
			evil := script(t, "echo evil")
			if err := errors.Join(os.Remove(path), os.Symlink(evil, path)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := script(t, "echo good")
			r := newRunner(t, Config{Argv: []string{path}})
			swap(t, path)
			if res := run(t, r); res.Err == nil || res.Err.Code != transfer.CodeExecFailed || res.Output != "" {
				t.Errorf("%+v", res)
			}
		})
	}
}

// A link that is given another target changes nothing: it was followed when the
// configuration was loaded.
func TestSwappedLinkIsNotFollowed(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(script(t, "echo good"), link); err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, Config{Argv: []string{link}})
	if err := errors.Join(os.Remove(link), os.Symlink(script(t, "echo evil"), link)); err != nil {
		t.Fatal(err)
	}
	if res := run(t, r); res.Err != nil || res.Output != "good\n" {
		t.Errorf("%+v", res)
	}
}

func TestNewRefuses(t *testing.T) {
	good := script(t, "")
	open, plain := script(t, ""), script(t, "")
	if err := errors.Join(os.Chmod(open, 0o702), os.Chmod(plain, 0o600)); err != nil {
		t.Fatal(err)
	}
	env := func(name, value string) Config {
		return Config{Argv: []string{good}, Env: map[string]string{name: value}}
	}
	for name, tt := range map[string]struct {
		config Config
		key    string
	}{
		"nothing":           {Config{}, "argv"},
		"relative":          {Config{Argv: []string{"sh"}}, "argv"},
		"climbing":          {Config{Argv: []string{"../bin/sh"}}, "argv"},
		"missing":           {Config{Argv: []string{good + "x"}}, "argv"},
		"folder":            {Config{Argv: []string{filepath.Dir(good)}}, "argv"},
		"device":            {Config{Argv: []string{"/dev/null"}}, "argv"},
		"open to others":    {Config{Argv: []string{open}}, "argv"},
		"not executable":    {Config{Argv: []string{plain}}, "argv"},
		"NUL":               {Config{Argv: []string{good, "a\x00b"}}, "argv"},
		"negative time":     {Config{Argv: []string{good}, Timeout: -1}, "timeout"},
		"long time":         {Config{Argv: []string{good}, Timeout: maxTimeout + 1}, "timeout"},
		"LD_PRELOAD":        {env("LD_PRELOAD", "x"), "env"}, // B120
		"LD_LIBRARY_PATH":   {env("LD_LIBRARY_PATH", "x"), "env"},
		"PATH":              {env("PATH", "x"), "env"},
		"IFS":               {env("IFS", "x"), "env"},
		"GODWIT_TASK_ID":    {env("GODWIT_TASK_ID", "x"), "env"},
		"a name with =":     {env("A=B", "x"), "env"},
		"a name of a digit": {env("1", "x"), "env"},
		"no name":           {env("", "x"), "env"},
		"NUL in a value":    {env("A", "\x00"), "env"},
	} {
		_, err := New(map[string]Config{"name": tt.config})
		var e *ConfigError
		if !errors.As(err, &e) || e.Name != "name" || e.Key != tt.key {
			t.Errorf("%s: %v", name, err)
		}
	}
	var e *ConfigError
	if _, err := New(map[string]Config{"a b": {Argv: []string{good}}}); !errors.As(err, &e) || e.Name != "a b" {
		t.Errorf("a bad name: %v", err)
	}
	r, err := New(map[string]Config{"b": {Argv: []string{good}}, "a": {Argv: []string{good}}})
	if err != nil || !r.Has("a") || r.Has("c") || strings.Join(r.Names(), " ") != "a b" {
		t.Errorf("%v, %v", r.Names(), err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var kept tail
		var all []byte
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 90_000), 0, 12).Draw(t, "writes") {
			p := make([]byte, n)
			for j := range p {
				p[j] = byte(i + j%251)
			}
			all = append(all, p...)
			if m, err := kept.Write(p); m != n || err != nil {
				t.Fatal(m, err)
			}
			if cap(kept.kept) > 4*maxOutput {
				t.Fatalf("%d bytes are held", cap(kept.kept))
			}
		}
		if want := string(all[max(len(all)-maxOutput, 0):]); kept.String() != want {
			t.Fatal("another end is kept")
		}
	})
}
