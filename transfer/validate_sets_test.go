package transfer

import (
	"encoding/base64"
	"testing"
	"time"
)

func secretOf(bytes int) string {
	return SecretPrefix + base64.StdEncoding.EncodeToString(make([]byte, bytes))
}

// TestNormalizeWhatComesAfter checks sets, resolver and notifications.
func TestNormalizeWhatComesAfter(t *testing.T) {
	hook := func(url, secret string) func(*Spec) {
		return func(s *Spec) { s.Resolver = Webhook{URL: url, Secret: secret} }
	}
	tell := func(n Notification) func(*Spec) { return func(s *Spec) { s.Notifications = []Notification{n} } }
	const url = "https://example.com/hook"
	for name, tt := range map[string]struct {
		change func(*Spec)
		code   Code
		field  string
	}{
		"group":                  {func(s *Spec) { s.Group = "a.b-c" }, "", ""},
		"bad group":              {func(s *Spec) { s.Group = "../x" }, CodeID, "group"},
		"completion group":       {func(s *Spec) { s.CompletionGroup = "nightly-7" }, "", ""},
		"completion with a dot":  {func(s *Spec) { s.CompletionGroup = "a.b" }, CodeID, "completionGroup"},
		"bad completion group":   {func(s *Spec) { s.CompletionGroup = "-" }, CodeID, "completionGroup"},
		"body of a POST":         {func(s *Spec) { s.Method, s.BodySource = "POST", "s3://bucket/key" }, "", ""},
		"body of a GET":          {func(s *Spec) { s.BodySource = "file:///f" }, CodeBody, "bodySource"},
		"two bodies":             {func(s *Spec) { s.Method, s.BodySource, s.Body = "PUT", "file:///f", []byte("b") }, CodeBody, "bodySource"},
		"body of our records":    {func(s *Spec) { s.Method, s.BodySource = "PUT", "s3://bucket/_godwit/x" }, CodeKeyReserved, "bodySource"},
		"body over http":         {func(s *Spec) { s.Method, s.BodySource = "PUT", "http://h/x" }, CodeDestInvalid, "bodySource"},
		"attention":              {func(s *Spec) { s.AttentionTTL = time.Minute }, "", ""},
		"short attention":        {func(s *Spec) { s.AttentionTTL = time.Second }, CodeDuration, "attentionTtl"},
		"long attention":         {func(s *Spec) { s.AttentionTTL = 91 * 24 * time.Hour }, CodeDuration, "attentionTtl"},
		"resolver":               {hook(url, secretOf(24)), "", ""},
		"longest secret":         {hook(url, secretOf(64)), "", ""},
		"secret without URL":     {hook("", secretOf(24)), CodeURLEmpty, "resolver.url"},
		"resolver with password": {hook("https://u:p@example.com/", secretOf(24)), CodeURLUserinfo, "resolver.url"},
		"no secret":              {hook(url, ""), CodeSecret, "resolver.secret"},
		"notification":           {tell(Notification{Channel: "log", Success: "{id} {status} {error} {total} {completed} {failed} {canceled}", TTL: maxTTL}), "", ""},
		"many notifications":     {func(s *Spec) { s.Notifications = make([]Notification, 9) }, CodeTemplate, "notifications"},
	} {
		s := Spec{ID: "t", Source: "http://h/", Destination: "file:///f", Size: UnknownSize}
		tt.change(&s)
		got, err := Normalize(s)
		if code := codeOf(err); code != tt.code || err != nil && err.Field != tt.field {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if again, err := Normalize(got); err != nil || again.Resolver != got.Resolver {
			t.Errorf("%s: not canonical: %v", name, err)
		}
	}
}
