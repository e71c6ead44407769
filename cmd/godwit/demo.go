package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// codeDemo is the code of a demo that did not show what it should.
const codeDemo = "demo.failed"

const (
	mebibyte = 1 << 20
	// leastDemoSize is the least size of a file in bytes: what is much smaller is
	// fetched as one part, of which nothing is left after a kill.
	leastDemoSize = 8 * mebibyte
	// mostDemoTransfers all get a slot of one node at once.
	mostDemoTransfers = 32
	// demoParts is how many parts a file has at least, so that the parts in
	// flight are a small share of it.
	demoParts = 16
	// demoConnections is how many parts of a file are in flight at most: as many
	// as the file has, and a kill would leave nothing.
	demoConnections = 4
	// mostDemoPart is the size of a part that a node chooses for files, in bytes.
	mostDemoPart = 4 * mebibyte
	// demoPace is how long the origin takes for a file: long enough to be
	// followed, and for a node to record progress several times.
	demoPace = 9 * time.Second
	// killAtPercent of all bytes a node is killed if progress of every file is
	// recorded by then; at mostKillPercent it is killed anyway.
	killAtPercent   = 40
	mostKillPercent = 75
	// mostInFlight is how many bytes of a transfer may be on their way at a time.
	mostInFlight = 64 * mebibyte
	// mayWaste is how many bytes of a transfer may be sent for nothing although
	// its node lives: what lies in the sockets of its connections when one of
	// them has to stop, because another one goes on from there.
	mayWaste = demoConnections * mebibyte / 2
	// mostDemoNodes are processes that one machine still carries.
	mostDemoNodes = 9
	// demoLineInterval is how often progress is written as lines.
	demoLineInterval = 2 * time.Second
	// demoPatience bounds the whole demo, with another second for each
	// slowMachine bytes.
	demoPatience = time.Minute
	slowMachine  = 4 * mebibyte
)

// demoCommand is one invocation of demo.
type demoCommand struct {
	a          *app
	nodes      int
	transfers  int
	size       int64
	noProgress bool
	// pace is how long the origin takes for a file; tests have no time.
	pace time.Duration
	// corrupt makes the origin send wrong bytes, so that a test can see the demo
	// fail.
	corrupt bool
}

func newDemo(a *app) *cobra.Command {
	d := &demoCommand{a: a, pace: demoPace}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch downloads survive a kill -9",
		Long: `See the main job done in about ten seconds: several nodes, each in a process of
its own, download files from a server inside this command. The node that has
most of the downloads is killed with kill -9 half-way; the others take them over
and go on where it was, while their own downloads go on undisturbed. Then every
file is compared with its origin, and what had to be fetched twice is counted.
The downloads are one completion group: when all have ended, a webhook is called,
once, here.

With --nodes 1 there is nobody to take over: the node is started again on the
same data folder, and goes on by itself.

Nothing is needed and nothing is left: the network is 127.0.0.1, the files and
the nodes' state are in a temporary folder. The exit code is 0 only if
everything held.`,
		Example: `  godwit demo
  godwit demo --nodes 5 --transfers 8 --size 256MiB
  godwit demo -o json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	fs := cmd.Flags()
	d.size = 64 * mebibyte
	fs.IntVar(&d.nodes, "nodes", 3, "nodes to start; with 1 the killed one is started again")
	fs.IntVar(&d.transfers, "transfers", 4, "files to download at a time")
	fs.Var((*bytesFlag)(&d.size), "size", "size of each file")
	fs.BoolVar(&d.noProgress, "no-progress", false, "do not show progress")
	a.addOutput(cmd)
	return cmd
}

// run checks the flags, plays the demo and prints what came of it.
func (d *demoCommand) run(ctx context.Context) error {
	if err := d.validate(); err != nil {
		return err
	}
	plan := planDemo(d.nodes, d.transfers, d.size, d.pace)
	limit, cancel := context.WithTimeoutCause(ctx, plan.patience, errDemoStuck)
	defer cancel()
	found, err := d.play(limit, plan)
	if err != nil && errors.Is(context.Cause(limit), errDemoStuck) {
		return &failure{code: codeDemo, message: errDemoStuck.Error(), err: err}
	}
	if err != nil {
		return err
	}
	report := judgeDemo(found, plan)
	if err := d.print(report, plan); err != nil {
		return err
	}
	if !report.OK {
		return &failure{code: codeDemo, message: "not everything in the demo held"}
	}
	return nil
}

var errDemoStuck = errors.New("the demo did not come to an end in time")

func (d *demoCommand) validate() error {
	switch {
	case d.nodes < 1 || d.nodes > mostDemoNodes:
		return usagef("--nodes: use 1 to %d", mostDemoNodes)
	case d.transfers < 1 || d.transfers > mostDemoTransfers:
		return usagef("--transfers: use 1 to %d", mostDemoTransfers)
	case d.size < leastDemoSize:
		return usagef("--size: use at least %s, so that a kill can fall in the middle", exactBytes(leastDemoSize))
	}
	return nil
}

// play stages the demo and cleans up after it, however it ends.
func (d *demoCommand) play(ctx context.Context, plan demoPlan) (found demoFindings, err error) {
	program, err := os.Executable()
	if err != nil {
		return demoFindings{}, &failure{code: codeDemo, message: "this program does not find itself", err: err}
	}
	s := &demoStage{plan: plan, cluster: demoCluster{program: program}, display: d.display()}
	defer func() {
		if cleanErr := s.close(); err == nil {
			err = cleanErr
		}
	}()
	if err := s.open(d.corrupt); err != nil {
		return demoFindings{}, err
	}
	return s.play(ctx)
}

func (d *demoCommand) display() display {
	if !d.noProgress && !isTerminal(d.a.stderr) {
		return newLines(d.a.stderr, d.transfers, demoLineInterval, time.Now)
	}
	return d.a.newDisplay(quietFlags{noProgress: d.noProgress}, d.transfers)
}

// demoPlan is what a demo does, in numbers.
type demoPlan struct {
	nodes, transfers int
	// size of each file, partSize of its parts, in bytes.
	size, partSize int64
	// rate of the origin for each file in bytes a second.
	rate int64
	// killAt is how many bytes are sent in all before a node is killed, and
	// mostKillAt after how many it is killed in any case.
	killAt, mostKillAt int64
	patience           time.Duration
}

func planDemo(nodes, transfers int, size int64, pace time.Duration) demoPlan {
	p := demoPlan{
		nodes:     nodes,
		transfers: transfers,
		size:      size,
		partSize:  min(size/demoParts, mostDemoPart),
		rate:      int64(float64(size) / pace.Seconds()),
	}
	p.killAt = p.all() / 100 * killAtPercent
	p.mostKillAt = p.all() / 100 * mostKillPercent
	p.patience = demoPatience + time.Duration(p.all()/slowMachine)*time.Second
	return p
}

// all is the size of all files in bytes.
func (p demoPlan) all() int64 { return int64(p.transfers) * p.size }

// mayRefetch is how many bytes of one file a kill may cost: the parts that were
// on their way.
func (p demoPlan) mayRefetch() int64 { return min(demoConnections*p.partSize, mostInFlight) + mayWaste }

// file is the name of the n-th file, counted from 1.
func (p demoPlan) file(n int) string { return fmt.Sprintf("file-%d.bin", n) }

// id is the id of the n-th transfer.
func (p demoPlan) id(n int) string { return fmt.Sprintf("demo-%d", n) }
