package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// sample is what one run of a command took.
type sample struct {
	wall time.Duration
	// cpu is user and system time of the process and of those it waited for.
	cpu time.Duration
	// rss is the peak of resident memory in bytes, of the largest of them.
	rss int64
}

// command is a process to run: program, arguments and what the environment
// has besides ours.
type command struct {
	argv []string
	env  []string
	dir  string
}

// errTail is how much of what a failed command wrote is shown, in bytes.
const errTail = 500

// measure runs a command to its end. A command that fails, or is not done in
// time, is an error with the end of what it wrote.
func measure(ctx context.Context, c command) (sample, error) {
	var output tail
	cmd := c.prepare(ctx, &output)
	started := time.Now()
	err := cmd.Run()
	s := sample{wall: time.Since(started)}
	if err != nil {
		return s, fmt.Errorf("%s: %w: %s", c.argv[0], errors.Join(err, context.Cause(ctx)), output.String())
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.rss = usage.Maxrss << 10 // Linux counts in KiB
	}
	return s, nil
}

// prepare makes the process: in a group of its own, so that all of it can be
// killed.
func (c command) prepare(ctx context.Context, output io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	return cmd
}

// killGroup sends SIGKILL to a process and its children.
func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - errTail; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String is what was kept, on one line.
func (t *tail) String() string { return strings.Join(strings.Fields(string(t.kept)), " ") }
