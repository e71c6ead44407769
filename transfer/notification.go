package transfer

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ChannelLog is the channel that every node has: its log.
const ChannelLog = "log"

// maxNotifications is how many a transfer or a set may have.
const maxNotifications = 8

// Bounds of a notification: bytes of a text as it is asked for and as it is
// sent, bytes of a tag, and how long it may be of interest.
const (
	maxText   = 1 << 10
	maxNotice = 4 << 10
	maxTag    = 64
	maxTTL    = 30 * 24 * time.Hour
)

// Notice is what the variables of a notification's text stand for.
type Notice struct {
	// ID and Status are those of the transfer or set, Error the code of its
	// failure or "".
	ID, Status, Error string
	// Total counts members, the others how many of them ended so; of a single
	// transfer Total is 1.
	Total, Completed, Failed, Canceled int
}

// NormalizeNotifications is NormalizeNotification for a list of at most 8. It
// does not change its argument.
func NormalizeNotifications(list []Notification) ([]Notification, *Error) {
	if len(list) > maxNotifications {
		return nil, invalid(CodeTemplate, "notifications", "at most %d notifications, not %d", maxNotifications, len(list))
	}
	var out []Notification
	for _, n := range list {
		n, err := NormalizeNotification(n)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// NormalizeNotification checks a notification. Whether a node knows its channel
// is not checked here. It fails with channel.unknown, template.invalid or
// duration.invalid.
func NormalizeNotification(n Notification) (Notification, *Error) {
	if err := CheckID(n.Channel); err != nil {
		return Notification{}, invalid(CodeChannel, "notifications.channel", "a channel is log or a name of the nodes' configuration")
	}
	if n.Success == "" && n.Failure == "" {
		return Notification{}, invalid(CodeTemplate, "notifications", "give a text for success, for failure, or both")
	}
	if err := checkText(n.Success, "notifications.success"); err != nil {
		return Notification{}, err
	}
	if err := checkText(n.Failure, "notifications.failure"); err != nil {
		return Notification{}, err
	}
	if len(n.Tag) > maxTag || !only(n.Tag, "_.-") {
		return Notification{}, invalid(CodeTemplate, "notifications.tag",
			"a tag is at most %d letters, digits, dots, hyphens and underscores", maxTag)
	}
	if n.TTL < 0 || n.TTL > maxTTL {
		return Notification{}, invalid(CodeDuration, "notifications.ttl", "0 to %d days", maxTTL/(24*time.Hour))
	}
	return n, nil
}

func checkText(text, field string) *Error {
	if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
		return invalid(CodeTemplate, field, "a text is one line of at most %d bytes", maxText)
	}
	_, err := ExpandTemplate(text, field, Notice{}.values())
	return err
}

// Render fills a notification's text. It fails with template.invalid for one
// that was never checked.
func (n Notice) Render(text string) (string, *Error) {
	out, err := ExpandTemplate(text, "text", n.values())
	return cutBytes(printable(out), maxNotice), err
}

func (n Notice) values() map[string]string {
	return map[string]string{
		"id": n.ID, "status": n.Status, "error": n.Error,
		"total": strconv.Itoa(n.Total), "completed": strconv.Itoa(n.Completed),
		"failed": strconv.Itoa(n.Failed), "canceled": strconv.Itoa(n.Canceled),
	}
}
