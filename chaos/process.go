package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Build compiles the godwit command of this module, with build tags, into a
// folder and returns the binary's path.
func Build(ctx context.Context, folder string, tags ...string) (string, error) {
	bin := filepath.Join(folder, strings.Join(append([]string{"godwit"}, tags...), "-"))
	args := []string{"build", "-tags", strings.Join(tags, ","), "-o", bin}
	if slices.Contains(tags, clockTag) {
		// It replaces a function of the runtime, which linkers refuse otherwise.
		args = append(args, "-ldflags=-checklinkname=0")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "godwit/cmd/godwit")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build godwit: %w\n%s", err, out)
	}
	return bin, nil
}

// Process is one running godwit. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed

	stdout, stderr output
}

// output collects what a process prints. Its zero value is ready to use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
	// grown is closed at the next write, nil while nobody waits; guarded by mu.
	grown chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return o.buf.Write(p)
}

// find returns the text so far, and a channel that tells when there is more
// unless it holds want already.
func (o *output) find(want string) (text string, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text = o.buf.String()
	if strings.Contains(text, want) {
		return text, nil
	}
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	return text, o.grown
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Start runs a command in a process group of its own, with extra environment. On
// Linux it is killed when this process ends, in whatever way.
func Start(bin string, args, env []string) (*Process, error) {
	p := &Process{cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p, p.start(env)
}

// StartTo is Start for a process that prints to a file, of which it collects
// nothing.
func StartTo(file *os.File, bin string, args, env []string) (*Process, error) {
	p := &Process{cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = file, file
	return p, p.start(env)
}

func (p *Process) start(env []string) error {
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = attributes()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.cmd.Path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// Kill ends it as a power switch would, and waits until it is gone.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
	<-p.done
}

// Signal sends a signal to it.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Wait returns its exit code, or -1 when a signal ended it, or ctx's error.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// AwaitStdout returns once it has printed want. It fails when the process ends
// first, or with ctx.
func (p *Process) AwaitStdout(ctx context.Context, want string) error {
	return p.await(ctx, &p.stdout, want)
}

// AwaitStderr is AwaitStdout for standard error.
func (p *Process) AwaitStderr(ctx context.Context, want string) error {
	return p.await(ctx, &p.stderr, want)
}

func (p *Process) await(ctx context.Context, o *output, want string) error {
	for {
		text, more := o.find(want)
		if more == nil {
			return nil
		}
		select {
		case <-more:
		case <-p.done:
			// All output was collected before done was closed.
			if text, more = o.find(want); more == nil {
				return nil
			}
			return fmt.Errorf("wait for %q: the process ended with exit code %d\n%s%s",
				want, p.cmd.ProcessState.ExitCode(), text, p.Stderr())
		case <-ctx.Done():
			return fmt.Errorf("wait for %q: %w\n%s", want, context.Cause(ctx), text)
		}
	}
}

// Ended tells whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stdout is what it has printed to standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what it has printed to standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }
