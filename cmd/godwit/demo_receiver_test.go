package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever does not know the secret is noted, and told so.
func TestDemoReceiverRefusesWhatIsNotSigned(t *testing.T) {
	r, err := startDemoReceiver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	body := `{"data":{"transfers":[{"status":"COMPLETED"},{"status":"FAILED"},{"status":"COMPLETED"}]}}`
	req := httptest.NewRequest(http.MethodPost, r.url, strings.NewReader(body))
	req.Header.Set("webhook-id", "t1")
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, req)
	got := r.deliveries()
	if answer.Code != http.StatusUnauthorized || len(got) != 1 || got[0] != (demoDelivery{id: "t1", completed: 2}) {
		t.Errorf("%d, %+v", answer.Code, got)
	}
	if n := completedIn([]byte("no JSON")); n != 0 {
		t.Error(n)
	}
}
