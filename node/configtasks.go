package node

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"godwit/endpoint"
	"godwit/node/command"
	"godwit/transfer"
)

// Channel is where notifications go: to a webhook.
type Channel struct {
	// Webhook is an https URL, or an http one at an address of EgressAllow.
	Webhook string `yaml:"webhook"`
	// SecretFile holds the secret that deliveries are signed with, whsec_ and
	// Base64. Without one they are not signed.
	SecretFile string `yaml:"secret_file"`
}

// checkCommands refuses commands that could not be run. They are looked at once
// more when the node starts.
func (c *Config) checkCommands() error {
	_, err := command.New(c.Commands)
	return commandError(err)
}

// commandError names the key of a command's error.
func commandError(err error) error {
	var e *command.ConfigError
	if !errors.As(err, &e) {
		return err
	}
	key := "commands." + e.Name
	if e.Key != "" {
		key += "." + e.Key
	}
	return &ConfigError{Key: key, Message: e.Message, Err: e.Err}
}

func (c *Config) checkChannels() error {
	allow, err := prefixes(c.EgressAllow)
	if err != nil {
		return err
	}
	c.Channels = maps.Clone(c.Channels)
	for _, name := range slices.Sorted(maps.Keys(c.Channels)) {
		channel, key := c.Channels[name], "channels."+name
		if transfer.CheckID(name) != nil || name == transfer.ChannelLog {
			return wrong(key, "a name is letters, digits, dots, hyphens and underscores, and not log, which every node has")
		}
		canonical, e := transfer.NormalizeURL(channel.Webhook, "webhook")
		if e != nil {
			return wrong(key+".webhook", "%s", e.Message)
		}
		var denied *transfer.Error
		if errors.As(endpoint.ServerPolicy(allow, nil).CheckWebhook(canonical), &denied) {
			return wrong(key+".webhook", "%s", denied.Message)
		}
		if channel.SecretFile != "" {
			if err := checkPrivate(channel.SecretFile, othersRead); err != nil {
				return &ConfigError{Key: key + ".secret_file", Message: "cannot be used", Err: err}
			}
		}
		channel.Webhook = canonical
		c.Channels[name] = channel
	}
	return nil
}

// loadChannels reads the secrets of the channels of a valid configuration.
func (c Config) loadChannels() (map[string]transfer.Webhook, error) {
	out := make(map[string]transfer.Webhook, len(c.Channels))
	for _, name := range slices.Sorted(maps.Keys(c.Channels)) {
		channel := c.Channels[name]
		hook := transfer.Webhook{URL: channel.Webhook}
		if channel.SecretFile != "" {
			key := "channels." + name + ".secret_file"
			content, err := readPrivate(channel.SecretFile, othersRead)
			if err != nil {
				return nil, &ConfigError{Key: key, Message: "cannot be used", Err: err}
			}
			hook.Secret = string(bytes.TrimSpace(content))
			if _, e := transfer.ParseSecret(hook.Secret, key); e != nil {
				return nil, wrong(key, "%s", e.Message)
			}
		}
		out[name] = hook
	}
	return out, nil
}
