package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"godwit/node"
)

func newServe(a *app) *cobra.Command {
	var flags nodeFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Run a node with an API. Settings come from flags, then GODWIT_… variables, then
the file named with --config, whose keys are the names of the flags, with
commands and channels of background tasks besides.

Nodes that --join each other are one service: any of them takes any call, and
when one dies the others go on with its transfers. They need one --state-store,
the same --secrets-key-file, and the same shared folders as --file-root.`,
		Example: `  godwit serve --file-root /srv/files
  godwit serve --name n2 --join 10.0.0.1:7482 --advertise 10.0.0.2 \
    --state-store 's3://state/godwit?endpoint=http://10.0.0.9:7070' --secrets-key-file key …
  godwit serve --config /etc/godwit.yaml --api-addr 0.0.0.0:7480 \
    --api-token-file /etc/godwit.tokens --tls-cert cert.pem --tls-key key.pem`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.config(a, cmd.Flags())
			if err != nil {
				return err
			}
			n, err := node.New(cfg)
			if err != nil {
				return err
			}
			scheme := "http"
			if cfg.TLSCert != "" {
				scheme = "https"
			}
			fmt.Fprintf(a.stdout, "%s://%s\n", scheme, n.Addr())
			err = n.Run(cmd.Context())
			if cmd.Context().Err() != nil && unfinished(err) {
				return nil // asked to stop, and stopped
			}
			return err
		},
	}
	flags.add(cmd)
	return cmd
}
