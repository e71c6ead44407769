package main

import (
	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

// moveFlags say where a member goes.
type moveFlags struct {
	first, last, playFromHere bool
	before, after             string
}

func newGroupMove(a *app) *cobra.Command {
	var t target
	var f moveFlags
	cmd := &cobra.Command{
		Use:   "move NAME ID",
		Short: "Change the place of a transfer in its group",
		Long: `Change the place of a transfer in its group. With --play-from-here it becomes the
current one: it and all that follow it run before those that preceded it, and
what runs now gives its turn back.`,
		Example: `  godwit group move nightly 01J… --first
  godwit group move nightly 01J… --after 01H…`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			move, err := f.request(args[0], args[1])
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), t, func(s *session) error {
				changed, err := s.MoveTransfer(cmd.Context(), move)
				if err != nil {
					return err
				}
				return a.printGroup(changed)
			})
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.first, "first", false, "before all others")
	fs.BoolVar(&f.last, "last", false, "behind all others")
	fs.StringVar(&f.before, "before", "", "before the member with this `ID`")
	fs.StringVar(&f.after, "after", "", "behind the member with this `ID`")
	fs.BoolVar(&f.playFromHere, "play-from-here", false, "make it the current one")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

// request needs exactly one place.
func (f *moveFlags) request(name, id string) (*pb.MoveTransferRequest, error) {
	r := &pb.MoveTransferRequest{Name: name, Id: id, Other: f.before + f.after}
	places := 0
	for _, p := range []struct {
		given bool
		where pb.MoveTransferRequest_Where
	}{
		{f.first, pb.MoveTransferRequest_FIRST},
		{f.last, pb.MoveTransferRequest_LAST},
		{f.before != "", pb.MoveTransferRequest_BEFORE},
		{f.after != "", pb.MoveTransferRequest_AFTER},
		{f.playFromHere, pb.MoveTransferRequest_PLAY_FROM_HERE},
	} {
		if p.given {
			places++
			r.Where = p.where
		}
	}
	if places != 1 {
		return nil, usagef("give one place: --first, --last, --before ID, --after ID or --play-from-here")
	}
	return r, nil
}
