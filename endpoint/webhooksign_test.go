package endpoint

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The example that the specification's own libraries test themselves with.
func TestSignThePublishedExample(t *testing.T) {
	h := http.Header{}
	err := sign(h, goodSecret, "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
	if err != nil || h.Get("Webhook-Signature") != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" ||
		h.Get("Webhook-Timestamp") != "1614265330" || h.Get("Webhook-Id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" {
		t.Errorf("%v, %v", h, err)
	}
	if err := sign(http.Header{}, "whsec_c2hvcnQ=", "a", nil, time.Now()); err == nil || strings.Contains(err.Error(), "c2hvcnQ") {
		t.Errorf("a short secret: %v", err)
	}
}

func TestVerify(t *testing.T) { // B125
	now := time.Unix(1_800_000_000, 0)
	body := []byte(`{"a":1}`)
	for name, tt := range map[string]struct {
		change func(h http.Header, body *[]byte, now *time.Time, secret *string)
		want   error
	}{
		"as sent":          {func(http.Header, *[]byte, *time.Time, *string) {}, nil},
		"a little later":   {func(_ http.Header, _ *[]byte, now *time.Time, _ *string) { *now = now.Add(Tolerance) }, nil},
		"a little earlier": {func(_ http.Header, _ *[]byte, now *time.Time, _ *string) { *now = now.Add(-Tolerance) }, nil},
		"replayed":         {func(_ http.Header, _ *[]byte, now *time.Time, _ *string) { *now = now.Add(Tolerance + time.Second) }, ErrTimestamp},
		"from the future":  {func(_ http.Header, _ *[]byte, now *time.Time, _ *string) { *now = now.Add(-Tolerance - time.Second) }, ErrTimestamp},
		"body":             {func(_ http.Header, body *[]byte, _ *time.Time, _ *string) { *body = []byte(`{"a":2}`) }, ErrSignature},
		"id":               {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Set("Webhook-Id", "b") }, ErrSignature},
		"time":             {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Set("Webhook-Timestamp", "1800000001") }, ErrSignature},
		"no time":          {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Set("Webhook-Timestamp", "now") }, ErrTimestamp},
		"two ids":          {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Add("Webhook-Id", "a") }, ErrSignature},
		"no signature":     {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Del("Webhook-Signature") }, ErrSignature},
		"half":             {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) { h.Set("Webhook-Signature", "v1,") }, ErrSignature},
		"other version": {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) {
			h.Set("Webhook-Signature", "v2"+h.Get("Webhook-Signature")[2:])
		}, ErrSignature},
		"one of two": {func(h http.Header, _ *[]byte, _ *time.Time, _ *string) {
			h.Set("Webhook-Signature", "v1,AAAA "+h.Get("Webhook-Signature"))
		}, nil},
		"other secret": {func(_ http.Header, _ *[]byte, _ *time.Time, secret *string) {
			*secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		}, ErrSignature},
	} {
		h, body, now, secret := http.Header{}, body, now, goodSecret
		if err := sign(h, secret, "a", body, now); err != nil {
			t.Fatal(err)
		}
		tt.change(h, &body, &now, &secret)
		if err := Verify(secret, h, body, now); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if err := Verify("", http.Header{}, nil, now); err == nil {
		t.Error("no secret verifies nothing")
	}
}

func TestMessageIDsHaveNoDots(t *testing.T) { // B124
	a, b := messageID("a.b"), messageID("a_b")
	if strings.Contains(a, ".") || a == b || b != "a_b" || a == messageID("a.c") || a != messageID("a.b") {
		t.Errorf("%s, %s", a, b)
	}
}

func TestEvent(t *testing.T) {
	e := Event{
		Type: EventCompletionFinished, ID: "t1", Cluster: "c1", Subject: "g1", Time: time.Unix(1_800_000_000, 5).In(time.FixedZone("x", 3600)),
		Data: []byte(`{"id": "<\"g1\">"}`),
	}
	body, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","type":"godwit.completion_group.finished","id":"t1","source":"/clusters/c1","subject":"g1",` +
		`"time":"2027-01-15T08:00:00.000000005Z","datacontenttype":"application/json","data":{"id":"<\"g1\">"}}`
	if string(body) != want {
		t.Errorf("%s", body)
	}
	e.Cluster, e.Subject, e.Data = "", `a"b`, nil
	body, err = e.Marshal()
	var back map[string]any
	if err != nil || json.Unmarshal(body, &back) != nil || back["source"] != "godwit" || back["subject"] != `a"b` || back["data"] != nil {
		t.Errorf("%s, %v", body, err)
	}
	e.Data = []byte(`{"a":1},"id":"forged"`)
	if body, err := e.Marshal(); err == nil {
		t.Errorf("%s", body)
	}
}
