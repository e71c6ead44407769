package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"godwit/client"
	"godwit/node"
)

// healthTimeout is how long the servers may take to answer.
const healthTimeout = 5 * time.Second

// ownServer is the API of a node on this machine whose address is the default one.
const ownServer = "http://" + node.DefaultAPIAddr

func newHealth(a *app) *cobra.Command {
	var t target
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Tell whether servers are ready",
		Long: `Ask every server that is named, ` + ownServer + ` if none is, whether it is
ready. The exit code is 0 when all are, 6 when one does not answer, and 1 when one
answers that it starts, drains or stops. Containers are checked with it.`,
		Example: `  godwit health
  godwit health --server https://10.0.0.1:7480,https://10.0.0.2:7480 --tls-ca ca.pem`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(t.servers) == 0 {
				t.servers = []string{ownServer}
			}
			return a.with(cmd.Context(), t, func(s *session) error { return a.health(cmd.Context(), s, timeout) })
		},
	}
	t.addServers(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", healthTimeout, "how long a server may take to answer")
	a.addOutput(cmd)
	return cmd
}

// serverHealth is the answer of one server in JSON.
type serverHealth struct {
	Server string `json:"server"`
	Ready  bool   `json:"ready"`
	// Code and Reason say why it is not ready.
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (a *app) health(ctx context.Context, s *session, timeout time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := s.Health(bounded)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rows := make([]serverHealth, len(found))
	for i, h := range found {
		rows[i] = serverHealth{Server: h.Server, Ready: h.Err == nil}
		if h.Err != nil {
			rows[i].Code, rows[i].Reason = h.Err.Code, h.Err.Message
		}
		if errors.Is(bounded.Err(), context.DeadlineExceeded) && rows[i].Code == client.CodeUnreachable {
			rows[i].Reason = "it did not answer within " + timeout.String()
		}
	}
	if err := a.printHealth(rows); err != nil {
		return err
	}
	return worst(rows)
}

// worst is the failure that the command ends with, or nil: a server that does not
// answer counts before one that says that it is not ready.
func worst(rows []serverHealth) error {
	var out error
	for _, row := range rows {
		trouble := &failure{code: row.Code, message: row.Server + ": " + row.Reason}
		switch {
		case row.Ready:
		case row.Code != client.CodeNotReady:
			return trouble
		case out == nil:
			out = trouble
		}
	}
	return out
}

func (a *app) printHealth(rows []serverHealth) error {
	if a.format != formatTable {
		text, err := json.Marshal(map[string]any{"servers": rows})
		if err != nil {
			return err
		}
		return a.printJSON(text)
	}
	tb := &table{}
	for _, row := range rows {
		tb.add(row.Server, cmp.Or(row.Code, "ready"))
	}
	tb.write(a.stdout)
	return nil
}
