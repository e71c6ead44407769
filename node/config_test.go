package node

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// wantConfigError checks that err names the key.
func wantConfigError(t *testing.T, err error, key string) {
	t.Helper()
	var e *ConfigError
	if !errors.As(err, &e) || e.Key != key {
		t.Fatalf("error %v, want one about %q", err, key)
	}
}

func TestParseConfig(t *testing.T) {
	cfg, err := parseConfig([]byte(`
name: n1
data-dir: /var/lib/godwit
slots: 8
memory-budget: 64M
file-root: [/srv/a, /srv/b]
insecure: true
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Name: "n1", DataDir: "/var/lib/godwit", Slots: 8, MemoryBudget: 64 << 20,
		FileRoots: []string{"/srv/a", "/srv/b"}, Insecure: true,
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Fatalf("got %+v", cfg)
	}
	if cfg, err := parseConfig(nil); err != nil || !reflect.DeepEqual(cfg, Config{}) {
		t.Fatalf("an empty file: %+v, %v", cfg, err)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	tests := map[string]struct{ yaml, key string }{
		"unknown key":      {"names: n1", "names"},
		"repeated key":     {"name: a\nname: b", "name"},
		"number as string": {"name: 12", "name"},
		"string as number": {"slots: many", "slots"},
		"fraction":         {"slots: 1.5", "slots"},
		"bool as string":   {"insecure: \"yes\"", "insecure"},
		"scalar as list":   {"file-root: /srv", "file-root"},
		"mapping in list":  {"file-root: [{a: b}]", "file-root"},
		"bad size":         {"memory-budget: lots", "memory-budget"},
		"negative size":    {"memory-budget: -1", "memory-budget"},
		"null":             {"name:", "name"},
		"alias":            {"name: &a x\ndata-dir: *a", "data-dir"},
		"sequence":         {"- a", ""},
		"two documents":    {"name: a\n---\nname: b", ""},
		"not yaml":         {"name: [", ""},
		"duration":         {"gossip-probe-interval: 500", "gossip-probe-interval"},
		"no duration":      {"gossip-probe-interval: soon", "gossip-probe-interval"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig([]byte(tt.yaml))
			wantConfigError(t, err, tt.key)
		})
	}
}

func TestConfigKeysAreTheServeFlags(t *testing.T) {
	want := []string{
		"name", "data-dir", "api-addr", "remote-addr", "gossip-addr", "advertise", "join",
		"state-store", "slots", "memory-budget", "file-root", "egress-allow", "api-token-file",
		"tls-cert", "tls-key", "tls-ca", "gossip-key-file", "secrets-key-file", "insecure",
		"gossip-probe-interval", "gossip-probe-timeout", "gossip-suspicion", "retention",
		"commands", "channels", // no flags
	}
	got := configFields(reflect.ValueOf(&Config{}).Elem())
	if len(got) != len(want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
	for _, key := range want {
		if _, ok := got[key]; !ok {
			t.Errorf("no key %s", key)
		}
	}
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte("slots: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := LoadFile(path); err != nil || cfg.Slots != 3 {
		t.Fatalf("%+v, %v", cfg, err)
	}
	_, err := LoadFile(path + ".missing")
	wantConfigError(t, err, "")
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("cause lost: %v", err)
	}
}

func TestValidateFillsDefaults(t *testing.T) {
	dir := t.TempDir()
	cfg, err := Config{DataDir: dir}.Validate()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.APIAddr != DefaultAPIAddr || cfg.Slots != DefaultSlots || cfg.MemoryBudget != DefaultMemoryBudget ||
		cfg.StateStore != "dir://"+filepath.Join(dir, "state") || cfg.Name == "" || cfg.Logger == nil {
		t.Fatalf("defaults: %+v", cfg)
	}
}

func TestValidateRefuses(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(dir, "private")
	if err := os.WriteFile(private, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg Config
		key string
	}{
		"name":                    {Config{Name: "a/b"}, "name"},
		"long name":               {Config{Name: strings.Repeat("n", 64)}, "name"},
		"slots":                   {Config{Slots: -1}, "slots"},
		"memory":                  {Config{MemoryBudget: 1 << 20}, "memory-budget"},
		"address":                 {Config{APIAddr: "7480"}, "api-addr"},
		"join without a port":     {Config{Join: []string{"10.0.0.1"}}, "join"},
		"join without a host":     {Config{Join: []string{":7482"}}, "join"},
		"advertise with a port":   {Config{Advertise: "10.0.0.1:7480"}, "advertise"},
		"gossip in the open":      {Config{GossipAddr: "10.0.0.1:7482"}, "gossip-addr"},
		"probe too often":         {Config{GossipProbeInterval: time.Millisecond}, "gossip-probe-interval"},
		"probe too long":          {Config{GossipProbeTimeout: time.Second}, "gossip-probe-timeout"},
		"retention":               {Config{Retention: time.Second}, "retention"},
		"suspicion":               {Config{GossipSuspicion: -1}, "gossip-suspicion"},
		"messages in the open":    {Config{RemoteAddr: "10.0.0.1:7481"}, "remote-addr"},
		"relative root":           {Config{FileRoots: []string{"srv"}}, "file-root"},
		"missing root":            {Config{FileRoots: []string{dir + "/none"}}, "file-root"},
		"root is a file":          {Config{FileRoots: []string{open}}, "file-root"},
		"egress":                  {Config{EgressAllow: []string{"10.0.0.0/40"}}, "egress-allow"},
		"token others can read":   {Config{APITokenFile: open}, "api-token-file"},
		"tls key others can read": {Config{TLSCert: open, TLSKey: open}, "tls-key"},
		"gossip key":              {Config{GossipKeyFile: open}, "gossip-key-file"},
		"secrets key":             {Config{SecretsKeyFile: open}, "secrets-key-file"},
		"cert without key":        {Config{TLSCert: open}, "tls-cert"},
		"ca without cert":         {Config{TLSCA: open}, "tls-ca"},
		"all interfaces":          {Config{APIAddr: ":7480"}, "api-addr"},
		"unspecified":             {Config{APIAddr: "0.0.0.0:7480"}, "api-addr"},
		"lan":                     {Config{APIAddr: "192.168.1.2:7480"}, "api-addr"},
		"host name":               {Config{APIAddr: "localhost.example:7480"}, "api-addr"},
		"token without tls":       {Config{APIAddr: "[::]:7480", APITokenFile: private}, "api-addr"},
		"tls without token":       {Config{APIAddr: "[::]:7480", TLSCert: open, TLSKey: private}, "api-addr"},
		"store scheme":            {Config{StateStore: "http://x"}, "state-store"},
		"relative store":          {Config{StateStore: "dir://state"}, "state-store"},
		"store bucket":            {Config{StateStore: "s3://B/p"}, "state-store"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.cfg.DataDir = dir
			_, err := tt.cfg.Validate()
			wantConfigError(t, err, tt.key)
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "private")
	if err := os.WriteFile(private, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]Config{
		"loopback v6":      {APIAddr: "[::1]:0"},
		"localhost":        {APIAddr: "localhost:0"},
		"insecure":         {APIAddr: ":7480", Insecure: true},
		"token and tls":    {APIAddr: ":7480", APITokenFile: private, TLSCert: private, TLSKey: private},
		"s3 state":         {StateStore: "s3://bucket/prefix?endpoint=http://127.0.0.1:7070&region=us-east-1"},
		"egress addresses": {EgressAllow: []string{"127.0.0.1", "10.1.2.3/8", "::1"}},
		"roots":            {FileRoots: []string{dir}},
	}
	for name, cfg := range tests {
		cfg.DataDir = dir
		if _, err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNodeName(t *testing.T) {
	for host, want := range map[string]string{
		"web-1": "web-1", "": "local", "a b": "a-b", "..": "local", "-x": "x",
		strings.Repeat("h", 99): strings.Repeat("h", maxName),
	} {
		if got := nodeName(host); got != want {
			t.Errorf("nodeName(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestParseByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{
		"0": 0, "1048576": 1 << 20, "256M": 256 << 20, "64MiB": 64 << 20,
		"10k": 10 << 10, "2GB": 2 << 30, "1T": 1 << 40, "8388607T": 8388607 << 40,
	} {
		if got, err := ParseByteSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "M", "-1", "+1", "1.5G", "1e3", "10X", "10 M", "10MM", "8388608T", "99999999999999999999"} {
		if got, err := ParseByteSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	if s := ByteSize(256 << 20).String(); s != "256M" {
		t.Errorf("256 MiB prints as %s", s)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("name: a\nfile-root: [x]\nmemory-budget: 1G\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(_ *testing.T, content []byte) {
		// No input may do worse than be refused.
		_, _ = parseConfig(content)
	})
}
