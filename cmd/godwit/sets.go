package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// verbOn is a command that does one thing to one group, completion group or
// task, and prints what it is then.
type verbOn[T any] struct {
	use, short, example string
	do                  func(*session, context.Context, string) (T, error)
	print               func(T) error
}

func newVerbOn[T any](a *app, v verbOn[T]) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: v.use, Short: v.short, Example: v.example,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				found, err := v.do(s, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return v.print(found)
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

// newRemove makes a command that removes one of something; gone is the answer.
func newRemove(a *app, use, short, example string, gone proto.Message, do func(*session, context.Context, string) error) *cobra.Command {
	return newVerbOn(a, verbOn[string]{
		use: use, short: short, example: example,
		do: func(s *session, ctx context.Context, name string) (string, error) { return name, do(s, ctx, name) },
		print: func(name string) error {
			return a.print(gone, func(w io.Writer) { fmt.Fprintf(w, "%s removed\n", printable(name)) })
		},
	})
}

// properties describes something in full, one line a property; empty ones are
// left out.
func properties(w io.Writer, rows [][2]string) {
	tb := &table{}
	for _, row := range rows {
		if row[1] != "" {
			tb.add(row[0], row[1])
		}
	}
	tb.write(w)
}
