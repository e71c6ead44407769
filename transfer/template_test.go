package transfer

import (
	"strings"
	"testing"
	"time"
)

func TestExpandTemplate(t *testing.T) {
	values := map[string]string{"id": "a", "name": "{id}", "empty": ""}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "{id}": "a", "x{id}y{id}z": "xayaz", "{name}": "{id}", "[{empty}]": "[]",
	} {
		if got, err := ExpandTemplate(text, "f", values); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"{", "}", "{}", "{ID}", "{ id }", "{{id}}", "{.Secrets}", "{id", "id}", "{id}}", "{sec\nret}", "{{.Secrets}}", "%{id"} {
		_, err := ExpandTemplate(text, "f", values)
		if err == nil || err.Code != CodeTemplate || err.Field != "f" || strings.Contains(err.Error(), "ecret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A template is taken only if every brace in it is part of a variable, and
// what comes out then holds a brace only where a value has one.
func FuzzExpandTemplate(f *testing.F) {
	for _, seed := range []string{"{id}", "a{id}b{name}", "{{id}}", "}{", "{id"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := ExpandTemplate(text, "f", map[string]string{"id": "1", "name": "x"})
		if err == nil && strings.ContainsAny(out, "{}") {
			t.Errorf("%q became %q", text, out)
		}
		if plain := !strings.ContainsAny(text, "{}"); plain && (err != nil || out != text) {
			t.Errorf("%q became %q, %v", text, out, err)
		}
	})
}

const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestParseSecret(t *testing.T) {
	if key, err := ParseSecret(goodSecret, "f"); err != nil || len(key) != 24 {
		t.Errorf("%d bytes, %v", len(key), err)
	}
	if key, err := ParseSecret("whsec_"+strings.Repeat("AAAA", 21)+"AA==", "f"); err != nil || len(key) != 64 {
		t.Errorf("%d bytes, %v", len(key), err)
	}
	for _, secret := range []string{
		"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==",
		"whsec_" + strings.Repeat("AAAA", 22), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", goodSecret + "\n",
		"whsec_MfKQ9r8G\nKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + strings.Repeat("AAAA", 8) + "AB==",
	} {
		_, err := ParseSecret(secret, "f")
		if err == nil || err.Code != CodeSecret || err.Field != "f" {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(goodSecret)
	f.Add("whsec_")
	f.Fuzz(func(t *testing.T, secret string) {
		key, err := ParseSecret(secret, "f")
		if (err == nil) != (len(key) >= leastSecret && len(key) <= mostSecret) {
			t.Errorf("%q: %d bytes, %v", secret, len(key), err)
		}
	})
}

func TestNormalizeWebhook(t *testing.T) {
	got, err := NormalizeWebhook(Webhook{URL: "HTTPS://Example.COM:443", Secret: goodSecret}, "resolver")
	if err != nil || got != (Webhook{URL: "https://example.com/", Secret: goodSecret}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, tt := range []struct {
		w     Webhook
		code  Code
		field string
	}{
		{Webhook{URL: "https://u:pw@h/", Secret: goodSecret}, CodeURLUserinfo, "resolver.url"},
		{Webhook{URL: "file:///etc", Secret: goodSecret}, CodeURLScheme, "resolver.url"},
		{Webhook{URL: "https://h/", Secret: "pw"}, CodeSecret, "resolver.secret"},
	} {
		_, err := NormalizeWebhook(tt.w, "resolver")
		if err == nil || err.Code != tt.code || err.Field != tt.field || strings.Contains(err.Error(), "pw") {
			t.Errorf("%v: %v", tt.w, err)
		}
	}
}

func TestNormalizeNotification(t *testing.T) {
	good := Notification{Channel: "log", Success: "{id} {status}: {completed}/{total}", Failure: "{error} {failed} {canceled}", Tag: "a", TTL: time.Hour}
	if got, err := NormalizeNotification(good); err != nil || got != good {
		t.Errorf("%v, %v", got, err)
	}
	for name, tt := range map[string]struct {
		change func(*Notification)
		code   Code
	}{
		"no channel":       {func(n *Notification) { n.Channel = "" }, CodeChannel},
		"bad channel":      {func(n *Notification) { n.Channel = "../x" }, CodeChannel},
		"no text":          {func(n *Notification) { n.Success, n.Failure = "", "" }, CodeTemplate},
		"unknown variable": {func(n *Notification) { n.Failure = "{secret}" }, CodeTemplate},
		"a program":        {func(n *Notification) { n.Success = "{{.Secrets}}" }, CodeTemplate},
		"two lines":        {func(n *Notification) { n.Success = "a\nb" }, CodeTemplate},
		"long":             {func(n *Notification) { n.Success = strings.Repeat("x", maxText+1) }, CodeTemplate},
		"bad tag":          {func(n *Notification) { n.Tag = "a b" }, CodeTemplate},
		"long tag":         {func(n *Notification) { n.Tag = strings.Repeat("x", maxTag+1) }, CodeTemplate},
		"negative":         {func(n *Notification) { n.TTL = -1 }, CodeDuration},
		"too long":         {func(n *Notification) { n.TTL = maxTTL + 1 }, CodeDuration},
	} {
		n := good
		tt.change(&n)
		if _, err := NormalizeNotification(n); err == nil || err.Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoticeRender(t *testing.T) {
	n := Notice{ID: "a", Status: "FAILED", Error: "http.status", Total: 4, Completed: 1, Failed: 2, Canceled: 1}
	got, err := n.Render("{id} {status} {error}: {completed}+{failed}+{canceled}={total}")
	if err != nil || got != "a FAILED http.status: 1+2+1=4" {
		t.Errorf("%q, %v", got, err)
	}
	n.ID = strings.Repeat("é\x1b", maxNotice)
	if got, err := n.Render("{id}"); err != nil || len(got) > maxNotice || strings.Contains(got, "\x1b") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
