package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newNode(a *app) *cobra.Command {
	return group("node", "Look at the nodes of a cluster and operate on them",
		`  godwit node ls --server http://127.0.0.1:7480
  godwit node drain n1 --server http://10.0.0.1:7480,http://10.0.0.2:7480
  godwit node uncordon n1`,
		newNodeLs(a), newNodeShow(a), newNodeDrain(a),
		newNodeCommand(a, nodeVerb{"cordon", "Give a node nothing new; it keeps what it has", (*session).Cordon}),
		newNodeCommand(a, nodeVerb{"uncordon", "Take back a cordon or a drain", (*session).Uncordon}),
	)
}

// withCluster opens a session with servers: a node that is embedded in this
// process has no others.
func (a *app) withCluster(ctx context.Context, t target, do func(*session) error) error {
	if len(t.servers) == 0 {
		return usagef("--server is missing: name a server of the cluster, such as --server http://127.0.0.1:7480")
	}
	return a.with(ctx, t, do)
}

func newNodeLs(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the nodes of the cluster with what they run",
		Example: `  godwit node ls --server http://127.0.0.1:7480
  GODWIT_SERVER=http://10.0.0.1:7480,http://10.0.0.2:7480 godwit node ls -o json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withCluster(cmd.Context(), t, func(s *session) error {
				found, err := s.Nodes(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(&pb.ListNodesResponse{Nodes: found}, func(w io.Writer) { a.nodeTable(w, found) })
			})
		},
	}
	t.addServers(cmd)
	a.addOutput(cmd)
	return cmd
}

func newNodeShow(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show all that is known of a node",
		Example: `  godwit node show n1 --server http://127.0.0.1:7480`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCluster(cmd.Context(), t, func(s *session) error {
				found, err := s.Node(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(found, func(w io.Writer) { nodeDetails(w, found) })
			})
		},
		ValidArgsFunction: a.completeNodes(&t),
	}
	t.addServers(cmd)
	a.addOutput(cmd)
	return cmd
}

// nodeVerb is a command that does one thing to a node.
type nodeVerb struct {
	name, short string
	do          func(*session, context.Context, string) (*pb.Node, error)
}

func newNodeCommand(a *app, v nodeVerb) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     v.name + " NAME",
		Short:   v.short,
		Example: fmt.Sprintf("  godwit node %s n1 --server http://127.0.0.1:7480", v.name),
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCluster(cmd.Context(), t, func(s *session) error {
				changed, err := v.do(s, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printNode(changed)
			})
		},
		ValidArgsFunction: a.completeNodes(&t),
	}
	t.addServers(cmd)
	a.addOutput(cmd)
	return cmd
}

// completionTimeout is how long a shell waits for the names of nodes.
const completionTimeout = 2 * time.Second

// completeNodes completes a name with those that the servers know.
func (a *app) completeNodes(t *target) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || fromEnvironment(cmd.Flags(), a.lookup) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var names []string
		err := a.withCluster(ctx, *t, func(s *session) error {
			found, err := s.Nodes(ctx)
			for _, n := range found {
				names = append(names, printable(n.GetName()))
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // a shell has no place for an error
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
