package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the whole program: the report goes to stdout, progress to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.serveDiscard {
		return serveDiscard(ctx)
	}
	s, err := newStage(ctx, o, stderr)
	defer s.close()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Machine: %s.\n\nTools: %s.\n", describeMachine(s.dir), s.programs.versions(ctx))
	if o.scenario == "kill" {
		return compareKills(ctx, o, s, stdout)
	}
	return compareSpeed(ctx, o, s, stdout)
}
