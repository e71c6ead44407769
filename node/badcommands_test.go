//go:build linux

package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"godwit/node/command"
	"godwit/transfer"
)

// program writes a shell script and returns its path.
func program(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// pipe makes a FIFO and returns its path and a function that waits until nobody
// has it open for writing.
func pipe(t *testing.T) (path string, closed func() error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		f, err := os.Open(path) // when somebody writes
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		done <- err
	}()
	return path, func() error { return <-done }
}

func TestCommandsThatAreNotConfigured(t *testing.T) { // B118
	b := startBad(t, nil)
	b.want(transfer.CodeCommand, createCompletion, `{"completionGroup":{"exec":"show"}}`)
	b = startFromFile(t, "commands: {show: {argv: ["+program(t, "")+"]}}")
	for _, name := range []string{"none", "/bin/sh", "../sh", "./show", "show --flag", "show;id", "Show", "$(show)"} {
		b.want(transfer.CodeCommand, createCompletion, fmt.Sprintf(`{"completionGroup":{"exec":%q}}`, name))
	}
	_, err := New(Config{DataDir: t.TempDir(), Commands: map[string]command.Config{"show": {Argv: []string{"bin/show"}}}})
	wantConfigError(t, err, "commands.show.argv")
}

func TestSwappedProgram(t *testing.T) { // B118
	mark := filepath.Join(t.TempDir(), "mark")
	file, link := program(t, "echo good"), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(program(t, "echo good"), link); err != nil {
		t.Fatal(err)
	}
	b := startFromFile(t, fmt.Sprintf("commands: {file: {argv: [%s]}, link: {argv: [%s]}}", file, link))
	evil := program(t, "echo evil; echo x > "+mark)
	for _, path := range []string{file, link} {
		if err := errors.Join(os.Remove(path), os.Symlink(evil, path)); err != nil {
			t.Fatal(err)
		}
	}
	got := b.fire("c1", `"exec":"file"`)
	if got.code() != transfer.CodeExecFailed || got.Output != "" || got.Task.Status != "PENDING" {
		t.Errorf("a file that became a link: %+v", got)
	}
	// A link was followed when the configuration was loaded.
	if got := b.fire("c2", `"exec":"link"`); got.code() != "" || got.Output != "good\n" {
		t.Errorf("a link that leads elsewhere: %+v", got)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("another program has run")
	}
}

func TestArgumentsAndEnvironmentOfACommand(t *testing.T) { // B119, B120
	mark := filepath.Join(t.TempDir(), "mark")
	t.Setenv("GODWIT_API_TOKEN", "CANARY")
	t.Setenv("IFS", "CANARY")
	b := startFromFile(t, fmt.Sprintf(`commands: {show: {argv: [%s, "; touch %s", "$(touch %[2]s)", "--flag", "a\nb"], env: {REGION: eu}}}`,
		program(t, `for a in "$@"; do echo "<$a>"; done; /usr/bin/env; pwd; cat`), mark))
	got := b.fire("c", `"exec":"show","labels":{"a":"$(touch `+mark+`)\"; --flag"}`)
	out := "\n" + got.Output
	for _, want := range []string{
		"\n<; touch " + mark + ">\n<$(touch " + mark + ")>\n<--flag>\n<a\nb>\n", "\nREGION=eu\n", "\nPATH=/usr/bin:/bin\n",
		"\nGODWIT_TASK_ID=", "\nGODWIT_TASK_ATTEMPT=1\n", "\n/\n", `"labels":{"a":"$(touch ` + mark + `)\"; --flag"}`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	variables := map[string]bool{}
	for line := range strings.Lines(out) {
		if name, _, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "{") {
			variables[name] = true
		}
	}
	for _, known := range []string{"REGION", "PATH", "GODWIT_TASK_ID", "GODWIT_TASK_ATTEMPT", "PWD", "OLDPWD", "SHLVL", "_"} { // some are the shell's
		delete(variables, known)
	}
	if len(variables) > 0 || strings.Contains(out, "CANARY") {
		t.Errorf("further variables %v in %s", variables, out)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("an argument has run")
	}
}

func TestCommandsThatMisbehave(t *testing.T) { // B122
	endless, endlessGone := pipe(t)
	forking, forkingGone := pipe(t)
	b := startFromFile(t, fmt.Sprintf(`
commands:
  loud: {argv: [%s]}
  endless: {argv: [%s], timeout: 300ms}
  forking: {argv: [%s]}
`, program(t, "head -c 16777216 /dev/zero; printf '\\033[31m'; echo the end"),
		program(t, "exec 9>"+endless+"; sleep 1000 & sleep 1000"),
		program(t, "exec 9>"+forking+"; (sleep 1000 &) & exit 0")))
	if got := b.fire("c1", `"exec":"loud"`); got.code() != "" || len(got.Output) > 4<<10 || !strings.HasSuffix(got.Output, "\uFFFD[31mthe end\n") {
		t.Errorf("loud: %d bytes, %v", len(got.Output), got.Error)
	}
	if got := b.fire("c2", `"exec":"endless"`); got.code() != transfer.CodeExecTimeout || got.ExitCode != nil {
		t.Errorf("endless: %+v", got)
	}
	if got := b.fire("c3", `"exec":"forking"`); got.code() != "" || got.ExitCode == nil || *got.ExitCode != 0 {
		t.Errorf("forking: %+v", got)
	}
	// Children have it open for as long as they live.
	if err := errors.Join(endlessGone(), forkingGone()); err != nil {
		t.Error(err)
	}
}
