package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

// lsPage is how many transfers are fetched at a time.
const lsPage = 500

// Columns of the list that are looked at by number.
const statusColumn = 1

func newTransferLs(a *app) *cobra.Command {
	var t target
	var f lsFlags
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List transfers, oldest first",
		Example: `  godwit transfer ls --status running,queued
  godwit transfer ls --label project=apollo -o json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter()
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), t, func(s *session) error {
				list := &pb.ListTransfersResponse{}
				for t, err := range s.List(cmd.Context(), filter) {
					if err != nil {
						return err
					}
					list.Transfers = append(list.Transfers, t)
				}
				return a.print(list, func(w io.Writer) { a.listTable(w, list.GetTransfers(), time.Now()) })
			})
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.statuses, "status", nil, "only those with this `status` (repeat)")
	fs.StringArrayVar(&f.labels, "label", nil, "only those with the label `key=value` (repeat; all must match)")
	addWord(cmd, &f.direction, "direction", "", "only those in this direction", "download", "upload")
	fs.StringVar(&f.group, "group", "", "only those of the transfer group of this `name`")
	fs.StringVar(&f.completionGroup, "completion-group", "", "only those of the completion group with this `id`")
	fs.BoolVar(&f.unacknowledged, "unacknowledged", false, "leave out those whose end was acknowledged")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

// lsFlags say which transfers are listed.
type lsFlags struct {
	statuses, labels       []string
	direction              string
	group, completionGroup string
	unacknowledged         bool
}

func (f *lsFlags) filter() (*pb.ListTransfersRequest, error) {
	filter := &pb.ListTransfersRequest{
		PageSize: lsPage, Group: f.group, CompletionGroup: f.completionGroup, Unacknowledged: f.unacknowledged,
		Direction: enum[pb.Transfer_Direction](pb.Transfer_Direction_value, f.direction),
	}
	for _, word := range f.statuses {
		status := enum[pb.Transfer_Status](pb.Transfer_Status_value, word)
		if status == pb.Transfer_STATUS_UNSPECIFIED {
			return nil, usagef("there is no status %q; there are idle, queued, running, paused, completed, canceled and failed", word)
		}
		filter.Statuses = append(filter.Statuses, status)
	}
	var err error
	filter.Labels, err = parseLabels(f.labels)
	return filter, err
}

func (a *app) listTable(w io.Writer, transfers []*pb.Transfer, now time.Time) {
	tb := &table{}
	if a.colored(w) {
		tb.paint = paintStatus
	}
	tb.add("ID", "STATUS", "PROGRESS", "SIZE", "NODE", "AGE", "DIRECTION", "URL")
	for _, t := range transfers {
		size := "-"
		if n := total(t); n >= 0 {
			size = humanBytes(n)
		}
		done := strings.TrimSpace(percent(t))
		if done == "" {
			done = humanBytes(position(t))
		}
		node := t.GetOwner().GetNode()
		if node == "" {
			node = "-"
		}
		tb.add(t.GetId(), statusText(t), done, size, node, age(t.GetCreateTime(), now), direction(t), farSide(t))
	}
	tb.write(w)
}

// paintStatus colours what needs eyes: red is over without a result, yellow
// waits for somebody, green runs or is done.
func paintStatus(column int, text string) string {
	if column != statusColumn {
		return text
	}
	switch word, _, _ := strings.Cut(text, " "); word {
	case "failed":
		return red(text)
	case "paused":
		return yellow(text)
	case "running", "completed":
		return green(text)
	}
	return text
}
