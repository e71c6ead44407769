package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"
)

func newTransferShow(a *app) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a transfer",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				found, err := s.Get(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(found, func(w io.Writer) { details(w, found, time.Now()) })
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}
