package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

// waitCommand is one invocation of completion wait.
type waitCommand struct {
	a       *app
	target  target
	quiet   quietFlags
	timeout time.Duration
}

func newCompletionWait(a *app) *cobra.Command {
	c := &waitCommand{a: a}
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until a completion group has ended, its task included",
		Long: `Wait until a completion group is done or has failed, and print what it is then.

The exit code is 0 when all members completed, 7 when some failed or were canceled
or the group itself failed, 10 when --timeout was over before.`,
		Example: `  godwit completion wait release --timeout 2h
  godwit completion wait release -o json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if c.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, errTimedOut)
				defer cancel()
			}
			return a.with(ctx, c.target, func(s *session) error { return c.run(ctx, s, args[0]) })
		},
	}
	cmd.Flags().DurationVar(&c.timeout, "timeout", 0, "stop waiting after this time, such as 10m, with exit code 10; the group goes on")
	c.target.add(cmd)
	c.quiet.add(cmd.Flags())
	a.addOutput(cmd)
	return cmd
}

func (c *waitCommand) run(ctx context.Context, s *session, id string) error {
	last, err := s.WaitCompletionGroup(ctx, id, c.progress())
	if err != nil {
		c.howToGoOn(s, id, err)
		return err
	}
	if err := c.a.printCompletion(last); err != nil {
		return err
	}
	return endOfGroup(last)
}

// progress writes a line on standard error when something has changed.
func (c *waitCommand) progress() func(*pb.CompletionGroup) {
	if c.quiet.quiet || c.quiet.noProgress {
		return nil
	}
	said := ""
	return func(g *pb.CompletionGroup) {
		if line := completionSentence(g); line != said {
			said = line
			fmt.Fprintf(c.a.stderr, "%s: %s\n", printable(g.GetId()), line)
		}
	}
}

// endOfGroup derives the exit from what became of a group and its members.
func endOfGroup(g *pb.CompletionGroup) error {
	m := g.GetMembers()
	if bad := m.GetFailed() + m.GetCanceled(); bad > 0 {
		return &failure{code: codeSome, message: fmt.Sprintf("%d of %s failed or were canceled", bad, counted(int(m.GetTotal()), "member", "members"))}
	}
	if g.GetStatus() != pb.CompletionGroup_FAILED {
		return nil
	}
	message := "the completion group has failed"
	if why := errorText(g.GetError()); why != "" {
		message += ": " + why
	}
	return &failure{code: codeSome, message: message}
}

// howToGoOn tells a person who stopped waiting that the group goes on.
func (c *waitCommand) howToGoOn(s *session, id string, err error) {
	if s.embedded() || !unfinished(err) || c.quiet.quiet || c.a.format == formatJSON {
		return
	}
	again := quoteAll([]string{"godwit", "completion", "wait", id, "--server", strings.Join(s.servers, ",")})
	fmt.Fprintf(c.a.stderr, "The group goes on. To wait for it: %s\n", again)
}

// printCompletion is what a command leaves of a completion group on standard
// output.
func (a *app) printCompletion(g *pb.CompletionGroup) error {
	return a.print(g, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", printable(g.GetId()), completionSentence(g)) })
}
