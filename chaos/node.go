package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"godwit/client"
)

// glance is how long the harness waits before it asks a node again.
const glance = 20 * time.Millisecond

// tailLines is how much of a log explains a failure.
const tailLines = 60

// Node is one member of a cluster, dead or alive. Its name and addresses stay
// the same over all its lives. Its methods are safe for concurrent use.
type Node struct {
	Name string
	// API, Remote and Gossip are host:port.
	API, Remote, Gossip string
	// Log is the file that all its lives print to, History the one that its
	// state writes are recorded in.
	Log, History string
	*client.Client

	// command is what runs the binary: itself, or ip netns exec.
	command []string
	args    []string
	env     []string
	folder  string

	mu     sync.Mutex // guards what follows
	proc   *Process   // the last one, nil before the first
	data   string     // its data folder
	lives  int
	paused bool
}

// URL is that of its API.
func (n *Node) URL() string { return "http://" + n.API }

// Start runs it and returns when it is ready.
func (n *Node) Start(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.AwaitReady(ctx)
}

// Restart is Start, with another data folder if it is to be fresh, as on
// another machine.
func (n *Node) Restart(ctx context.Context, fresh bool) error {
	if fresh {
		n.mu.Lock()
		n.data = ""
		n.mu.Unlock()
	}
	return n.Start(ctx)
}

func (n *Node) launch() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && !n.proc.Ended() {
		return fmt.Errorf("%s runs already", n.Name)
	}
	n.lives++
	if n.data == "" {
		n.data = filepath.Join(n.folder, fmt.Sprintf("data-%s-%d", n.Name, n.lives))
	}
	log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	defer log.Close() // the process has its own
	fmt.Fprintf(log, "life %d of %s begins\n", n.lives, n.Name)
	command := append(append(n.command[:len(n.command):len(n.command)], n.args...), "--data-dir", n.data)
	n.proc, err = StartTo(log, command[0], command[1:], n.env)
	n.paused = false
	return err
}

// AwaitReady returns when it says that it is ready. It fails when the process
// ends first, or with ctx.
func (n *Node) AwaitReady(ctx context.Context) error {
	for {
		if n.ready(ctx) {
			return nil
		}
		if p := n.process(); p == nil || p.Ended() {
			return fmt.Errorf("%s ended before it was ready:\n%s", n.Name, n.Tail())
		}
		if err := idle(ctx, glance); err != nil {
			return fmt.Errorf("%s does not become ready: %w\n%s", n.Name, err, n.Tail())
		}
	}
}

var glimpse = &http.Client{Timeout: 5 * time.Second}

func (n *Node) ready(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := glimpse.Do(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (n *Node) process() *Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// Live tells whether its process runs and is not paused.
func (n *Node) Live() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc != nil && !n.proc.Ended() && !n.paused
}

// Kill ends it as a power switch would, and returns when it is gone.
func (n *Node) Kill() {
	if p := n.process(); p != nil {
		p.Kill()
	}
}

// Pause stops its process until Continue, as a machine does that hangs.
func (n *Node) Pause() error { return n.stop(syscall.SIGSTOP, true) }

// Continue ends a pause.
func (n *Node) Continue() error { return n.stop(syscall.SIGCONT, false) }

func (n *Node) stop(sig syscall.Signal, paused bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("%s never ran", n.Name)
	}
	n.paused = paused
	return n.proc.Signal(sig)
}

// Terminate asks it to drain and end, and returns its exit code.
func (n *Node) Terminate(ctx context.Context) (int, error) {
	p := n.process()
	if p == nil {
		return 0, fmt.Errorf("%s never ran", n.Name)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("terminate %s: %w", n.Name, err)
	}
	code, err := p.Wait(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s does not end: %w\n%s", n.Name, err, n.Tail())
	}
	return code, nil
}

// Tail is the end of its log.
func (n *Node) Tail() string {
	text, err := os.ReadFile(n.Log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return fmt.Sprintf("the end of %s:\n%s", n.Log, bytes.Join(lines[max(len(lines)-tailLines, 0):], nil))
}

// Memory is how much resident memory it has and how much it had at most, in
// bytes. It can be read on Linux only.
func (n *Node) Memory() (now, most int64, err error) {
	p := n.process()
	if p == nil {
		return 0, 0, fmt.Errorf("%s never ran", n.Name)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of %s: %w", n.Name, err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if k, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); k == 1 {
			now = kib << 10
		}
		if k, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); k == 1 {
			most = kib << 10
		}
	}
	return now, most, nil
}

// complaints are lines of its log that no fault explains. What the gossip library
// says of others that do not answer is explained, and so is what has one of these
// parts.
func (n *Node) complaints(explained ...string) []string {
	text, err := os.ReadFile(n.Log)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		known := slices.ContainsFunc(explained, func(part string) bool { return strings.Contains(line, part) })
		ours := strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, `"msg":"gossip"`) && !known
		if ours || strings.HasPrefix(line, "panic:") || strings.Contains(line, "fatal error:") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
