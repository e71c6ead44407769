package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// watchCommand is one invocation of transfer watch.
type watchCommand struct {
	a       *app
	target  target
	quiet   quietFlags
	timeout time.Duration
}

func newTransferWatch(a *app) *cobra.Command {
	w := &watchCommand{a: a}
	cmd := &cobra.Command{
		Use:   "watch [ID...]",
		Short: "Show progress until all transfers have ended",
		Long: `Show the progress of the transfers named, or of all that are under way, until all
have ended. With -o json each change is one line on standard output.`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			ctx := cmd.Context()
			if w.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, w.timeout, errTimedOut)
				defer cancel()
			}
			return a.with(ctx, w.target, func(s *session) error { return w.run(ctx, s, ids) })
		},
	}
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "stop watching after this time, such as 10m, with exit code 10")
	w.target.add(cmd)
	w.quiet.add(cmd.Flags())
	a.addOutput(cmd)
	return cmd
}

func (w *watchCommand) run(ctx context.Context, s *session, ids []string) error {
	ids, err := w.ids(ctx, s, ids)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if !w.quiet.quiet {
			fmt.Fprintln(w.a.stderr, "nothing is under way")
		}
		return nil
	}
	last, err := w.follow(ctx, s, ids)
	if err != nil {
		return err
	}
	w.sayEnd(last)
	return ended(last)
}

// ids are those named, or all that are under way.
func (w *watchCommand) ids(ctx context.Context, s *session, named []string) ([]string, error) {
	if len(named) > 0 {
		return named, nil
	}
	running, err := s.Current(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, op := range running {
		ids = append(ids, op.ID())
	}
	return ids, nil
}

func (w *watchCommand) follow(ctx context.Context, s *session, ids []string) (map[string]*pb.Transfer, error) {
	d := w.display(len(ids))
	defer d.close()
	last := make(map[string]*pb.Transfer, len(ids))
	for t, err := range s.Watch(ctx, ids...) {
		if err != nil {
			return nil, err
		}
		last[t.GetId()] = t
		switch w.a.format {
		case formatJSON:
			fmt.Fprintln(w.a.stdout, compactJSON(t))
		case formatYAML:
			fmt.Fprintln(w.a.stdout, "---")
			if err := w.a.print(t, nil); err != nil {
				return nil, err
			}
		default:
			d.show(t)
		}
	}
	return last, nil
}

// display is on standard error for people; other formats are the display.
func (w *watchCommand) display(expected int) display {
	if w.a.format != formatTable {
		return silent{w: w.a.stderr}
	}
	return w.a.newDisplay(w.quiet, expected)
}

// sayEnd writes how a single transfer ended well, as displays leave that to
// their command; a failure is the command's error.
func (w *watchCommand) sayEnd(last map[string]*pb.Transfer) {
	if w.a.format != formatTable || w.quiet.quiet || len(last) != 1 {
		return
	}
	for _, t := range last {
		if t.GetStatus() == pb.Transfer_COMPLETED {
			fmt.Fprintf(w.a.stdout, "%s  completed\n", summaryOfOld(t))
		}
	}
}

// ended derives the exit from what became of all: one transfer speaks for
// itself.
func ended(last map[string]*pb.Transfer) error {
	failed := 0
	var one error
	for _, t := range last {
		if err := client.ErrorOf(t); err != nil {
			failed++
			one = err
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(last) == 1:
		return one
	}
	return &failure{code: codeSome, message: fmt.Sprintf("%d of %d transfers have no result", failed, len(last))}
}
