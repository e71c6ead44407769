package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newCompletion(a *app) *cobra.Command {
	brief := func(g *pb.CompletionGroup) error { return a.printCompletion(g) }
	return group("completion", "Make groups of transfers that trigger a task once all have ended",
		`  godwit completion create release --webhook https://ci.example.com/hooks/godwit
  godwit get --completion-group release --detach https://example.com/big.iso s3://bucket/big.iso
  godwit completion enable release
  godwit completion wait release`,
		newCompletionCreate(a), newCompletionAdd(a),
		newVerbOn(a, verbOn[*pb.CompletionGroup]{
			use: "enable ID", short: "End adding: from now on the group fires when its members have ended",
			example: "  godwit completion enable release", do: (*session).EnableCompletionGroup, print: brief,
		}),
		newCompletionLs(a),
		newVerbOn(a, verbOn[*pb.CompletionGroup]{
			use: "show ID", short: "Show all that is known of a completion group",
			example: "  godwit completion show release", do: (*session).CompletionGroup,
			print: func(g *pb.CompletionGroup) error {
				return a.print(g, func(w io.Writer) { completionDetails(w, g) })
			},
		}),
		newCompletionWait(a),
		newVerbOn(a, verbOn[*pb.CompletionGroup]{
			use: "retry ID", short: "Make a group of the failed members of one that has ended, and retry them",
			example: "  godwit completion retry release", do: (*session).RetryCompletionGroup, print: brief,
		}),
		newRemove(a, "rm ID", "Remove a completion group that has ended or has no members", "  godwit completion rm release",
			&pb.DeleteCompletionGroupResponse{},
			func(s *session, ctx context.Context, id string) error { return s.DeleteCompletionGroup(ctx, id) }),
	)
}

func newCompletionAdd(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "add ID TRANSFER...",
		Short:   "Make transfers that exist members of a completion group",
		Example: `  godwit completion add release 01J… 01H…`,
		Args:    arguments(2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				changed, err := s.AddTransfers(cmd.Context(), args[0], args[1:]...)
				if err != nil {
					return err
				}
				return a.printCompletion(changed)
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func newCompletionLs(a *app) *cobra.Command {
	var t target
	var words []string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List completion groups by id",
		Example: `  godwit completion ls --status open,enabled`,
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var statuses []pb.CompletionGroup_Status
			for _, word := range words {
				status := enum[pb.CompletionGroup_Status](pb.CompletionGroup_Status_value, word)
				if status == pb.CompletionGroup_STATUS_UNSPECIFIED {
					return usagef("there is no status %q; there are open, enabled, triggered, done and failed", word)
				}
				statuses = append(statuses, status)
			}
			return a.with(cmd.Context(), t, func(s *session) error {
				list := &pb.ListCompletionGroupsResponse{}
				for g, err := range s.CompletionGroups(cmd.Context(), statuses...) {
					if err != nil {
						return err
					}
					list.CompletionGroups = append(list.CompletionGroups, g)
				}
				return a.print(list, func(w io.Writer) { a.completionTable(w, list.GetCompletionGroups(), time.Now()) })
			})
		},
	}
	cmd.Flags().StringSliceVar(&words, "status", nil, "only those with this `status` (repeat)")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}
