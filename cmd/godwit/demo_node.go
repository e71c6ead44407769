package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// readyPause is how long the demo waits before it asks again whether a node
	// is ready.
	readyPause = 10 * time.Millisecond
	// startPatience bounds the start of a node.
	startPatience = 30 * time.Second
	// keptLog is how much of a node's log is kept to explain a failure, in bytes.
	keptLog = 2 << 10
)

// demoNode is a godwit serve in a process of its own.
type demoNode struct {
	name string
	cmd  *exec.Cmd
	// url of its API, once it is awaited.
	url     string
	address *firstLine
	log     *tail
	// killed: its end was meant.
	killed atomic.Bool
	// gone is closed when the process has ended.
	gone chan struct{}
}

// launchDemoNode runs this program again as a node that joins the one with the
// given gossip address, if there is one. The process dies with the context.
func launchDemoNode(ctx context.Context, program, name string, f demoFolders, join string) (*demoNode, error) {
	n := &demoNode{name: name, address: &firstLine{line: make(chan string, 1)}, log: &tail{}, gone: make(chan struct{})}
	stateURL := url.URL{Scheme: "dir", Path: f.state}
	const anyPort = "127.0.0.1:0"
	args := []string{
		"serve", "--name", name, "--data-dir", f.data(name), "--file-root", f.files,
		"--state-store", stateURL.String(), "--secrets-key-file", f.key, "--egress-allow", "127.0.0.1/32",
		"--api-addr", anyPort, "--remote-addr", anyPort, "--gossip-addr", anyPort,
	}
	if join != "" {
		args = append(args, "--join", join)
	}
	n.cmd = exec.CommandContext(ctx, program, args...)
	n.cmd.Args[0] = "godwit" // in a list of processes; program may be a file that go run made
	n.cmd.Env = withoutSettings(os.Environ())
	n.cmd.SysProcAttr = dieWithParent()
	n.cmd.Stdout, n.cmd.Stderr = n.address, n.log
	if err := n.cmd.Start(); err != nil {
		return nil, &failure{code: codeDemo, message: fmt.Sprintf("node %s cannot be started: %v", name, err), err: err}
	}
	go func() {
		_ = n.cmd.Wait() // it ends by being killed
		close(n.gone)
	}()
	return n, nil
}

// await returns when the node is ready. The error tells what it said last.
func (n *demoNode) await(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	select {
	case n.url = <-n.address.line:
		if n.waitReady(limit) {
			return nil
		}
	case <-n.gone:
	case <-limit.Done():
	}
	n.kill()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return n.explain("did not start")
}

// explain makes an error of what became of a node that has ended, with what it
// said last.
func (n *demoNode) explain(what string) error {
	return &failure{code: codeDemo, message: fmt.Sprintf("node %s %s: %s", n.name, what, n.log)}
}

// waitReady returns false when the process or the context ends first.
func (n *demoNode) waitReady(ctx context.Context) bool {
	for {
		if n.ready(ctx) {
			return true
		}
		select {
		case <-n.gone:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(readyPause):
		}
	}
}

func (n *demoNode) ready(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (n *demoNode) pid() int { return n.cmd.Process.Pid }

// kill ends the process without giving it a chance to do anything, as kill -9
// does, and returns when it is gone.
func (n *demoNode) kill() {
	n.killed.Store(true)
	_ = n.cmd.Process.Kill() // fails only if it has ended already
	<-n.gone
}

// withoutSettings leaves out the variables that are settings of godwit: they
// are not meant for the demo's nodes.
func withoutSettings(environment []string) []string {
	var kept []string
	for _, v := range environment {
		if !strings.HasPrefix(v, "GODWIT_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// firstLine is a writer that hands over the first line and drops the rest.
type firstLine struct {
	line chan string // with room for one
	text []byte
	done bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.done {
		f.text = append(f.text, p...)
		if line, _, found := bytes.Cut(f.text, []byte("\n")); found {
			f.line <- string(line)
			f.done = true
		}
	}
	return len(p), nil
}

// tail is a writer that keeps the end of what is written. It may be read when
// nothing is written any more.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - keptLog; extra > 0 {
		t.text = append([]byte(nil), t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
