package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"godwit/node"
)

// codeDoctor is the code of a doctor that found an error.
const codeDoctor = "doctor.unsafe"

func newDoctor(a *app) *cobra.Command {
	var flags nodeFlags
	var buckets []string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check a node's configuration and its stores, and say what is unsafe",
		Long: `Check what a node with the same flags would use: permissions, what the state store
promises, and the places where results go. Small records and objects are written
and removed again.`,
		Example: `  godwit doctor --file-root /srv/files
  godwit doctor --state-store 's3://state/godwit?endpoint=http://127.0.0.1:7070' --bucket results`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.config(a, cmd.Flags())
			if err != nil {
				return err
			}
			report := node.Doctor(cmd.Context(), node.DoctorConfig{Config: cfg, Buckets: buckets})
			if err := a.printReport(report); err != nil {
				return err
			}
			if !report.Safe() {
				return &failure{code: codeDoctor, message: "a node with this configuration would not be safe"}
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().StringArrayVar(&buckets, "bucket", nil, "look at this `bucket` as a place for results (repeat)")
	a.addOutput(cmd)
	return cmd
}

func (a *app) printReport(r node.Report) error {
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
	tb.add("", "AREA", "CHECK", "DETAIL")
	for _, f := range r.Findings {
		tb.add(string(f.Severity), f.Area, f.Check, f.Detail)
	}
	tb.write(a.stdout)
	return nil
}

// paintSeverity colours what needs eyes.
func paintSeverity(column int, text string) string {
	if column != 0 {
		return text
	}
	switch strings.TrimSpace(text) {
	case string(node.SeverityError):
		return red(text)
	case string(node.SeverityWarning):
		return yellow(text)
	}
	return green(text)
}
