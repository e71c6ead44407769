package task

import (
	"bytes"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"godwit/transfer"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func template() *transfer.Spec {
	return &transfer.Spec{
		Source: "https://api/convert?file={destination}", Destination: "s3://results/{group}/{id}-{name}",
		Labels: map[string]string{"task": "{task}"}, Size: transfer.UnknownSize,
	}
}

func TestNormalize(t *testing.T) {
	later := time.Unix(1_800_000_000, 0)
	full := func(s Spec) Spec { // what belongs to other kinds goes
		s.Tag, s.Expires = "t", later
		return s
	}
	for name, tt := range map[string]struct{ in, want Spec }{
		"webhook": {
			full(Spec{Kind: Webhook, URL: "HTTPS://H:443", Secret: secret, Command: "c"}),
			Spec{Kind: Webhook, URL: "https://h/", Secret: secret},
		},
		"exec":   {full(Spec{Kind: Exec, Command: "scan-it", URL: "x"}), Spec{Kind: Exec, Command: "scan-it"}},
		"submit": {full(Spec{Kind: Submit, Template: template()}), Spec{Kind: Submit, Template: template()}},
		"notification": {
			Spec{Kind: Notification, Channel: "log", Text: "{done}", Tag: "t", Expires: later, Secret: "s"},
			Spec{Kind: Notification, Channel: "log", Text: "{done}", Tag: "t", Expires: later},
		},
	} {
		got, err := Normalize(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if again, err := Normalize(got); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: not normal yet: %+v, %v", name, again, err)
		}
	}
}

func TestNormalizeRefuses(t *testing.T) {
	with := func(change func(*transfer.Spec)) *transfer.Spec {
		s := template()
		change(s)
		return s
	}
	for name, tt := range map[string]struct {
		spec  Spec
		code  transfer.Code
		field string
	}{
		"no kind":          {Spec{}, transfer.CodeEnum, "kind"},
		"userinfo":         {Spec{Kind: Webhook, URL: "https://u:pw@h/", Secret: secret}, transfer.CodeURLUserinfo, "webhook.url"},
		"scheme":           {Spec{Kind: Webhook, URL: "ftp://h/", Secret: secret}, transfer.CodeURLScheme, "webhook.url"},
		"short secret":     {Spec{Kind: Webhook, URL: "https://h/", Secret: "whsec_cHdwdw=="}, transfer.CodeSecret, "webhook.secret"},
		"no secret":        {Spec{Kind: Webhook, URL: "https://h/"}, transfer.CodeSecret, "webhook.secret"},
		"no command":       {Spec{Kind: Exec}, transfer.CodeID, "exec"},
		"path":             {Spec{Kind: Exec, Command: "/bin/sh"}, transfer.CodeID, "exec"},
		"shell":            {Spec{Kind: Exec, Command: "a;id"}, transfer.CodeID, "exec"},
		"no template":      {Spec{Kind: Submit}, transfer.CodeTemplate, "submit.transfer"},
		"variable":         {Spec{Kind: Submit, Template: with(func(s *transfer.Spec) { s.Source = "https://h/{secret}" })}, transfer.CodeTemplate, "submit.transfer.source"},
		"variable in host": {Spec{Kind: Submit, Template: with(func(s *transfer.Spec) { s.Source = "https://{name}.h/" })}, transfer.CodeTemplate, "submit.transfer.source"},
		"in a label":       {Spec{Kind: Submit, Template: with(func(s *transfer.Spec) { s.Labels = map[string]string{"a": "}"} })}, transfer.CodeTemplate, "submit.transfer.labels"},
		"never a transfer": {Spec{Kind: Submit, Template: with(func(s *transfer.Spec) { s.Destination = "{name}" })}, transfer.CodeDestInvalid, "destination"},
		"no text":          {Spec{Kind: Notification, Channel: "log"}, transfer.CodeTemplate, "text"},
		"channel":          {Spec{Kind: Notification, Channel: "a/b", Text: "x"}, transfer.CodeChannel, "channel"},
	} {
		_, err := Normalize(tt.spec)
		if err == nil || err.Code != tt.code || err.Field != tt.field || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v (field %s)", name, err, func() string {
				if err != nil {
					return err.Field
				}
				return ""
			}())
		}
	}
}

func TestNewSecret(t *testing.T) {
	s := NewSecret(bytes.Repeat([]byte{7}, 32))
	if key, err := transfer.ParseSecret(s, "f"); err != nil || len(key) != 32 || key[0] != 7 {
		t.Errorf("%s: %v", s, err)
	}
}

func TestTargetHidesCredentials(t *testing.T) {
	for want, s := range map[string]Spec{
		"https://h/p": {Kind: Webhook, URL: "https://h/p?token=1", Secret: secret},
		"c":           {Kind: Exec, Command: "c"},
		"submit":      {Kind: Submit, Template: template()},
		"log":         {Kind: Notification, Channel: "log"},
	} {
		if got := s.Target(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestExpand(t *testing.T) {
	got, err := Expand(*template(), VarsOf("m.1", "file:///d/a b&c.bin", "g", "t1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Source != "https://api/convert?file=file%3A%2F%2F%2Fd%2Fa%20b%26c.bin" ||
		got.Destination != "s3://results/g/m.1-a b&c.bin" || got.Labels["task"] != "t1" {
		t.Errorf("%+v", got)
	}
	if got.ID != SubmitID("t1", "m.1") || got.ID == SubmitID("t1", "m.2") || got.ID == SubmitID("t2", "m.1") || transfer.CheckID(got.ID) != nil {
		t.Errorf("id %s", got.ID)
	}
	if template().Labels["task"] != "{task}" {
		t.Error("the template was changed")
	}
	upload := transfer.Spec{Direction: transfer.Upload, Source: "{destination}", Destination: "https://h/{name}", Size: transfer.UnknownSize}
	got, err = Expand(upload, VarsOf("m", "file:///d/ä?.bin", "g", "t"))
	if err != nil || got.Source != "file:///d/ä?.bin" || got.Destination != "https://h/%C3%A4%3F.bin" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestExpandRefusesHostileNames(t *testing.T) {
	files := transfer.Spec{Source: "https://h/x", Destination: "file:///out/{name}", Size: transfer.UnknownSize}
	for _, destination := range []string{"s3://b/..", "s3://b/a/../..", "s3://b/a\x00", "s3://b/x/", "s3://b/NUL"} {
		if got, err := Expand(files, VarsOf("m", destination, "g", "t")); err == nil {
			t.Errorf("%q became %s", destination, got.Destination)
		}
	}
}

func TestVarsOf(t *testing.T) {
	for destination, want := range map[string]string{
		"file:///a/b c?d": "b c?d", "s3://b/k/%41": "%41", "https://h/p/a%20b?q=1/2": "a b", "https://h/a%2Fb": "a%2Fb", "https://h/": "",
	} {
		if got := VarsOf("m", destination, "g", "t").Name; got != want {
			t.Errorf("%s: %q, want %q", destination, got, want)
		}
	}
}

// Whatever a member is called, it changes neither host nor number of segments
// of a URL, nor leaves its folder.
func FuzzExpand(f *testing.F) {
	f.Add("file:///d/x", "https://h/a/{name}/b?c={id}")
	f.Add("s3://b/../x", "https://h/{destination}")
	f.Fuzz(func(t *testing.T, destination, source string) {
		spec := transfer.Spec{Source: source, Destination: "file:///out/{name}", Size: transfer.UnknownSize}
		got, err := Expand(spec, VarsOf("m", destination, "g", "t"))
		if err != nil {
			return
		}
		if !strings.HasPrefix(got.Destination, "file:///out/") || strings.Count(got.Destination, "/") != 4 {
			t.Errorf("%q became %q", destination, got.Destination)
		}
		before, err1 := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(source))
		after, err2 := url.Parse(got.Source)
		if err1 != nil || err2 != nil || !httpURL(source) {
			return
		}
		if n, m := strings.Count(before.EscapedPath(), "/"), strings.Count(after.EscapedPath(), "/"); before.Path != "" && n != m {
			t.Errorf("%q became %q", source, got.Source)
		}
	})
}
