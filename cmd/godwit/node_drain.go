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

// drainCommand is one invocation of node drain.
type drainCommand struct {
	a       *app
	target  target
	quiet   quietFlags
	timeout time.Duration
}

func newNodeDrain(a *app) *cobra.Command {
	d := &drainCommand{a: a}
	cmd := &cobra.Command{
		Use:   "drain NAME",
		Short: "Make a node give away all that it has, and wait until it has nothing left",
		Long: `Make a node give all its shards and transfers to the others, and wait until it has
nothing left; then it can be stopped without anybody waiting for it. Until
'godwit node uncordon NAME' it is given nothing and is not ready.

Interrupting this command ends the wait, not the drain.`,
		Example: `  godwit node drain n1 --server http://10.0.0.2:7480,http://10.0.0.3:7480
  godwit node drain n1 --timeout 5m -o json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if d.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, d.timeout, errTimedOut)
				defer cancel()
			}
			return a.withCluster(ctx, d.target, func(s *session) error { return d.run(ctx, s, args[0]) })
		},
		ValidArgsFunction: a.completeNodes(&d.target),
	}
	cmd.Flags().DurationVar(&d.timeout, "timeout", 0, "stop waiting after this time, such as 10m, with exit code 10; the drain goes on")
	d.target.addServers(cmd)
	d.quiet.add(cmd.Flags())
	a.addOutput(cmd)
	return cmd
}

func (d *drainCommand) run(ctx context.Context, s *session, name string) error {
	progress := d.a.stderr
	if d.quiet.quiet || d.quiet.noProgress {
		progress = io.Discard
	}
	drained, begun, err := followDrain(ctx, s, name, progress)
	if err != nil {
		if begun {
			d.howToGoOn(s, name, err)
		}
		return err
	}
	return d.a.printNode(drained)
}

// drainer is what a drain needs of a client.
type drainer interface {
	Node(ctx context.Context, name string) (*pb.Node, error)
	Drain(ctx context.Context, name string) (*pb.Node, error)
}

// followDrain drains a node and writes now and then what is left. Begun tells
// whether the drain may be under way.
func followDrain(ctx context.Context, c drainer, name string, progress io.Writer) (drained *pb.Node, begun bool, err error) {
	before, err := c.Node(ctx, name)
	if err != nil {
		return nil, false, err
	}
	fmt.Fprintf(progress, "%s: draining, it has %s\n", printable(name), load(before))
	done := make(chan struct{})
	go func() {
		defer close(done)
		drained, err = c.Drain(ctx, name)
	}()
	ticker := time.NewTicker(lineInterval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return drained, true, err
		case <-ticker.C:
			sayLeft(ctx, c, name, progress)
		}
	}
}

// sayLeft asks what a node still has. Whether it can be asked is not this
// command's concern: the drain itself tells.
func sayLeft(ctx context.Context, c drainer, name string, progress io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, lineInterval)
	defer cancel()
	if now, err := c.Node(ctx, name); err == nil {
		fmt.Fprintf(progress, "%s: %s, %s left\n", printable(name), stateText(now), load(now))
	}
}

// howToGoOn tells a person who stopped waiting that the node drains all the same.
func (d *drainCommand) howToGoOn(s *session, name string, err error) {
	if !unfinished(err) || d.quiet.quiet || d.a.format == formatJSON {
		return
	}
	command := func(verb string) string {
		return quoteAll([]string{"godwit", "node", verb, name, "--server", strings.Join(s.servers, ",")})
	}
	fmt.Fprintf(d.a.stderr, "The drain goes on. To wait for it: %s\n  To end it: %s\n", command("drain"), command("uncordon"))
}
