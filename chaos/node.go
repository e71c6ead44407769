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
	"sync/atomic"
	"syscall"
	"time"

	"godwit/chaos/history"
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
	// Number counts nodes from 1.
	Number int
	// API, Remote and Gossip are host:port.
	API, Remote, Gossip string
	// Log is the file that all its lives print to, History the one that its
	// state writes are recorded in.
	Log, History string
	*client.Client

	driver Driver
	// wrap is a command that runs the binary under limits, or nothing.
	wrap   []string
	binary string
	args   []string
	env    []string
	folder string
	rec    *history.Recorder
	// doomed tells that a failpoint may end it, or any other node.
	doomed *atomic.Bool

	mu     sync.Mutex // guards what follows
	proc   Running    // the last one, nil before the first
	data   string     // its data folder
	lives  int
	paused bool
	// wanted tells that the harness has ended the present life, excused that it may
	// end before it is ready.
	wanted, excused bool
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

// Revive is Restart where faults may keep it from starting: then it may end.
func (n *Node) Revive(ctx context.Context, fresh bool) error {
	n.excuse(true)
	defer n.excuse(false)
	return n.Restart(ctx, fresh)
}

func (n *Node) excuse(yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.excused = yes
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
	proc, err := n.driver.Launch(n.Number, log, slices.Concat(n.wrap, []string{n.binary}, n.args, []string{"--data-dir", n.data}), n.env)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.proc, n.paused, n.wanted = proc, false, false
	n.rec.Add(history.Event{Node: n.Name, Life: n.lives, Process: &history.Process{Step: history.StepStart}})
	go n.recordEnd(proc, n.lives)
	return nil
}

// recordEnd waits for the end of a life and writes it down.
func (n *Node) recordEnd(proc Running, life int) {
	code, err := proc.Wait(context.Background())
	if err != nil {
		return // never: nothing ends the context
	}
	n.mu.Lock()
	wanted := n.proc != proc || n.wanted || n.excused || n.doomed.Load()
	n.mu.Unlock()
	n.rec.Add(history.Event{Node: n.Name, Life: life, Process: &history.Process{Step: history.StepEnd, Code: code, Wanted: wanted}})
}

// Life is the number of its present or last life, from 1.
func (n *Node) Life() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lives
}

// want says that the harness ends the present life.
func (n *Node) want() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = true
}

// AwaitReady returns when it says that it is ready. It fails when the process
// ends first, or with ctx.
func (n *Node) AwaitReady(ctx context.Context) error {
	for {
		if n.ready(ctx) {
			n.rec.Add(history.Event{Node: n.Name, Life: n.Life(), Process: &history.Process{Step: history.StepReady}})
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

func (n *Node) process() Running {
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
	n.want()
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
	if err := n.proc.Signal(sig); err != nil && !n.proc.Ended() {
		return fmt.Errorf("signal %s: %w", n.Name, err)
	}
	return nil
}

// Terminate asks it to drain and end, and returns its exit code.
func (n *Node) Terminate(ctx context.Context) (int, error) {
	p := n.process()
	if p == nil {
		return 0, fmt.Errorf("%s never ran", n.Name)
	}
	n.want()
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
