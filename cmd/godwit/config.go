package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"godwit/node"
)

// nodeFlags are the flags that configure a node.
type nodeFlags struct {
	file     string
	cfg      node.Config
	logLevel string
}

func (n *nodeFlags) add(cmd *cobra.Command) {
	n.addStores(cmd)
	fs, c := cmd.Flags(), &n.cfg
	c.MemoryBudget = node.DefaultMemoryBudget
	fs.StringVar(&c.Name, "name", "", "stable name of the node (default: the host's name)")
	fs.StringVar(&c.APIAddr, "api-addr", node.DefaultAPIAddr, "`host:port` of the API")
	fs.StringVar(&c.RemoteAddr, "remote-addr", node.DefaultRemoteAddr, "`host:port` for messages of other nodes")
	fs.StringVar(&c.GossipAddr, "gossip-addr", node.DefaultGossipAddr, "`host:port` for gossip, TCP and UDP")
	fs.StringVar(&c.Advertise, "advertise", "", "`host` by which other nodes reach this one, if it is not that of the addresses")
	fs.StringSliceVar(&c.Join, "join", nil, "gossip addresses of other nodes, `host:port,…`; some that may be up are enough")
	fs.StringVar(&c.GossipKeyFile, "gossip-key-file", "", "`file` with the 32-byte key that all nodes encrypt gossip with")
	fs.DurationVar(&c.GossipProbeInterval, "gossip-probe-interval", node.DefaultGossipProbeInterval, "how often gossip probes a member")
	fs.DurationVar(&c.GossipProbeTimeout, "gossip-probe-timeout", node.DefaultGossipProbeTimeout, "how long a member may take to answer before it is suspected")
	fs.IntVar(&c.GossipSuspicion, "gossip-suspicion", node.DefaultGossipSuspicion, "how many of these intervals it is suspected before it is given up")
	fs.IntVar(&c.Slots, "slots", node.DefaultSlots, "transfers that run at a time")
	fs.DurationVar(&c.Retention, "retention", node.DefaultRetention, "how long a transfer that has ended is kept")
	fs.Var((*bytesFlag)(&c.MemoryBudget), "memory-budget", "memory for the parts on their way")
	fs.StringArrayVar(&c.EgressAllow, "egress-allow", nil, "network that sources may lie in although it is not public, in `CIDR` form (repeat)")
	fs.StringVar(&c.APITokenFile, "api-token-file", "", "`file` with the bearer tokens of the API, one a line")
	fs.StringVar(&c.TLSCert, "tls-cert", "", "PEM `file` with the API's certificate")
	fs.StringVar(&c.TLSKey, "tls-key", "", "PEM `file` with its key")
	fs.StringVar(&c.TLSCA, "tls-ca", "", "PEM `file` with the authority that clients' certificates must come from")
	fs.BoolVar(&c.Insecure, "insecure", false, "allow a reachable API without token and TLS")
}

// addStores adds the flags that say where state and results lie.
func (n *nodeFlags) addStores(cmd *cobra.Command) {
	fs, c := cmd.Flags(), &n.cfg
	fs.StringVar(&n.file, "config", "", "YAML `file` whose keys are the names of these flags")
	fs.StringVar(&c.DataDir, "data-dir", "", "`folder` for what belongs to this node (default "+shownDataDir+")")
	fs.StringVar(&c.StateStore, "state-store", "", "`URL` of the state, dir:///path or s3://bucket/prefix?endpoint=… (default: a folder in the data folder)")
	fs.StringArrayVar(&c.FileRoots, "file-root", nil, "`folder` below which file:// destinations may lie (repeat)")
	fs.StringVar(&c.SecretsKeyFile, "secrets-key-file", "", "`file` with the 32-byte key that seals secrets in records (default: one is made in the data folder)")
	addLogLevel(cmd, &n.logLevel, "info", "what is logged on standard error")
}

// config is the configuration: flags over environment over file over defaults.
func (n *nodeFlags) config(a *app, given *pflag.FlagSet) (node.Config, error) {
	if n.file != "" {
		err := under(given, func() (err error) {
			n.cfg, err = node.LoadFile(n.file)
			return err
		})
		if err != nil {
			return node.Config{}, err
		}
	}
	cfg := n.cfg
	cfg.Version = thisBuild().Version
	cfg.Logger = newLogger(a.stderr, n.logLevel)
	return cfg, nil
}

// under lets load overwrite the variables behind the flags, and then gives the
// flags that were set their values again.
func under(flags *pflag.FlagSet, load func() error) error {
	set := map[*pflag.Flag][]string{}
	flags.VisitAll(func(f *pflag.Flag) {
		if slice, repeats := f.Value.(pflag.SliceValue); f.Changed && repeats {
			set[f] = slice.GetSlice()
		} else if f.Changed {
			set[f] = []string{f.Value.String()}
		}
	})
	if err := load(); err != nil {
		return err
	}
	for f, values := range set {
		if err := assign(f, values); err != nil {
			return err
		}
	}
	return nil
}
