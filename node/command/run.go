package command

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"godwit/transfer"
)

const (
	// killAfter is how long a command that was told to end may take to do so.
	killAfter = 5 * time.Second
	// searchPath is where a command finds the programs that it starts.
	searchPath = "/usr/bin:/bin"
)

// Request is one run.
type Request struct {
	// Name is that of a command.
	Name string
	// Task and Attempt say what it runs for; Input is what it reads.
	Task    string
	Attempt int
	Input   []byte
}

// Result is how a run ended.
type Result struct {
	// Exit is the exit code of a command that ended by itself.
	Exit    int
	HasExit bool
	// Output is the end of what it printed, both streams together, at most 64
	// KiB and not always text.
	Output string
	// Err is nil only after exit code 0. Its code is exec.unknown, exec.failed or
	// exec.timeout; when ctx ended, it wraps that error.
	Err *transfer.Error
}

// Run runs a command to its end. It returns only when the command's process
// group is gone.
func (r *Runner) Run(ctx context.Context, req Request) Result {
	p, known := r.commands[req.Name]
	switch {
	case !known:
		return Result{Err: failure(transfer.CodeCommand, req.Name, "no command of this name is configured here")}
	case ctx.Err() != nil:
		return Result{Err: canceled(req.Name, ctx.Err())}
	case !p.unchanged():
		return Result{Err: failure(transfer.CodeExecFailed, req.Name,
			"the program is not the file that it was when the node started; restart the node if that is right")}
	}
	timed, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	// The kernel kills the command when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out tail
	cmd := p.command(req, &out)
	cmd.WaitDelay = r.grace // for processes outside of the group that hold its output
	if err := cmd.Start(); err != nil {
		e := failure(transfer.CodeExecFailed, req.Name, "it could not be started")
		e.Err = err
		return Result{Err: e}
	}
	byItself := supervise(timed, cmd.Process.Pid, r.grace)
	// What Wait says is also in the state, except that a process outside of the
	// group kept the output open, which is no failure of the command.
	_ = cmd.Wait()
	res := Result{Output: out.String()}
	switch {
	case byItself:
		res.judge(req.Name, cmd.ProcessState.Sys())
	case ctx.Err() != nil:
		res.Err = canceled(req.Name, ctx.Err())
	default:
		res.Err = failure(transfer.CodeExecTimeout, req.Name, "it was ended after "+p.timeout.String())
	}
	return res
}

func (p prepared) command(req Request, out *tail) *exec.Cmd {
	return &exec.Cmd{
		Path: p.path, Args: p.argv, Dir: "/",
		Env: append(slices.Clone(p.env),
			"PATH="+searchPath, "GODWIT_TASK_ID="+req.Task, "GODWIT_TASK_ATTEMPT="+strconv.Itoa(req.Attempt)),
		Stdin: bytes.NewReader(req.Input), Stdout: out, Stderr: out,
		SysProcAttr: attributes(),
	}
}

// supervise returns when the leader of a process group has ended, having seen
// to it that no other process of the group is left. It tells whether the leader
// ended before ctx did. The leader is not waited for: while it is a zombie,
// nobody else can have its number.
func supervise(ctx context.Context, leader int, grace time.Duration) (byItself bool) {
	exited := make(chan struct{})
	go func() {
		awaitExit(leader)
		close(exited)
	}()
	select {
	case <-exited:
		byItself = true
	case <-ctx.Done():
		signalGroup(leader, syscall.SIGTERM)
		patience := time.NewTimer(grace)
		defer patience.Stop()
		select {
		case <-exited:
		case <-patience.C:
		}
	}
	signalGroup(leader, syscall.SIGKILL)
	<-exited
	return byItself
}

// judge says how a command that ended by itself has ended.
func (r *Result) judge(name string, state any) {
	status, ok := state.(syscall.WaitStatus)
	switch {
	case ok && status.Exited():
		r.Exit, r.HasExit = status.ExitStatus(), true
		if r.Exit != 0 {
			r.Err = failure(transfer.CodeExecFailed, name, fmt.Sprintf("it ended with exit code %d", r.Exit))
		}
	case ok && status.Signaled():
		r.Err = failure(transfer.CodeExecFailed, name, fmt.Sprintf("it was ended by signal %d", status.Signal()))
	default:
		r.Err = failure(transfer.CodeExecFailed, name, "nobody knows how it ended")
	}
}

func canceled(name string, cause error) *transfer.Error {
	e := failure(transfer.CodeExecFailed, name, "it was ended because its node stops")
	e.Err = cause
	return e
}

func failure(code transfer.Code, name, message string) *transfer.Error {
	return &transfer.Error{Code: code, Op: "run", Subject: name, Message: message}
}
