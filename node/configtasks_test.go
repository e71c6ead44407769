package node

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"godwit/node/command"
	"godwit/transfer"
)

func TestParseCommandsAndChannels(t *testing.T) {
	cfg, err := parseConfig([]byte(`
commands:
  scan:
    argv: [/usr/bin/true, --flag, "; rm -rf /"]
    timeout: 90s
    env: {REGION: eu, EMPTY: ""}
  short:
    argv: [/usr/bin/true]
channels:
  ops: {webhook: "https://h/x", secret_file: /etc/s}
`))
	want := Config{
		Commands: map[string]command.Config{
			"scan": {
				Argv: []string{"/usr/bin/true", "--flag", "; rm -rf /"}, Timeout: 90 * time.Second,
				Env: map[string]string{"REGION": "eu", "EMPTY": ""},
			},
			"short": {Argv: []string{"/usr/bin/true"}},
		},
		Channels: map[string]Channel{"ops": {Webhook: "https://h/x", SecretFile: "/etc/s"}},
	}
	if err != nil || !reflect.DeepEqual(cfg, want) {
		t.Fatalf("%+v, %v", cfg, err)
	}
}

func TestParseCommandsAndChannelsRefuses(t *testing.T) {
	for yaml, key := range map[string]string{
		"commands:":                                  "commands",
		"commands: [a]":                              "commands",
		"commands: {a: /bin/sh}":                     "commands.a",
		"commands: {1: {argv: [a]}}":                 "commands",
		"commands: {[a]: {argv: [a]}}":               "commands",
		"commands: {a: {argv: [a]}, a: {argv: [b]}}": "commands.a",
		"commands: {a: {argv: /bin/sh}}":             "commands.a.argv",
		"commands: {a: {argv: [1]}}":                 "commands.a.argv",
		"commands: {a: {argv: [a], argv: [b]}}":      "commands.a.argv",
		"commands: {a: {args: [a]}}":                 "commands.a.args",
		"commands: {a: {shell: true}}":               "commands.a.shell",
		"commands: {a: {timeout: 5}}":                "commands.a.timeout",
		"commands: {a: {timeout: soon}}":             "commands.a.timeout",
		"commands: {a: {env: [A]}}":                  "commands.a.env",
		"commands: {a: {env: {A: 1}}}":               "commands.a.env.A",
		"commands: {a: {env: {A: x, A: y}}}":         "commands.a.env.A",
		"commands: {a: &a {argv: [x]}, b: *a}":       "commands.b",
		"commands: {a: {<<: {argv: [x]}}}":           "commands.a.<<",
		"channels: {a: https://h/}":                  "channels.a",
		"channels: {a: {url: https://h/}}":           "channels.a.url",
		"channels: {a: {webhook: 1}}":                "channels.a.webhook",
	} {
		t.Run(yaml, func(t *testing.T) {
			_, err := parseConfig([]byte(yaml))
			wantConfigError(t, err, key)
		})
	}
}

func TestValidateRefusesCommandsAndChannels(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("commands run on Linux only")
	}
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	commands := func(name string, c command.Config) Config {
		return Config{Commands: map[string]command.Config{name: c}}
	}
	channels := func(name string, c Channel) Config { return Config{Channels: map[string]Channel{name: c}} }
	for name, tt := range map[string]struct {
		cfg Config
		key string
	}{
		"relative":        {commands("a", command.Config{Argv: []string{"sh"}}), "commands.a.argv"},
		"not executable":  {commands("a", command.Config{Argv: []string{open}}), "commands.a.argv"},
		"preload":         {commands("a", command.Config{Argv: []string{"/bin/sh"}, Env: map[string]string{"LD_PRELOAD": "x"}}), "commands.a.env"},
		"timeout":         {commands("a", command.Config{Argv: []string{"/bin/sh"}, Timeout: -1}), "commands.a.timeout"},
		"command's name":  {commands("a b", command.Config{Argv: []string{"/bin/sh"}}), "commands.a b"},
		"channel's name":  {channels("a b", Channel{Webhook: "https://h/"}), "channels.a b"},
		"log":             {channels("log", Channel{Webhook: "https://h/"}), "channels.log"},
		"no URL":          {channels("a", Channel{}), "channels.a.webhook"},
		"plain":           {channels("a", Channel{Webhook: "http://h/"}), "channels.a.webhook"},
		"userinfo":        {channels("a", Channel{Webhook: "https://u:p@h/"}), "channels.a.webhook"},
		"internal":        {channels("a", Channel{Webhook: "https://127.0.0.1/"}), "channels.a.webhook"},
		"readable secret": {channels("a", Channel{Webhook: "https://h/", SecretFile: open}), "channels.a.secret_file"},
		"missing secret":  {channels("a", Channel{Webhook: "https://h/", SecretFile: open + "x"}), "channels.a.secret_file"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.DataDir = dir
			_, err := tt.cfg.Validate()
			wantConfigError(t, err, tt.key)
		})
	}
}

func TestLoadChannels(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret + "\n")
	cfg, err := Config{DataDir: dir, EgressAllow: []string{"127.0.0.1"}, Channels: map[string]Channel{
		"signed": {Webhook: "HTTPS://H", SecretFile: file},
		"plain":  {Webhook: "http://127.0.0.1:80/x"},
	}}.Validate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := cfg.loadChannels()
	want := map[string]transfer.Webhook{
		"signed": {URL: "https://h/", Secret: secret},
		"plain":  {URL: "http://127.0.0.1/x"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	write("whsec_c2hvcnQ=")
	_, err = cfg.loadChannels()
	wantConfigError(t, err, "channels.signed.secret_file")
	if strings.Contains(err.Error(), "c2hvcnQ") {
		t.Errorf("%v", err)
	}
}
