package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	pb "godwit/protos/godwit/v1"
)

// getCommand is one invocation of get.
type getCommand struct {
	job
	spec  downloadFlags
	out   string
	input string
}

func newGet(a *app) *cobra.Command {
	g := &getCommand{job: job{a: a}}
	cmd := &cobra.Command{
		Use:   "get URL [DEST]",
		Short: "Download a file, and go on where it was when run again",
		Long: `Download URL to DEST: a path, file:///path, or s3://bucket/key. Without DEST, or
with a folder, the name is the last segment of the URL.

The same command, run again after an interruption or a crash, goes on where it
was; when the result is already in place it says so. Without --server this
process does the work; several commands on one data folder share one node.`,
		Example: `  godwit get https://example.com/big.iso
  godwit get https://example.com/big.iso /srv/images/ --checksum sha256:4355a46b…
  godwit get -i urls.txt downloads/
  godwit get --server http://127.0.0.1:7480 --detach https://example.com/big.iso s3://bucket/big.iso`,
		Args: arguments(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g.spec.retriesGiven = cmd.Flags().Changed("retries")
			g.named = g.spec.id != ""
			return g.run(cmd.Context(), args)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&g.out, "out", "O", "", "destination, the same as DEST")
	fs.StringVarP(&g.input, "input-file", "i", "", "`file` with one download a line, URL or URL<TAB>DEST; - for standard input")
	g.spec.add(cmd)
	g.add(cmd)
	return cmd
}

// run checks how the arguments go together and chooses one or many.
func (g *getCommand) run(ctx context.Context, args []string) error {
	return g.bounded(ctx, func(ctx context.Context) error {
		if g.input != "" {
			return g.runBatch(ctx, args)
		}
		t, err := g.request(args)
		if err != nil {
			return err
		}
		return g.a.with(ctx, g.target, func(s *session) error { return g.one(ctx, s, t) })
	})
}

// request makes the transfer of the command line.
func (g *getCommand) request(args []string) (*pb.Transfer, error) {
	if len(args) == 0 {
		return nil, usagef("an argument is missing: godwit get URL [DEST]")
	}
	dest := g.out
	if len(args) == 2 {
		if g.out != "" {
			return nil, usagef("give the destination once: as DEST or with --out")
		}
		dest = args[1]
	}
	if !strings.Contains(args[0], "://") && strings.Contains(dest, "://") && !isStore(dest) {
		return nil, usagef("the URL comes first: godwit get URL [DEST]")
	}
	here, err := workingFolder()
	if err != nil {
		return nil, err
	}
	destination, err := here.resolve(dest, args[0])
	if err != nil {
		return nil, err
	}
	return g.spec.build(args[0], destination, g.a.stdin)
}

func isStore(url string) bool {
	return strings.HasPrefix(url, "s3://") || strings.HasPrefix(url, "file://")
}

func workingFolder() (folder, error) {
	current, err := os.Getwd()
	if err != nil {
		return folder{}, &failure{code: codeFile, message: "the current folder cannot be found", err: err}
	}
	return folder{current: current, isFolder: func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}}, nil
}
