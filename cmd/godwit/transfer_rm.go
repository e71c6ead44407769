package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newTransferRm(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "rm ID...",
		Short: "Delete transfers that have ended; their results stay",
		Long: `Delete transfers that have ended, with the bytes that a failed one keeps to be
retried. What was published or has been sent stays. A transfer that has not ended is
canceled first.`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				var first error
				for _, id := range ids {
					switch err := s.Delete(cmd.Context(), id); {
					case err == nil:
						fmt.Fprintf(a.stderr, "%s deleted\n", printable(id))
					case first == nil:
						first = err
					default:
						a.conclude(err)
					}
				}
				return first
			})
		},
	}
	t.add(cmd)
	return cmd
}
