package main

import (
	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newTransferCancel(a *app) *cobra.Command {
	var t target
	var reason string
	cmd := &cobra.Command{
		Use:   "cancel ID...",
		Short: "End transfers for good and remove their bytes",
		Long: `End transfers for good and remove their bytes. Of an upload the server is asked to
forget what has arrived, where its protocol can; what became of a request under
way is for the server to say.`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				return a.each(ids, func(id string) (*pb.Transfer, error) { return s.Cancel(cmd.Context(), id, reason) })
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who look at it later")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}
