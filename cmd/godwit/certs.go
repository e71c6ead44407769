package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"godwit/node"
	"godwit/node/certs"
)

func newCerts(a *app) *cobra.Command {
	return group("certs", "Make the certificates and keys of a trial or a small installation",
		`  godwit certs init certs
  godwit certs node certs n1=10.0.0.1 n2=10.0.0.2 n3=10.0.0.3
  godwit certs client certs alice`,
		newCertsInit(a), newCertsNode(a), newCertsClient(a),
	)
}

func newCertsInit(a *app) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a certificate authority, the keys that all nodes share, and a token of the API",
		Long: `Make a certificate authority in a folder, valid for 10 years, with the keys that all
nodes share and a token of the API. Nothing that is there is ever overwritten.

Who has the folder can join the cluster and read its secrets: keep it on a machine
that runs no node, and a copy of it elsewhere.`,
		Example: `  godwit certs init certs`,
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			made, err := certs.Init(args[0])
			if keep && errors.Is(err, fs.ErrExist) {
				if err := certs.Check(args[0]); err != nil {
					return &failure{code: codeFile, message: err.Error(), advice: "A part of it is there: mend it, or move the folder away.", err: err}
				}
				return a.printMade(nil, []string{args[0] + " is as it was"})
			}
			if err != nil {
				return certsError(err)
			}
			next := []string{"Next, for each node: " + quoteAll([]string{"godwit", "certs", "node", args[0], "NAME=HOST"})}
			return a.printMade([]certs.Made{made}, next)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave a folder as it is that holds all of this already; that is no error")
	a.addOutput(cmd)
	return cmd
}

func newCertsNode(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node DIR NAME[=HOST,…] …",
		Short: "Make a folder for each node, with its certificate and the keys that all nodes share",
		Long: `Make a folder DIR/NAME for each node: a certificate, valid for 2 years, of the
authority that 'godwit certs init DIR' has made, and the keys that all nodes share.
The hosts are what other nodes and clients call the node by, DNS names and
addresses; without them it is the name. Loopback is always among them.

To renew a certificate, move the folder of the node away, make it again, put it on
the node and send it a SIGHUP.`,
		Example: `  godwit certs node certs n1=10.0.0.1,n1.example.com n2=10.0.0.2 n3=10.0.0.3
  godwit certs node certs n1 n2 n3`,
		Args: arguments(2, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			var all []certs.Made
			for _, arg := range args[1:] {
				name, list, _ := strings.Cut(arg, "=")
				hosts, err := hostList(arg, list)
				if err != nil {
					return err
				}
				made, err := certs.Node(args[0], name, hosts)
				if err != nil {
					return errors.Join(a.printMade(all, nil), certsError(err))
				}
				all = append(all, made)
			}
			return a.printMade(all, howToServe(all))
		},
	}
	a.addOutput(cmd)
	return cmd
}

// hostList splits what stands behind the = of an argument, if there is one.
func hostList(arg, list string) ([]string, error) {
	switch {
	case list != "":
		return strings.Split(list, ","), nil
	case strings.Contains(arg, "="):
		return nil, usagef("%q: a host is missing behind the =", arg)
	}
	return nil, nil
}

func newCertsClient(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client DIR NAME",
		Short: "Make a folder with what somebody needs to call the nodes",
		Long: `Make a folder DIR/NAME with a certificate for calling, valid for 2 years, of the
authority that 'godwit certs init DIR' has made, and the token of the API. Nodes
with --tls-ca answer nobody who has none.`,
		Example: `  godwit certs client certs alice`,
		Args:    arguments(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			made, err := certs.Client(args[0], args[1])
			if err != nil {
				return certsError(err)
			}
			return a.printMade([]certs.Made{made}, []string{"What uses it:", callWith(made)})
		},
	}
	a.addOutput(cmd)
	return cmd
}

// howToServe says how nodes are started with their folders. Others are named as
// seeds where each node is on a host of its own.
func howToServe(all []certs.Made) []string {
	lines := []string{"Put each folder on its node, where only the user that godwit runs as can read it; say where the state is with --state-store:"}
	var seeds []string
	for _, m := range all {
		if seed := net.JoinHostPort(m.Hosts[0], gossipPort); !slices.Contains(seeds, seed) {
			seeds = append(seeds, seed)
		}
	}
	for _, m := range all {
		command := serveWith(m)
		if len(seeds) == len(all) && len(all) > 1 {
			command = append(command, "--join", strings.Join(seeds, ","))
		}
		lines = append(lines, "  "+quoteAll(command))
	}
	return lines
}

// gossipPort is the port in node.DefaultGossipAddr.
var _, gossipPort, _ = net.SplitHostPort(node.DefaultGossipAddr)

// anyHost makes of the default address of a listener one that others can reach.
func anyHost(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return net.JoinHostPort("0.0.0.0", port)
}

// serveWith is how a node is started with its folder.
func serveWith(m certs.Made) []string {
	return []string{
		"godwit", "serve", "--name", m.Name, "--advertise", m.Hosts[0],
		"--api-addr", anyHost(node.DefaultAPIAddr), "--remote-addr", anyHost(node.DefaultRemoteAddr), "--gossip-addr", anyHost(node.DefaultGossipAddr),
		"--tls-ca", m.Path(certs.AuthorityCert), "--tls-cert", m.Path(certs.NodeCert), "--tls-key", m.Path(certs.NodeKey),
		"--gossip-key-file", m.Path(certs.GossipKey), "--secrets-key-file", m.Path(certs.SecretsKey), "--api-token-file", m.Path(certs.Token),
	}
}

// callWith is how a node is called with a folder.
func callWith(m certs.Made) string {
	return "  " + quoteAll([]string{
		"godwit", "node", "ls", "--server", "https://HOST:7480",
		"--tls-ca", m.Path(certs.AuthorityCert), "--tls-cert", m.Path(certs.ClientCert), "--tls-key", m.Path(certs.ClientKey),
		"--api-token-file", m.Path(certs.Token),
	})
}

// certsError gives an error its stable code.
func certsError(err error) error {
	code := codeUnwritable
	switch {
	case errors.Is(err, certs.ErrInvalid):
		return usagef("%s", err)
	case errors.Is(err, fs.ErrExist):
		return &failure{code: codeFileExists, message: err.Error(), advice: "Nothing is overwritten: move it away, or choose another name.", err: err}
	case errors.Is(err, certs.ErrAuthority) && errors.Is(err, fs.ErrNotExist):
		return &failure{code: codeFile, message: err.Error(), advice: "An authority is made by 'godwit certs init DIR'.", err: err}
	case errors.Is(err, certs.ErrAuthority):
		code = codeFile
	}
	return &failure{code: code, message: err.Error(), err: err}
}

// printMade says what was made and, to a person, what to do next.
func (a *app) printMade(all []certs.Made, next []string) error {
	if a.format != formatTable {
		text, err := json.Marshal(map[string][]certs.Made{"made": all})
		if err != nil {
			return err
		}
		return a.printJSON(text)
	}
	for _, m := range all {
		writeMade(a.stdout, m)
	}
	for _, line := range next {
		fmt.Fprintln(a.stdout, printable(line))
	}
	return nil
}

func writeMade(w io.Writer, m certs.Made) {
	whose := ""
	if len(m.Hosts) > 0 {
		whose = " for " + strings.Join(m.Hosts, ", ")
	}
	fmt.Fprintf(w, "%s%s, valid until %s\n", printable(m.Folder), printable(whose), m.NotAfter.UTC().Format(time.DateOnly))
	tb := &table{}
	for _, f := range m.Files {
		tb.add("", f.Name, f.Holds)
	}
	tb.write(w)
}
