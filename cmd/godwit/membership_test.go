package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// stand is an attachment whose node is an HTTP server.
type stand struct {
	server *httptest.Server
	gone   chan struct{}
	left   bool
}

func newStand(t *testing.T, name string) *stand {
	t.Helper()
	s := &stand{gone: make(chan struct{})}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.URL.Path)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *stand) HTTPClient() *http.Client    { return s.server.Client() }
func (s *stand) BaseURL() string             { return s.server.URL }
func (s *stand) Closed() <-chan struct{}     { return s.gone }
func (s *stand) Close(context.Context) error { s.left = true; return nil }

func TestMembershipJoinsAgain(t *testing.T) {
	first, second := newStand(t, "first"), newStand(t, "second")
	queue := []*stand{first, second}
	m := &membership{join: func(context.Context) (attachment, error) {
		if len(queue) == 0 {
			return nil, errors.New("nobody is left")
		}
		next := queue[0]
		queue = queue[1:]
		return next, nil
	}}
	ask := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, embeddedURL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := m.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		var who, path string
		if _, err := fmt.Fscan(resp.Body, &who, &path); err != nil || path != "/x" {
			t.Errorf("asked for %q, %v", path, err)
		}
		return who
	}
	if a, b := ask(), ask(); a != "first" || b != "first" {
		t.Errorf("asked %s, then %s", a, b)
	}
	close(first.gone)
	if got := ask(); got != "second" || !first.left {
		t.Errorf("after the first ended: %s", got)
	}
	if err := m.leave(t.Context()); err != nil || !second.left {
		t.Errorf("leave: %v", err)
	}
	if got := ask(); got != http.ErrServerClosed.Error() {
		t.Errorf("after leaving: %s", got)
	}
}
