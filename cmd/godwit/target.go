package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"godwit/client"
)

// leaveTimeout is how long an embedded node may take to record what it holds.
const leaveTimeout = 30 * time.Second

// rejoinTimeout is how long a call is repeated when the process that ran the
// node has ended.
const rejoinTimeout = time.Minute

// target says who carries out the transfers: servers, or the node embedded in
// this process on the data folder.
type target struct {
	servers   []string
	dataDir   string
	tokenFile string
	caFile    string
	certFile  string
	keyFile   string
	logLevel  string
}

func (t *target) add(cmd *cobra.Command) {
	t.addServers(cmd)
	cmd.Flags().StringVar(&t.dataDir, "data-dir", "", "`folder` of the embedded node, used without --server (default "+shownDataDir+")")
	addLogLevel(cmd, &t.logLevel, "error", "what the embedded node logs on standard error")
}

// addServers is add for commands that an embedded node is of no use to.
func (t *target) addServers(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&t.servers, "server", nil, "`URL` of a server (repeat, or separate by commas); when one of a cluster does not answer, the next does")
	fs.StringVar(&t.tokenFile, "api-token-file", "", "`file` with the bearer token of the servers")
	fs.StringVar(&t.caFile, "tls-ca", "", "PEM `file` with the authorities that the servers' certificates come from")
	fs.StringVar(&t.certFile, "tls-cert", "", "PEM `file` with a certificate, for servers that ask for one")
	fs.StringVar(&t.keyFile, "tls-key", "", "PEM `file` with its key")
}

const shownDataDir = "~/.local/share/godwit"

// defaultDataDir follows the XDG base directory specification.
func defaultDataDir(lookup func(string) (string, bool)) (string, error) {
	if base, ok := lookup("XDG_DATA_HOME"); ok && filepath.IsAbs(base) {
		return filepath.Join(base, "godwit"), nil
	}
	home, ok := lookup("HOME")
	if !ok || home == "" {
		return "", usagef("there is no home folder: say where the data shall lie with --data-dir")
	}
	return filepath.Join(home, ".local", "share", "godwit"), nil
}

// dataFolder is the absolute data folder.
func (t *target) dataFolder(lookup func(string) (string, bool)) (string, error) {
	if t.dataDir == "" {
		return defaultDataDir(lookup)
	}
	return filepath.Abs(t.dataDir)
}

// session is a client, and what has to be left when the command ends.
type session struct {
	*client.Client
	// servers are as given; none for an embedded node.
	servers []string
	node    *membership
}

func (s *session) embedded() bool { return s.node != nil }

// leave ends an embedded node gracefully: its transfers can be resumed. It has
// its own time, because the command's context may have ended already.
func (s *session) leave() error {
	if s.node == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	return s.node.leave(ctx)
}

// open connects to the servers, or joins the embedded node.
func (a *app) open(ctx context.Context, t target) (*session, error) {
	if len(t.servers) == 0 {
		return a.openEmbedded(ctx, t)
	}
	cfg := client.Config{Servers: t.servers}
	var err error
	if cfg.Token, err = readToken(t.tokenFile); err != nil {
		return nil, err
	}
	if cfg.TLS, err = t.tlsConfig(); err != nil {
		return nil, err
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	return &session{Client: c, servers: t.servers}, nil
}

func (a *app) openEmbedded(ctx context.Context, t target) (*session, error) {
	dir, err := t.dataFolder(a.lookup)
	if err != nil {
		return nil, err
	}
	log := newLogger(a.stderr, t.logLevel)
	m := &membership{join: func(ctx context.Context) (attachment, error) { return a.join(ctx, dir, log) }}
	if _, err := m.current(ctx); err != nil {
		return nil, err
	}
	// Whoever runs the node may be killed under a call; then this process is next.
	c, err := client.New(client.Config{Servers: []string{embeddedURL}, HTTPClient: m, RepeatFor: rejoinTimeout})
	if err != nil {
		return nil, err
	}
	return &session{Client: c, node: m}, nil
}

func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", unreadable("--api-token-file", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// tlsConfig is nil for what is usual: the system's authorities, and no
// certificate of our own.
func (t *target) tlsConfig() (*tls.Config, error) {
	if t.caFile == "" && t.certFile == "" && t.keyFile == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.caFile != "" {
		text, err := os.ReadFile(t.caFile)
		if err != nil {
			return nil, unreadable("--tls-ca", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, usagef("--tls-ca: the file holds no PEM certificate")
		}
	}
	return cfg, t.ownCertificate(cfg)
}

// ownCertificate adds the certificate that servers may ask for.
func (t *target) ownCertificate(cfg *tls.Config) error {
	if t.certFile == "" && t.keyFile == "" {
		return nil
	}
	if t.certFile == "" || t.keyFile == "" {
		return usagef("--tls-cert and --tls-key go together")
	}
	cert, err := os.ReadFile(t.certFile)
	if err != nil {
		return unreadable("--tls-cert", err)
	}
	key, err := os.ReadFile(t.keyFile)
	if err != nil {
		return unreadable("--tls-key", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return usagef("--tls-cert and --tls-key: %s", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return nil
}

var _ interface {
	Do(*http.Request) (*http.Response, error)
} = (*membership)(nil)
