package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// getCommand is one invocation of get.
type getCommand struct {
	a       *app
	target  target
	spec    specFlags
	quiet   quietFlags
	out     string
	input   string
	detach  bool
	noStart bool
	timeout time.Duration
}

func newGet(a *app) *cobra.Command {
	g := &getCommand{a: a}
	cmd := &cobra.Command{
		Use:   "get URL [DEST]",
		Short: "Download a file, and go on where it was when run again",
		Long: `Download URL to DEST: a path, file:///path, or s3://bucket/key. Without DEST, or
with a folder, the name is the last segment of the URL.

The same command, run again after an interruption or a crash, goes on where it
was; when the result is already in place it says so. Without --server this
process does the work; several commands on one data folder share one node.`,
		Example: `  godwit get https://example.com/big.iso
  godwit get https://example.com/big.iso /srv/images/ --checksum sha256:4355a46b…
  godwit get -i urls.txt downloads/
  godwit get --server http://127.0.0.1:7480 --detach https://example.com/big.iso s3://bucket/big.iso`,
		Args: arguments(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g.spec.retriesGiven = cmd.Flags().Changed("retries")
			return g.run(cmd.Context(), args)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&g.out, "out", "O", "", "destination, the same as DEST")
	fs.StringVarP(&g.input, "input-file", "i", "", "`file` with one download a line, URL or URL<TAB>DEST; - for standard input")
	fs.BoolVar(&g.detach, "detach", false, "do not wait (with --server)")
	fs.BoolVar(&g.noStart, "no-start", false, "create the transfer without starting it")
	fs.DurationVar(&g.timeout, "timeout", 0, "stop waiting after this time, such as 10m; the transfer can be resumed")
	g.spec.add(cmd)
	g.target.add(cmd)
	g.quiet.add(fs)
	a.addOutput(cmd)
	return cmd
}

// run checks how the arguments go together and chooses one or many.
func (g *getCommand) run(ctx context.Context, args []string) error {
	if g.detach && len(g.target.servers) == 0 {
		return usagef("--detach needs --server: without one this process does the work")
	}
	if g.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, g.timeout, errTimedOut)
		defer cancel()
	}
	if g.input != "" {
		return g.runBatch(ctx, args)
	}
	t, err := g.request(args)
	if err != nil {
		return err
	}
	s, err := g.a.open(ctx, g.target)
	if err != nil {
		return err
	}
	err = g.one(ctx, s, t)
	if leaveErr := s.leave(); err == nil {
		err = leaveErr
	}
	return err
}

// request makes the transfer of the command line.
func (g *getCommand) request(args []string) (*pb.Transfer, error) {
	if len(args) == 0 {
		return nil, usagef("an argument is missing: godwit get URL [DEST]")
	}
	dest := g.out
	if len(args) == 2 {
		if g.out != "" {
			return nil, usagef("give the destination once: as DEST or with --out")
		}
		dest = args[1]
	}
	if !strings.Contains(args[0], "://") && strings.Contains(dest, "://") && !isStore(dest) {
		return nil, usagef("the URL comes first: godwit get URL [DEST]")
	}
	here, err := workingFolder()
	if err != nil {
		return nil, err
	}
	destination, err := here.resolve(dest, args[0])
	if err != nil {
		return nil, err
	}
	return g.spec.build(args[0], destination, g.a.stdin)
}

func isStore(url string) bool {
	return strings.HasPrefix(url, "s3://") || strings.HasPrefix(url, "file://")
}

func workingFolder() (folder, error) {
	current, err := os.Getwd()
	if err != nil {
		return folder{}, &failure{code: codeFile, message: "the current folder cannot be found", err: err}
	}
	return folder{current: current, isFolder: func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}}, nil
}

// one runs a single download to its end.
func (g *getCommand) one(ctx context.Context, s *session, want *pb.Transfer) error {
	q := acquirer{s: s, start: !g.noStart, derived: g.spec.id == ""}
	started := time.Now()
	found, err := q.acquire(ctx, want)
	if err != nil {
		g.howToGoOn(s, want.GetId(), err)
		return err
	}
	if secret := found.t.GetResolver().GetSecret(); secret != "" {
		fmt.Fprintf(g.a.stderr, "The resolver's secret, shown here only: %s\n", secret)
	}
	if found.done {
		return g.alreadyDone(found.t)
	}
	if g.detach || g.noStart {
		return g.leaveIt(found.t)
	}
	d := g.a.newDisplay(g.quiet, 1)
	before := position(found.t)
	last, err := followOne(ctx, s, found.t, d)
	d.close()
	if err != nil {
		g.howToGoOn(s, last.GetId(), err)
		return err
	}
	return g.finish(last, time.Since(started), position(last)-before)
}

func (g *getCommand) alreadyDone(t *pb.Transfer) error {
	return g.a.print(t, func(w io.Writer) {
		if !g.quiet.quiet {
			fmt.Fprintf(w, "%s  %s\n", summaryOfOld(t), "already complete")
		}
	})
}

// leaveIt prints the id, which is all that a script needs to come back.
func (g *getCommand) leaveIt(t *pb.Transfer) error {
	return g.a.print(t, func(w io.Writer) { fmt.Fprintln(w, printable(t.GetId())) })
}

func (g *getCommand) finish(t *pb.Transfer, elapsed time.Duration, fetched int64) error {
	if err := client.ErrorOf(t); err != nil {
		return err
	}
	return g.a.print(t, func(w io.Writer) {
		if !g.quiet.quiet {
			fmt.Fprintln(w, summary(t, elapsed, fetched))
		}
	})
}

// howToGoOn tells a person whose command stopped waiting how to come back. The
// id is empty after a batch.
func (g *getCommand) howToGoOn(s *session, id string, err error) {
	if !unfinished(err) || g.quiet.quiet || g.a.format == formatJSON {
		return
	}
	if !s.embedded() {
		watch := []string{"godwit", "transfer", "watch", id, "--server", strings.Join(s.servers, ",")}
		watch = slices.DeleteFunc(watch, func(word string) bool { return word == "" })
		fmt.Fprintf(g.a.stderr, "The transfer goes on. To watch it: %s\n", quoteAll(watch))
		return
	}
	fmt.Fprintf(g.a.stderr, "The transfer can be resumed. To go on: %s\n", sameCommand(g.a.args))
}
