package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are what a run is asked to do.
type options struct {
	// scenario is "speed" or "kill".
	scenario string
	// rows and tools select; empty selects all. A tool is selected by a part of
	// its name.
	rows, tools []string
	// rounds is how often each command is measured.
	rounds int
	// scale multiplies the sizes of the speed scenario.
	scale float64
	// dir is where the work folder is made; keep leaves it there.
	dir  string
	keep bool
	// rtt is the round trip of the distant origin.
	rtt time.Duration
	// timeout bounds one command.
	timeout time.Duration
	// killSize and killRate are size in bytes and rate in bytes a second of the
	// origin of the kill scenario.
	killSize, killRate byteSize
	// godwit is a binary to measure instead of one that is built.
	godwit string
	// serveDiscard is set in the process that is the discarding S3 server.
	serveDiscard bool
}

// parseOptions reads the command line.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{killSize: gib, killRate: 100 * mib}
	var rows, tools string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.scenario, "scenario", "speed", "`what` to compare: speed or kill")
	fs.StringVar(&rows, "row", "", "comma-separated `rows` of the speed scenario (default all): "+strings.Join(rowNames(), ", "))
	fs.StringVar(&tools, "tool", "", "comma-separated `parts` of the names of tools to run (default all)")
	fs.IntVar(&o.rounds, "rounds", 3, "how often each command is measured")
	fs.Float64Var(&o.scale, "scale", 1, "factor for the sizes of the speed scenario, such as 0.01 for a smoke run")
	fs.StringVar(&o.dir, "dir", "", "existing `folder` to work in (default the system's temporary folder)")
	fs.BoolVar(&o.keep, "keep", false, "leave the work folder, with the logs of servers and tools, in place")
	fs.DurationVar(&o.rtt, "rtt", 40*time.Millisecond, "round trip time of the distant origin")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Minute, "longest time for one command")
	fs.Var(&o.killSize, "kill-size", "size of the file of the kill scenario")
	fs.Var(&o.killRate, "kill-rate", "bytes a second that the origin of the kill scenario serves in all")
	fs.StringVar(&o.godwit, "godwit", "", "`binary` to measure (default: built from ./cmd/godwit)")
	fs.BoolVar(&o.serveDiscard, serveDiscardFlag, false, "internal: be the S3 server that discards")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("there are no arguments, only flags: %q", fs.Arg(0))
	}
	o.rows, o.tools = fields(rows), fields(tools)
	return o, o.validate()
}

func (o *options) validate() error {
	switch {
	case o.scenario != "speed" && o.scenario != "kill":
		return errors.New("-scenario: speed or kill")
	case o.rounds < 1:
		return errors.New("-rounds: at least 1")
	case o.scale <= 0 || o.scale > 100:
		return errors.New("-scale: more than 0 and at most 100")
	case o.killSize < mib:
		return errors.New("-kill-size: at least 1MiB")
	case o.killRate < mib:
		return errors.New("-kill-rate: at least 1MiB")
	case o.rtt < 0 || o.timeout <= 0:
		return errors.New("-rtt and -timeout: not negative")
	}
	for _, name := range o.rows {
		if !slices.Contains(rowNames(), name) {
			return fmt.Errorf("-row: there is no row %q", name)
		}
	}
	return nil
}

// fields splits a comma-separated list without its blanks.
func fields(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// wants tells whether a name is among the selected ones; exact compares whole
// names.
func wants(selected []string, name string, exact bool) bool {
	return len(selected) == 0 || slices.ContainsFunc(selected, func(s string) bool {
		return s == name || !exact && strings.Contains(name, s)
	})
}
