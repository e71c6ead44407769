package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMembers reads the answer that the API's documentation shows.
func TestMembers(t *testing.T) {
	t.Parallel()
	answer := `{"nodes":[
		{"name":"n1","state":"ALIVE","apiAddr":"127.0.0.1:1","epoch":"3","shards":341,"transfers":{"running":2,"queued":9},"version":"v1"},
		{"name":"n2","state":"DEAD","more":[1]}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/godwit.v1.ClusterService/ListNodes" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	n := &Node{Name: "n1", API: strings.TrimPrefix(server.URL, "http://")}
	got, err := n.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := got["n1"]; m.State != "ALIVE" || m.Shards != 341 || m.Transfers.Running != 2 || m.Transfers.Queued != 9 {
		t.Errorf("%+v", m)
	}
	if m := got["n2"]; len(got) != 2 || m.State != "DEAD" || m.Shards != 0 {
		t.Errorf("%+v", got)
	}
	answer = "{"
	if got, err := n.Members(t.Context()); err == nil {
		t.Errorf("%+v", got)
	}
}
