package endpoint

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// What follows up to the second line of dashes is in docs/tasks.md.
// ----

// receive makes the handler of a webhook. Handle is called once for a message
// if first tells, by the message's id, that it has not been handled yet.
func receive(secret string, first func(id string) bool, handle func(event []byte) error) (http.Handler, error) {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The signature is over the bytes as they came: verify before decoding.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		// Compares in constant time, and refuses what is older than 5 minutes.
		if err := hook.Verify(body, r.Header); err != nil {
			http.Error(w, "not signed with our secret, or too old", http.StatusUnauthorized)
			return
		}
		if first(r.Header.Get("webhook-id")) {
			if err := handle(body); err != nil {
				http.Error(w, "try again later", http.StatusServiceUnavailable)
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}), nil
}

// ----

func TestSampleReceiver(t *testing.T) { // B125
	seen := map[string]bool{}
	handled := 0
	h, err := receive(goodSecret, func(id string) bool {
		again := seen[id]
		seen[id] = true
		return !again
	}, func([]byte) error { handled++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tt := range []struct {
		name    string
		at      time.Time
		secret  string
		tamper  bool
		status  int
		handled int
	}{
		{"as sent", now, goodSecret, false, 204, 1},
		{"sent twice", now, goodSecret, false, 204, 1},
		{"tampered with", now, goodSecret, true, 401, 1},
		{"recorded", now.Add(-6 * time.Minute), goodSecret, false, 401, 1},
		{"from the future", now.Add(6 * time.Minute), goodSecret, false, 401, 1},
		{"signed by another", now, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, 401, 1},
		{"not signed", now, "", false, 401, 1},
	} {
		body := []byte(`{"id":"t1"}`)
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if err := sign(r.Header, tt.secret, "t1", body, tt.at); err != nil {
			t.Fatal(err)
		}
		if tt.tamper {
			body = bytes.Replace(body, []byte("t1"), []byte("t2"), 1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || handled != tt.handled {
			t.Errorf("%s: %d, handled %d", tt.name, w.Code, handled)
		}
	}
}

func TestSampleIsInTheDocumentation(t *testing.T) {
	source, err := os.ReadFile("sample_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/tasks.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := strings.Split(string(source), "// ----\n")[1]
	if !strings.Contains(string(page), "```go\n"+strings.Trim(sample, "\n")+"\n```\n") {
		t.Error("docs/tasks.md has another sample")
	}
}
