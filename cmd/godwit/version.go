package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild reads what the Go tool recorded in the program.
func thisBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func newVersion(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return a.printVersion(thisBuild())
		},
	}
	a.addOutput(cmd)
	return cmd
}

func (a *app) printVersion(b build) error {
	if a.format == formatTable {
		_, err := fmt.Fprintf(a.stdout, "godwit %s, %s, %s\n", b.Version, b.Go, b.Platform)
		return err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return a.printJSON(text)
}
