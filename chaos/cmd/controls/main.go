// Command controls proves that the checkers of package chaos can fail: it runs
// nodes with a seeded bug until a checker complains, for each bug of package bug:
//
//	go run ./chaos/cmd/controls -bug no_backoff
//
// Each scene is played by healthy nodes before, which must not be complained of.
// It exits with 1 when a bug escapes, or a healthy node does not. Origins and
// stores are those of the tests, which programs do not carry, so it compiles the
// tests of package chaos and has them do the work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"godwit/bug"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "controls:", err)
	}
	os.Exit(code)
}

// run returns the exit code: 0 when every bug was caught, 1 when one escaped, 2
// when nothing could be tried.
func run(args []string) (int, error) {
	flags := flag.NewFlagSet("controls", flag.ContinueOnError)
	bugs := flags.String("bug", "all", "the bugs to look for, with commas between; see the list below")
	budget := flags.Int("budget", 20, "how often a scene is repeated, with seeds from 1 on, until a checker complains")
	flags.Usage = func() {
		flags.PrintDefaults()
		for _, b := range bug.All {
			fmt.Fprintln(flags.Output(), "  ", b)
		}
	}
	if err := flags.Parse(args); err != nil {
		return 2, nil // it was told already
	}
	work, err := os.MkdirTemp("", "godwit-controls-")
	if err != nil {
		return 2, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	tests := filepath.Join(work, "chaos.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", tests, "godwit/chaos")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 2, fmt.Errorf("compile the scenes: %w", err)
	}
	cmd := exec.CommandContext(ctx, tests, "-test.run=^TestAskedControls$", "-test.timeout=0",
		"-control.bug="+*bugs, "-control.budget="+strconv.Itoa(*budget))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends its nodes
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	var ended *exec.ExitError
	if err := cmd.Run(); errors.As(err, &ended) {
		return 1, nil
	} else if err != nil {
		return 2, err
	}
	return 0, nil
}
