package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// Why a command's context ended.
var (
	errInterrupted = errors.New("interrupted")
	errTimedOut    = errors.New("the time to wait is over")
)

// app is what all commands share: the streams, the environment, and how
// results and errors are written.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(string) (string, bool)
	args           []string
	join           joiner
	// format is what -o asks for; commands bind it.
	format format
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	silenceLibraries()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, lookup: os.LookupEnv, args: args, join: joinDataDir}
	ctx, stop := untilSignal(ctx)
	defer stop()
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return a.conclude(err)
}

// untilSignal ends the context at the first SIGINT or SIGTERM, and the process
// at the second.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for first := true; ; first = false {
			select {
			case <-signals:
				if !first {
					os.Exit(exitInterrupted)
				}
				cancel(errInterrupted)
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// isTerminal tells whether a stream is one a person looks at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colored tells whether words on the stream may have colours; see
// https://no-color.org.
func (a *app) colored(stream any) bool {
	value, set := a.lookup("NO_COLOR")
	kind, _ := a.lookup("TERM")
	return isTerminal(stream) && (!set || value == "") && kind != "dumb"
}
