package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	pb "godwit/protos/godwit/v1"
)

func newGroup(a *app) *cobra.Command {
	brief := func(g *pb.Group) error { return a.printGroup(g) }
	return group("group", "Make queues of transfers: in which order they run, and how many at a time",
		`  godwit group create nightly --behavior serialized
  godwit get --group nightly --detach https://example.com/big.iso s3://bucket/big.iso
  godwit group move nightly ID --first`,
		newGroupCreate(a), newGroupLs(a),
		newVerbOn(a, verbOn[*pb.Group]{
			use: "show NAME", short: "Show a group and the order of its members",
			example: "  godwit group show nightly", do: (*session).Group,
			print: func(g *pb.Group) error {
				return a.print(g, func(w io.Writer) { groupDetails(w, g) })
			},
		}),
		newGroupSet(a),
		newRemove(a, "rm NAME", "Remove a group none of whose members is under way", "  godwit group rm nightly",
			&pb.DeleteGroupResponse{}, func(s *session, ctx context.Context, name string) error { return s.DeleteGroup(ctx, name) }),
		newVerbOn(a, verbOn[*pb.Group]{
			use: "pause NAME", short: "Let no member run; bytes are kept",
			example: "  godwit group pause nightly", do: (*session).PauseGroup, print: brief,
		}),
		newVerbOn(a, verbOn[*pb.Group]{
			use: "resume NAME", short: "Take back a pause of the group",
			example: "  godwit group resume nightly", do: (*session).ResumeGroup, print: brief,
		}),
		newGroupMove(a),
	)
}

// groupFlags are the settings of a group.
type groupFlags struct {
	behavior string
	limit    int32
	strict   bool
}

func (f *groupFlags) add(cmd *cobra.Command) {
	addWord(cmd, &f.behavior, "behavior", "", "how members run (parallel unless said)", "parallel", "serialized")
	cmd.Flags().Int32Var(&f.limit, "limit", 0, "how many members run at a time; 0 is no limit")
	cmd.Flags().BoolVar(&f.strict, "strict-order", false, "nothing overtakes a member that is paused or waits to try again")
}

func (f *groupFlags) word() pb.Group_Behavior {
	return enum[pb.Group_Behavior](pb.Group_Behavior_value, f.behavior)
}

func newGroupCreate(a *app) *cobra.Command {
	var t target
	var f groupFlags
	var labels []string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a group; transfers that name one make it too",
		Long: `Make a group. A transfer that names a group that is not there makes it, with the
settings of a group that nobody has set. The same command again finds the group.`,
		Example: `  godwit group create nightly --behavior serialized --strict-order
  godwit group create mirrors --limit 4 --label team=web`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pairs, err := parseLabels(labels)
			if err != nil {
				return err
			}
			want := &pb.Group{Name: args[0], Behavior: f.word(), Limit: f.limit, StrictOrder: f.strict, Labels: pairs}
			return a.with(cmd.Context(), t, func(s *session) error {
				made, err := s.CreateGroup(cmd.Context(), want)
				if err != nil {
					return err
				}
				return a.printGroup(made)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&labels, "label", nil, "label `key=value` (repeat)")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func newGroupLs(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List groups by name",
		Example: `  godwit group ls -o json`,
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				list := &pb.ListGroupsResponse{}
				for g, err := range s.Groups(cmd.Context()) {
					if err != nil {
						return err
					}
					list.Groups = append(list.Groups, g)
				}
				return a.print(list, func(w io.Writer) { a.groupTable(w, list.GetGroups(), time.Now()) })
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func newGroupSet(a *app) *cobra.Command {
	var t target
	var f groupFlags
	var etag string
	cmd := &cobra.Command{
		Use:     "set NAME",
		Short:   "Change how the members of a group run",
		Example: `  godwit group set nightly --behavior parallel --limit 3`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := f.change(cmd.Flags())
			if err != nil {
				return err
			}
			change.Name, change.Etag = args[0], etag
			return a.with(cmd.Context(), t, func(s *session) error {
				changed, err := s.UpdateGroup(cmd.Context(), change)
				if err != nil {
					return err
				}
				return a.printGroup(changed)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&etag, "etag", "", "change only this version of the group")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func (f *groupFlags) change(given *pflag.FlagSet) (*pb.UpdateGroupRequest, error) {
	r := &pb.UpdateGroupRequest{Behavior: f.word()}
	if given.Changed("limit") {
		r.Limit = &f.limit
	}
	if given.Changed("strict-order") {
		r.StrictOrder = &f.strict
	}
	if f.behavior == "" && r.Limit == nil && r.StrictOrder == nil {
		return nil, usagef("nothing is to be changed: give --behavior, --limit or --strict-order")
	}
	return r, nil
}
