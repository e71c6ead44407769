package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	pb "godwit/protos/godwit/v1"
)

// setFlags are what may be changed.
type setFlags struct {
	url            string
	headers        []string
	append, remove []string
	replace        bool
	priority, cost string
	limitRate      rateFlag
	// group is left when it is given and empty.
	group, completionGroup string
	etag                   string
}

func newTransferSet(a *app) *cobra.Command {
	var t target
	var f setFlags
	cmd := &cobra.Command{
		Use:   "set ID...",
		Short: "Change URL, headers, priority, cost policy, rate or groups of transfers",
		Long: `Change transfers that have not ended. URL and headers change only while a transfer
does not run: pause it first. A header given takes the place of those of its name.
From a changed URL a download goes on where it was if the content is the same, and
begins again otherwise; an upload keeps what the same server has of it. An empty
--group leaves the group; --completion-group joins another one when the one before
has ended.`,
		Example: `  godwit transfer set 01J… --limit-rate 10M
  godwit transfer set 01J… --url https://example.com/big.iso?token=…`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			change, err := f.request(cmd.Flags())
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), t, func(s *session) error {
				return a.each(ids, func(id string) (*pb.Transfer, error) {
					change.Id = id
					return s.Update(cmd.Context(), change)
				})
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.url, "url", "", "fetch from this `URL`, or send to it, from now on")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "request header `'Name: value'`, in place of those of its name (repeat)")
	fs.StringArrayVar(&f.append, "append-header", nil, "request header `'Name: value'`, added to those of its name (repeat)")
	fs.StringArrayVar(&f.remove, "remove-header", nil, "remove the request headers of this `name` (repeat)")
	fs.BoolVar(&f.replace, "replace-headers", false, "remove all request headers that are not given with -H")
	addWord(cmd, &f.priority, "priority", "", "order among waiting transfers", "low", "default", "high")
	addWord(cmd, &f.cost, "cost-policy", "", "over which networks it may run", "default", "unrestricted-only", "always")
	fs.Var(&f.limitRate, "limit-rate", "bytes a second, such as 10M; 0 is no limit")
	fs.StringVar(&f.group, "group", "", "move to this transfer group, to none when empty")
	fs.StringVar(&f.completionGroup, "completion-group", "", "join this completion group")
	fs.StringVar(&f.etag, "etag", "", "change only this version of the transfer")
	t.add(cmd)
	a.addOutput(cmd)
	return cmd
}

func (f *setFlags) request(given *pflag.FlagSet) (*pb.UpdateTransferRequest, error) {
	r := &pb.UpdateTransferRequest{
		Etag:       f.etag,
		Priority:   enum[pb.PriorityClass_Priority](pb.PriorityClass_Priority_value, f.priority),
		CostPolicy: enum[pb.CostClass_CostPolicy](pb.CostClass_CostPolicy_value, f.cost),
	}
	if given.Changed("url") {
		r.Url = &f.url
	}
	if given.Changed("limit-rate") {
		rate := int64(f.limitRate)
		r.LimitRate = &rate
	}
	if given.Changed("group") {
		r.Group = &f.group
	}
	if given.Changed("completion-group") {
		r.CompletionGroup = &f.completionGroup
	}
	var err error
	if r.Headers, err = parseHeaders(f.headers); err != nil {
		return nil, err
	}
	if r.AppendHeaders, err = parseHeaders(f.append); err != nil {
		return nil, err
	}
	r.RemoveHeaders, r.ReplaceHeaders = f.remove, f.replace
	if proto.Equal(r, &pb.UpdateTransferRequest{Etag: f.etag}) {
		return nil, usagef("nothing is to be changed: give --url, -H, --priority, --cost-policy, --limit-rate, --group or --completion-group")
	}
	return r, nil
}
