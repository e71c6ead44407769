// Command chaos runs the mix of package chaos, random faults under a load of
// everything, for as long as it is told to:
//
//	go run ./chaos/cmd/chaos -duration 1h -seed 7
//
// or puts one scenario on, for a person who watches:
//
//	go run ./chaos/cmd/chaos -scenario kill -nodes 3 -store s3 -kills 50 -seed 7
//
// -judge judges again what a mix has left in its -folder.
//
// The servers of a scenario end with a test, so it compiles the tests of package
// chaos and has them run the scenario.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"godwit/chaos"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	os.Exit(code)
}

// run returns the exit code: 0 when every promise held, 1 when not, 2 when the
// scenario was not understood.
func run(args []string) (int, error) {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	name := flags.String("scenario", "", "the scenario, one of the list below")
	folder := flags.String("folder", "", "where nodes work and log; kept if it is given, or if a promise is broken")
	nodes := flags.Int("nodes", 3, "how many nodes")
	store := flags.String("store", "", "where state and results are: dir, mixed (state in a folder, results in S3), s3 (versitygw) or, for the mix, memory (S3 in the harness); s3 for the mix, dir for scenarios, if it is not given")
	seed := flags.Uint64("seed", 1, "seed of all decisions")
	flags.String("bug", "", "scenarios: the seeded bug that nodes have, one of package bug; none is what users run")
	flags.String("driver", "", "scenario: docker runs each node in a container; if it is not given, nodes run as the scenario needs")
	judge := flags.String("judge", "", "the folder of a mix that was kept: judge and draw its histories again")
	params := new(chaos.Params)
	params.Register(flags, "")
	mix := mixFlags(flags)
	flags.Usage = func() {
		flags.PrintDefaults()
		for _, s := range chaos.Scenarios {
			fmt.Fprintf(flags.Output(), "%12s  %s\n", s.Name, s.About)
		}
	}
	if err := flags.Parse(args); err != nil {
		return 2, nil // it was told already
	}
	if *judge != "" {
		r, err := chaos.JudgeAgain(*judge)
		if err != nil {
			return 2, err
		}
		fmt.Print(r.Judgement())
		return min(len(r.Violations()), 1), nil
	}
	if *name == "" {
		if flags.Lookup("driver").Value.String() != "" {
			return 2, errors.New("the mix needs links between nodes that it can cut, which containers do not have: name a scenario")
		}
		mix.Nodes, mix.Store, mix.Seed, mix.Folder = *nodes, *store, *seed, *folder
		mix.Duration, mix.Transfers, mix.Size, mix.Rate = params.Duration, params.Transfers, params.Size, params.Rate
		return runMix(*mix)
	}
	if _, err := chaos.FindScenario(*name); err != nil {
		return 2, err
	}
	work, err := os.MkdirTemp("", "godwit-chaos-")
	if err != nil {
		return 2, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	binary := filepath.Join(work, "chaos.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "godwit/chaos")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 2, fmt.Errorf("compile the scenario: %w", err)
	}
	kept := *folder != ""
	if !kept {
		if *folder, err = os.MkdirTemp("", "godwit-scenario-"); err != nil {
			return 2, err
		}
	}
	if *folder, err = filepath.Abs(*folder); err != nil {
		return 2, err
	}
	code, err := put(binary, flags, *folder)
	switch {
	case code == 0 && !kept:
		err = errors.Join(err, os.RemoveAll(*folder))
	default:
		fmt.Fprintln(os.Stderr, "logs and histories are in", *folder)
	}
	return code, err
}

// put has the tests run the scenario.
func put(binary string, flags *flag.FlagSet, folder string) (int, error) {
	args := []string{"-test.run=^TestAskedScenario$", "-test.timeout=0", "-scenario.folder=" + folder}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "folder" {
			args = append(args, "-scenario."+f.Name+"="+f.Value.String())
		}
	})
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	// The scenario ends its nodes when it is told to stop. A terminal tells it
	// itself.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for s := range stop {
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s) // it may have ended
			}
		}
	}()
	var ended *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &ended) {
		return 1, nil
	} else if err != nil {
		return 2, err
	}
	return 0, nil
}
