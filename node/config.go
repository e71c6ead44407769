package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"godwit/cluster"
	"godwit/node/command"
)

// Config is everything `godwit serve` can be told. The YAML keys are the names
// of the flags, where there is one.
type Config struct {
	// Name is the node's stable name; by default made from the host's name.
	Name string `yaml:"name"`
	// DataDir holds what belongs to this node alone; see [DefaultDataDir].
	DataDir string `yaml:"data-dir"`
	// APIAddr is host:port of the API, 127.0.0.1:7480 by default.
	APIAddr string `yaml:"api-addr"`
	// RemoteAddr and GossipAddr are host:port for other nodes, 127.0.0.1:7481 and
	// :7482 by default; Advertise is the host by which they reach this one, if it
	// is another. Join are gossip addresses of some of them.
	RemoteAddr string   `yaml:"remote-addr"`
	GossipAddr string   `yaml:"gossip-addr"`
	Advertise  string   `yaml:"advertise"`
	Join       []string `yaml:"join"`
	// StateStore is the URL of the state store, dir:///abs/path or
	// s3://bucket/prefix?endpoint=…&region=…; by default a folder in DataDir.
	StateStore string `yaml:"state-store"`
	// Slots is how many transfers run at a time, 32 by default.
	Slots int `yaml:"slots"`
	// Retention is how long a transfer that has ended is kept: 7 days by default,
	// at least a minute.
	Retention time.Duration `yaml:"retention"`
	// MemoryBudget bounds the buffers of parts in flight, 256M by default.
	MemoryBudget ByteSize `yaml:"memory-budget"`
	// FileRoots are the folders below which file:// destinations may lie; none
	// refuses file:// altogether.
	FileRoots []string `yaml:"file-root"`
	// EgressAllow are networks that sources may lie in although they are not
	// public, in CIDR form.
	EgressAllow []string `yaml:"egress-allow"`
	// APITokenFile holds bearer tokens, one a line; none lets everybody in.
	APITokenFile string `yaml:"api-token-file"`
	// TLSCert and TLSKey are PEM files of the API; TLSCA, when set, is the
	// authority that clients' certificates must come from.
	TLSCert string `yaml:"tls-cert"`
	TLSKey  string `yaml:"tls-key"`
	TLSCA   string `yaml:"tls-ca"`
	// GossipKeyFile holds the 32-byte key that all nodes encrypt gossip with.
	GossipKeyFile string `yaml:"gossip-key-file"`
	// Gossip probes a member every GossipProbeInterval and suspects it when it does
	// not answer for GossipProbeTimeout; it is given up after GossipSuspicion
	// intervals: 500 ms, 250 ms and 4 by default. Zero is the default.
	GossipProbeInterval time.Duration `yaml:"gossip-probe-interval"`
	GossipProbeTimeout  time.Duration `yaml:"gossip-probe-timeout"`
	GossipSuspicion     int           `yaml:"gossip-suspicion"`
	// SecretsKeyFile holds the 32-byte key that seals what records must keep
	// secret; by default one is made in DataDir.
	SecretsKeyFile string `yaml:"secrets-key-file"`
	// Insecure allows a reachable API without token and TLS.
	Insecure bool `yaml:"insecure"`

	// Commands are what EXEC tasks may run; Channels are where notifications may
	// go besides the log. Both are by name, and in the file only.
	Commands map[string]command.Config `yaml:"commands"`
	Channels map[string]Channel        `yaml:"channels"`

	// Version is shown to users; Logger may be nil.
	Version string       `yaml:"-"`
	Logger  *slog.Logger `yaml:"-"`
}

// The defaults of Config.
const (
	DefaultAPIAddr                      = "127.0.0.1:7480"
	DefaultRemoteAddr                   = "127.0.0.1:7481"
	DefaultGossipAddr                   = "127.0.0.1:7482"
	DefaultGossipProbeInterval          = cluster.DefaultProbeInterval
	DefaultGossipProbeTimeout           = cluster.DefaultProbeTimeout
	DefaultGossipSuspicion              = cluster.DefaultSuspicionMult
	DefaultSlots                        = 32
	DefaultRetention                    = 7 * 24 * time.Hour
	minRetention                        = time.Minute
	DefaultMemoryBudget        ByteSize = 256 << 20
	minMemoryBudget            ByteSize = 16 << 20
	maxSlots                            = 4096
	fallbackName                        = "local"
	maxName                             = 63
	minProbe                            = 50 * time.Millisecond
	maxSuspicion                        = 100
)

// ConfigError says which key of a configuration is wrong. It never holds the
// content of a secret file.
type ConfigError struct {
	// Key is the name of the flag or YAML key, or "" for the file as a whole.
	Key, Message string
	Err          error
}

func (e *ConfigError) Error() string {
	s := "configuration"
	if e.Key != "" {
		s += ": " + e.Key
	}
	s += ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

func wrong(key, format string, args ...any) error {
	return &ConfigError{Key: key, Message: fmt.Sprintf(format, args...)}
}

// DefaultDataDir is where a node keeps its data unless told otherwise:
// $XDG_DATA_HOME/godwit, or ~/.local/share/godwit.
func DefaultDataDir() (string, error) {
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "godwit"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &ConfigError{Key: "data-dir", Message: "give one, there is no home folder", Err: err}
	}
	return filepath.Join(home, ".local", "share", "godwit"), nil
}

// Validate returns the configuration with its defaults filled in, or a
// *[ConfigError] that names what is wrong. It reads no file but looks at the
// permissions of those that hold secrets or are run.
func (c Config) Validate() (Config, error) {
	for _, step := range []func(*Config) error{
		(*Config).fillNames, (*Config).fillLimits, (*Config).checkAddresses,
		(*Config).checkRoots, (*Config).checkEgress, (*Config).checkCommands, (*Config).checkChannels,
		(*Config).checkSecrets, (*Config).checkExposure,
	} {
		if err := step(&c); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

func (c *Config) fillNames() error {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Version = futureVersion(cmp.Or(c.Version, "unknown"))
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = ""
		}
		c.Name = nodeName(host)
	}
	if c.Name != nodeName(c.Name) {
		return wrong("name", "use 1 to %d letters, digits, dots, hyphens and underscores, beginning with a letter or digit", maxName)
	}
	if c.DataDir == "" {
		dir, err := DefaultDataDir()
		if err != nil {
			return err
		}
		c.DataDir = dir
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return &ConfigError{Key: "data-dir", Message: "has no absolute form", Err: err}
	}
	c.DataDir = dir
	c.StateStore = cmp.Or(c.StateStore, stateStore{dir: filepath.Join(dir, "state")}.shown())
	_, err = parseStateStore(c.StateStore)
	return err
}

// nodeName makes a host's name usable as the name of a node and of its record.
func nodeName(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, host)
	name = strings.TrimLeft(name, "._-")
	name = name[:min(len(name), maxName)]
	return cmp.Or(name, fallbackName)
}

func (c *Config) fillLimits() error {
	c.Slots = cmp.Or(c.Slots, DefaultSlots)
	c.MemoryBudget = cmp.Or(c.MemoryBudget, DefaultMemoryBudget)
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	switch {
	case c.Retention < minRetention:
		return wrong("retention", "must be at least %s", minRetention)
	case c.Slots < 0 || c.Slots > maxSlots:
		return wrong("slots", "use 1 to %d", maxSlots)
	case c.GossipSuspicion < 0 || c.GossipSuspicion > maxSuspicion:
		return wrong("gossip-suspicion", "use 1 to %d", maxSuspicion)
	case c.GossipProbeInterval != 0 && c.GossipProbeInterval < minProbe:
		return wrong("gossip-probe-interval", "must be at least %s", minProbe)
	case c.GossipProbeTimeout < 0 || c.GossipProbeTimeout > cmp.Or(c.GossipProbeInterval, cluster.DefaultProbeInterval):
		return wrong("gossip-probe-timeout", "must not be longer than the interval between probes")
	case c.MemoryBudget < minMemoryBudget:
		return wrong("memory-budget", "must be at least %s", minMemoryBudget)
	}
	return nil
}

func (c *Config) checkAddresses() error {
	c.APIAddr = cmp.Or(c.APIAddr, DefaultAPIAddr)
	c.RemoteAddr = cmp.Or(c.RemoteAddr, DefaultRemoteAddr)
	c.GossipAddr = cmp.Or(c.GossipAddr, DefaultGossipAddr)
	for _, addr := range []struct{ key, value string }{
		{"api-addr", c.APIAddr}, {"remote-addr", c.RemoteAddr}, {"gossip-addr", c.GossipAddr},
	} {
		if _, _, err := net.SplitHostPort(addr.value); err != nil {
			return wrong(addr.key, "must be host:port")
		}
	}
	for _, seed := range c.Join {
		if host, port, err := net.SplitHostPort(seed); err != nil || host == "" || port == "" {
			return wrong("join", "must be gossip addresses of other nodes, host:port")
		}
	}
	if strings.ContainsAny(c.Advertise, ":/ ") && net.ParseIP(c.Advertise) == nil {
		return wrong("advertise", "must be a host name or an address, without a port")
	}
	return nil
}

func (c *Config) checkRoots() error {
	for _, root := range c.FileRoots {
		info, err := os.Stat(root)
		switch {
		case !filepath.IsAbs(root):
			return wrong("file-root", "must be absolute paths")
		case err != nil:
			return &ConfigError{Key: "file-root", Message: "cannot be used", Err: err}
		case !info.IsDir():
			return wrong("file-root", "%s is no folder", root)
		}
	}
	return nil
}

func (c *Config) checkEgress() error {
	_, err := prefixes(c.EgressAllow)
	return err
}

// prefixes reads networks; a plain address is the network of that address.
func prefixes(texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, wrong("egress-allow", "must be networks such as 10.0.0.0/8 or addresses")
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// checkSecrets refuses files that others could read.
func (c *Config) checkSecrets() error {
	for _, file := range []struct {
		key, path string
		forbidden os.FileMode
	}{
		{"api-token-file", c.APITokenFile, othersRead},
		{"tls-key", c.TLSKey, othersRead},
		{"gossip-key-file", c.GossipKeyFile, othersRead},
		{"secrets-key-file", c.SecretsKeyFile, notOwner},
	} {
		if file.path == "" {
			continue
		}
		if err := checkPrivate(file.path, file.forbidden); err != nil {
			return &ConfigError{Key: file.key, Message: "cannot be used", Err: err}
		}
	}
	return nil
}

// checkExposure refuses an API that others could reach and that lets them in
// unasked or unencrypted.
func (c *Config) checkExposure() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return wrong("tls-cert", "tls-cert and tls-key go together")
	}
	if c.TLSCA != "" && c.TLSCert == "" {
		return wrong("tls-ca", "needs tls-cert and tls-key")
	}
	safe := c.APITokenFile != "" && c.TLSCert != ""
	switch {
	case c.Insecure:
	case !isLoopback(c.GossipAddr) && c.GossipKeyFile == "":
		return wrong("gossip-addr", "others can reach %s: give gossip-key-file, or say insecure", c.GossipAddr)
	case !isLoopback(c.RemoteAddr) && c.TLSCA == "":
		return wrong("remote-addr", "others can reach %s: give tls-cert, tls-key and tls-ca, or say insecure", c.RemoteAddr)
	}
	if !c.Insecure && !safe && !isLoopback(c.APIAddr) {
		return wrong("api-addr", "others can reach %s: give api-token-file, tls-cert and tls-key, or say insecure", c.APIAddr)
	}
	return nil
}

// isLoopback tells whether only this machine can reach host:port.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// errPermissions is wrapped by the error for a secret that others can read.
var errPermissions = errors.New("the file can be read by others")
