package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"godwit/node"
	"godwit/node/state"
)

func newStateFsck(a *app) *cobra.Command {
	var flags nodeFlags
	var buckets []string
	var repair, unclaimed bool
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Check all records, and find what transfers have left behind",
		Long: `Read all records of a state store and say which are damaged or miss another one;
look below the file roots and in the buckets that records name for partial files and
multipart uploads that no record names, and for content to be sent that no transfer
names. Only what was left alone for 24 hours is reported. Nodes may run meanwhile.

Nothing is changed, unless --repair is said: then what was left behind is deleted,
never a record, a result, or anything that a record names. Partial files and uploads
whose destination no record knows may be somebody else's, and need --unclaimed too.

The exit code is 1 when a record is damaged or one that it needs is missing.`,
		Example: `  godwit state fsck --data-dir /var/lib/godwit --file-root /srv/files
  godwit state fsck --state-store 's3://state/godwit?endpoint=http://127.0.0.1:7070' --bucket results --repair`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unclaimed && !repair {
				return usagef("--unclaimed says what --repair deletes: give both")
			}
			cfg, err := flags.config(a, cmd.Flags())
			if err != nil {
				return err
			}
			report, err := node.CheckState(cmd.Context(), cfg, buckets, repair, unclaimed)
			if err != nil {
				return stateError(err)
			}
			if err := a.printCheck(report); err != nil {
				return err
			}
			if report.Damaged() {
				return &failure{code: codeDamaged, message: "some records are damaged, or miss others"}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&buckets, "bucket", nil, "look into this `bucket` too, or bucket/folder (repeat)")
	cmd.Flags().BoolVar(&repair, "repair", false, "delete what was left behind")
	cmd.Flags().BoolVar(&unclaimed, "unclaimed", false, "with --repair, delete also what may be somebody else's: nothing but these nodes writes there")
	flags.addStores(cmd)
	a.addOutput(cmd)
	return cmd
}

func (a *app) printCheck(r state.Report) error {
	if a.format != formatTable {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return a.printJSON(text)
	}
	tb := &table{}
	if a.colored(a.stdout) {
		tb.paint = paintSeverity
	}
	if len(r.Findings) > 0 {
		tb.add("", "SIZE", "SUBJECT", "DETAIL")
	}
	for _, f := range r.Findings {
		size, detail := "", f.Detail
		if f.Size > 0 {
			size = humanBytes(f.Size)
		}
		if f.Removed {
			detail = "deleted: " + detail
		}
		tb.add(string(f.Severity), size, f.Subject, detail)
	}
	tb.write(a.stdout)
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Records)) {
		counts = append(counts, fmt.Sprintf("%s %d", kind, r.Records[kind]))
	}
	fmt.Fprintf(a.stdout, "%s; %s\n", strings.Join(counts, ", "), counted(len(r.Findings), "finding", "findings"))
	return nil
}
