package transfer

import (
	"strings"
	"time"
)

// What belongs to a transfer besides the request: its sets, whom it asks for
// attention, whom it tells of its end.

// Bounds of the time that a transfer may wait for attention.
const (
	leastAttention = time.Minute
	mostAttention  = 90 * 24 * time.Hour
)

// DefaultAttentionTTL is how long a transfer that a declared status has paused
// waits for attention, when its Spec does not say.
const DefaultAttentionTTL = 7 * 24 * time.Hour

// CheckGroupName tells whether a transfer group may have this name, by the rules
// of [CheckID]. Field is named in the error.
func CheckGroupName(name, field string) *Error {
	if err := CheckID(name); err != nil {
		return invalid(CodeID, field, "%s", err.Message)
	}
	return nil
}

// CheckCompletionID tells whether a completion group may have this id: no dot is
// allowed, because names of other things are made of it with one.
func CheckCompletionID(id, field string) *Error {
	if err := CheckGroupName(id, field); err != nil {
		return err
	}
	if strings.Contains(id, ".") {
		return invalid(CodeID, field, "the id of a completion group has no dot")
	}
	return nil
}

// checkBodySource checks a body that lies somewhere else, and brings its place
// into canonical form. What it is there is pinned by whoever has the store.
func checkBodySource(s *Spec) *Error {
	if len(s.Body) > 0 {
		return invalid(CodeBody, "bodySource", "give the body itself, or where it lies")
	}
	switch strings.ToUpper(s.Method) {
	case "POST", "PUT", "PATCH":
	default:
		return invalid(CodeBody, "bodySource", "a body goes with POST, PUT or PATCH")
	}
	location, err := ParseSource(s.BodySource, "bodySource")
	s.BodySource = location.String()
	return err
}

func checkSets(s *Spec) *Error {
	if s.Group != "" {
		if err := CheckGroupName(s.Group, "group"); err != nil {
			return err
		}
	}
	if s.CompletionGroup != "" {
		return CheckCompletionID(s.CompletionGroup, "completionGroup")
	}
	return nil
}

func normalizeAttention(s *Spec) *Error {
	if ttl := s.AttentionTTL; ttl != 0 && (ttl < leastAttention || ttl > mostAttention) {
		return invalid(CodeDuration, "attentionTtl", "attention is waited for between %v and 90 days", leastAttention)
	}
	if s.Resolver == (Webhook{}) {
		return nil
	}
	hook, err := NormalizeWebhook(s.Resolver, "resolver")
	s.Resolver = hook
	return err
}

func normalizeNotifications(s *Spec) *Error {
	list, err := NormalizeNotifications(s.Notifications)
	s.Notifications = list
	return err
}
