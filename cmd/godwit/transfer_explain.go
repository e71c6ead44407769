package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newTransferExplain(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Say why a transfer does not run",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				found, reasons, err := s.Explain(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				answer := &pb.ExplainTransferResponse{Transfer: found, Reasons: reasons}
				return a.print(answer, func(w io.Writer) {
					fmt.Fprintf(w, "%s %s\n", printable(found.GetId()), sentence(found, time.Now()))
					for _, reason := range reasons {
						fmt.Fprintf(w, "  %s\n", printable(reason))
					}
				})
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}
