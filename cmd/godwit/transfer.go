package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

func newTransfer(a *app) *cobra.Command {
	return group("transfer", "Look at transfers and operate on them",
		`  godwit transfer ls --server http://127.0.0.1:7480
  godwit transfer pause ID
  godwit transfer explain ID`,
		newTransferLs(a), newTransferShow(a), newTransferWatch(a), newTransferSet(a),
		newTransferExplain(a), newTransferCat(a),
		newCommand(a, verb{"start", "Start transfers that were created without starting", (*session).Start}),
		newCommand(a, verb{"pause", "Pause transfers; their bytes are kept", (*session).Pause}),
		newCommand(a, verb{"resume", "Resume paused transfers", (*session).Resume}),
		newCommand(a, verb{"retry", "Run failed transfers again with the bytes they have", (*session).Retry}),
		newCommand(a, verb{"ack", "Say that the ends of transfers were noticed", (*session).Acknowledge}),
		newTransferCancel(a), newTransferRm(a),
	)
}

// with opens a session for a command and leaves it afterwards.
func (a *app) with(ctx context.Context, t target, do func(*session) error) error {
	s, err := a.open(ctx, t)
	if err != nil {
		return err
	}
	err = do(s)
	if leaveErr := s.leave(); err == nil {
		err = leaveErr
	}
	return err
}

// verb is a command that does one thing to each transfer named.
type verb struct {
	name, short string
	do          func(*session, context.Context, string) (*pb.Transfer, error)
}

func newCommand(a *app, v verb) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   v.name + " ID...",
		Short: v.short,
		Args:  arguments(1, -1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.with(cmd.Context(), t, func(s *session) error {
				return a.each(ids, func(id string) (*pb.Transfer, error) { return v.do(s, cmd.Context(), id) })
			})
		},
	}
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

// each does something to every transfer named, whatever happens to the others,
// and prints them as they are then. It fails with the first failure.
func (a *app) each(ids []string, do func(id string) (*pb.Transfer, error)) error {
	list := &pb.ListTransfersResponse{}
	var first error
	for _, id := range ids {
		t, err := do(id)
		switch {
		case err == nil:
			list.Transfers = append(list.Transfers, t)
		case first == nil:
			first = err
		default:
			a.conclude(err)
		}
	}
	if err := a.printEach(list, len(ids)); err != nil {
		return err
	}
	return first
}

// printEach prints one transfer as itself, several as a list.
func (a *app) printEach(list *pb.ListTransfersResponse, asked int) error {
	brief := func(w io.Writer) {
		for _, t := range list.GetTransfers() {
			fmt.Fprintf(w, "%s %s\n", printable(t.GetId()), sentence(t, time.Now()))
		}
	}
	switch {
	case asked == 1 && len(list.GetTransfers()) == 0:
		return nil
	case asked == 1:
		return a.print(list.GetTransfers()[0], brief)
	}
	return a.print(list, brief)
}
