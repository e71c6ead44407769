package task

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"godwit/transfer"
)

// maxText is the longest text of a notification in bytes, its variables filled
// in.
const maxText = 4 << 10

// Normalize checks a Spec and returns it in its canonical form, in which what
// does not belong to its kind is empty. The error names the field, never a
// secret value. A Text is what is sent: its variables were filled in before
// (see transfer.Notice), so braces mean nothing any more.
func Normalize(s Spec) (Spec, *transfer.Error) {
	n := Spec{Kind: s.Kind}
	switch s.Kind {
	case Webhook:
		hook, err := transfer.NormalizeWebhook(transfer.Webhook{URL: s.URL, Secret: s.Secret}, "webhook")
		n.URL, n.Secret = hook.URL, hook.Secret
		return n, err
	case Exec:
		n.Command = s.Command
		return n, checkName(s.Command, "exec", transfer.CodeID)
	case Submit:
		n.Template = s.Template
		return n, checkTemplate(s.Template)
	case Notification:
		n.Text, n.Channel, n.Tag, n.Expires = s.Text, s.Channel, s.Tag, s.Expires
		return n, checkNotification(s)
	}
	return n, invalid(transfer.CodeEnum, "kind", "it is WEBHOOK, EXEC, SUBMIT or NOTIFICATION")
}

func checkNotification(s Spec) *transfer.Error {
	if s.Text == "" || len(s.Text) > maxText || !utf8.ValidString(s.Text) {
		return invalid(transfer.CodeTemplate, "text", "a text has 1 to %d bytes of UTF-8", maxText)
	}
	return checkName(s.Channel, "channel", transfer.CodeChannel)
}

// checkName checks the name of something in the node's configuration. Whether it
// is there is not known here.
func checkName(name, field string, code transfer.Code) *transfer.Error {
	if transfer.CheckID(name) == nil {
		return nil
	}
	return invalid(code, field, "a name is letters, digits, dots, hyphens and underscores, the first a letter or a digit")
}

func invalid(code transfer.Code, field, format string, args ...any) *transfer.Error {
	e := transfer.Errorf(code, format, args...)
	e.Op, e.Field = "validate", field
	return e
}

// NewSecret is the secret of a webhook whose key is random, 24 to 64 bytes.
func NewSecret(random []byte) string {
	return transfer.SecretPrefix + base64.StdEncoding.EncodeToString(random)
}

// Target says where a task goes, safe to show: a URL without query, the name of
// a command, a channel.
func (s Spec) Target() string {
	switch s.Kind {
	case Webhook:
		return transfer.RedactURL(s.URL)
	case Exec:
		return s.Command
	case Notification:
		return s.Channel
	}
	return strings.ToLower(string(s.Kind))
}
