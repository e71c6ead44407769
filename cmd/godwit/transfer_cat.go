package main

import (
	"io"

	"github.com/spf13/cobra"
)

// copyBuffer is how much of a result is written at a time in bytes.
const copyBuffer = 256 << 10

func newTransferCat(a *app) *cobra.Command {
	var t target
	var offset bytesFlag
	cmd := &cobra.Command{
		Use:   "cat ID",
		Short: "Write the result, or the answer to an upload, to standard output",
		Long: `Write the result to standard output, following the transfer to its end. Of an
upload that is what the server answered last, its first 64 KiB: of one that has
not ended it is waited for.`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				r := s.Read(cmd.Context(), args[0], int64(offset))
				defer r.Close()
				_, err := io.CopyBuffer(onlyWriter{a.stdout}, r, make([]byte, copyBuffer))
				return err
			})
		},
	}
	cmd.Flags().Var(&offset, "offset", "begin at this byte")
	t.add(cmd)
	return cmd
}

// onlyWriter hides what else a writer can do, so that the buffer is used.
type onlyWriter struct{ io.Writer }
