package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"godwit/chaos"
)

// mixFlags adds the flags that belong to the mix alone.
func mixFlags(flags *flag.FlagSet) *chaos.MixOptions {
	o := new(chaos.MixOptions)
	flags.DurationVar(&o.Pause, "pause", 0, "mix: mean time between two faults")
	flags.BoolFunc("loopback", "mix: run all nodes on loopback, where nothing can cut them off from each other", func(string) error {
		o.Driver = chaos.Loopback{}
		return nil
	})
	flags.Func("only", "mix: kinds of faults that may strike, separated by commas; * ends a prefix", func(text string) error {
		for word := range strings.SplitSeq(text, ",") {
			found := false
			for _, n := range chaos.Nemeses {
				if prefix, ok := strings.CutSuffix(word, "*"); n.Kind == word || ok && strings.HasPrefix(n.Kind, prefix) {
					o.Only, found = append(o.Only, n.Kind), true
				}
			}
			if !found {
				return fmt.Errorf("no fault is of the kind %q", word)
			}
		}
		return nil
	})
	return o
}

// runMix runs a mix in this process. The exit code is that of run.
func runMix(o chaos.MixOptions) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	kept := o.Folder != ""
	var err error
	if !kept {
		if o.Folder, err = os.MkdirTemp("", "godwit-mix-"); err != nil {
			return 2, err
		}
	} else if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return 2, err
	}
	work, err := os.MkdirTemp("", "godwit-chaos-")
	if err != nil {
		return 2, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if o.Binary, err = chaos.Build(ctx, work, "history"); err != nil {
		return 2, err
	}
	began := time.Now()
	o.Logf = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	r, err := chaos.RunMix(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "logs and histories are in", o.Folder)
		return 2, err
	}
	fmt.Print(r.String())
	switch broken := len(r.Violations()) > 0; {
	case broken:
		fmt.Fprintln(os.Stderr, "logs and histories are in", o.Folder)
		return 1, nil
	case !kept:
		err = errors.Join(err, os.RemoveAll(o.Folder))
	}
	return 0, err
}
