package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An origin that sends wrong bytes makes the demo fail: its success means
// something.
func TestDemoFailsWhenTheContentIsWrong(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	a := &app{stdout: &out, stderr: &log, lookup: os.LookupEnv, format: formatJSON}
	d := &demoCommand{a: a, nodes: 1, transfers: 1, size: leastDemoSize, pace: testPace, noProgress: true, corrupt: true}
	err := d.run(t.Context())
	if m := describe(err); err == nil || m.GetCode() != codeDemo || exitOf(m.GetCode()) != exitFailed {
		t.Errorf("error %v\n%s", err, log.String())
	}
	var report demoReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if report.OK || len(report.Transfers) != 1 || report.Transfers[0].SHA256Match ||
		report.Transfers[0].Status != "COMPLETED" || len(report.Problems) != 1 {
		t.Errorf("report %+v", report)
	}
}

// Interrupted, the demo takes its nodes and its files with it.
func TestDemoInterrupted(t *testing.T) {
	for _, test := range []struct {
		nodes int
		word  string
		pids  int
	}{{1, "Started again", 2}, {3, "To download", 3}, {3, "moves from", 3}} {
		t.Run(fmt.Sprintf("%d nodes, %s", test.nodes, test.word), func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			log := &reactive{word: test.word, react: func(string) { cancel(errInterrupted) }}
			var out bytes.Buffer
			err := testDemo(test.nodes, &out, log).run(ctx)
			if describe(err).GetCode() != codeInterrupted || out.Len() > 0 {
				t.Errorf("error %v\n%s%s", err, out.String(), log.String())
			}
			expectNothingLeft(t, temporary, log.String(), test.pids)
		})
	}
}

// A node that ends although nobody meant it ends the demo, which says so.
func TestDemoNodeThatEnds(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	log := &reactive{word: "To download", react: func(text string) {
		if process, err := os.FindProcess(pidsIn(text)[1]); err == nil {
			_ = process.Signal(syscall.SIGTERM)
		}
	}}
	var out bytes.Buffer
	err := testDemo(2, &out, log).run(t.Context())
	if describe(err).GetCode() != codeDemo || !strings.Contains(err.Error(), "node n2 ended by itself") || out.Len() > 0 {
		t.Errorf("error %v\n%s", err, log.String())
	}
	expectNothingLeft(t, temporary, log.String(), 2)
}

// testPace leaves a node the time to record progress.
const testPace = 3 * time.Second

func testDemo(nodes int, out, log io.Writer) *demoCommand {
	a := &app{stdout: out, stderr: log, lookup: os.LookupEnv, format: formatTable}
	return &demoCommand{a: a, nodes: nodes, transfers: 4, size: leastDemoSize, pace: testPace}
}

func pidsIn(log string) (pids []int) {
	for _, m := range regexp.MustCompile(`\(pid ([0-9]+)\)`).FindAllStringSubmatch(log, -1) {
		pid, _ := strconv.Atoi(m[1])
		pids = append(pids, pid)
	}
	return pids
}

func expectNothingLeft(t *testing.T, temporary, log string, processes int) {
	t.Helper()
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	pids := pidsIn(log)
	if len(pids) != processes {
		t.Errorf("log\n%s", log)
	}
	for _, pid := range pids {
		process, err := os.FindProcess(pid)
		if err == nil {
			err = process.Signal(syscall.Signal(0)) // asks only whether it is there
		}
		if !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

// A node that does not start is explained by what it said last.
func TestDemoNodeThatDoesNotStart(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := demoFolders{root: t.TempDir(), state: t.TempDir(), files: "/nowhere/at/all"}
	n, err := launchDemoNode(t.Context(), program, "n7", f, "")
	if err != nil {
		t.Fatal(err)
	}
	if err = n.await(t.Context()); err == nil || !strings.Contains(err.Error(), "node n7 did not start: ") || !strings.Contains(err.Error(), "file-root") {
		t.Errorf("error %v", err)
	}
	if _, err = launchDemoNode(t.Context(), t.TempDir(), "n1", f, ""); describe(err).GetCode() != codeDemo {
		t.Errorf("error %v", err)
	}
}

// Settings in the environment are for other commands than the demo's node.
func TestDemoNodeIgnoresSettings(t *testing.T) {
	got := withoutSettings([]string{"HOME=/root", "GODWIT_API_ADDR=0.0.0.0:1", "NOT_GODWIT_X=1"})
	if strings.Join(got, " ") != "HOME=/root NOT_GODWIT_X=1" {
		t.Errorf("%q", got)
	}
}

func TestDemoOutputOfNode(t *testing.T) {
	f := &firstLine{line: make(chan string, 1)}
	for _, s := range []string{"http://127", ".0.0.1:7", "480\nmore\n", "and more\n"} {
		if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := <-f.line; got != "http://127.0.0.1:7480" {
		t.Errorf("%q", got)
	}
	var end tail
	for range keptLog {
		_, _ = end.Write([]byte("abc"))
	}
	_, _ = end.Write([]byte("the end\n"))
	if len(end.text) != keptLog || !strings.HasSuffix(end.String(), "abcthe end") {
		t.Errorf("%d bytes, %q", len(end.text), end.String())
	}
}

// reactive is a log that does something once a word appears in it.
type reactive struct {
	word  string
	react func(text string)
	once  sync.Once

	mu   sync.Mutex
	text bytes.Buffer
}

func (r *reactive) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	if bytes.Contains(r.text.Bytes(), []byte(r.word)) {
		r.once.Do(func() { r.react(r.text.String()) })
	}
	return len(p), nil
}

func (r *reactive) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
