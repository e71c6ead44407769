package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"godwit/client"
)

func TestHealthAsksEveryServer(t *testing.T) {
	answer := func(status int, text string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" || r.Header.Get("Authorization") != "Bearer sesame" {
				status = http.StatusTeapot
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	want := []struct {
		server, code, message string
	}{
		{answer(http.StatusOK, "ok\n"), "", ""},
		{answer(http.StatusServiceUnavailable, "the node is starting\n"), client.CodeNotReady, "the node is starting"},
		{answer(http.StatusServiceUnavailable, ""), client.CodeNotReady, "not ready"},
		{answer(http.StatusNotFound, "no such page"), client.CodeIncompatible, "the server answered 404"},
		{answer(http.StatusFound, ""), client.CodeIncompatible, "the server answered 302"},
		{dead(t), client.CodeUnreachable, ""},
	}
	cfg := client.Config{Token: "sesame"}
	for _, w := range want {
		cfg.Servers = append(cfg.Servers, w.server)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range c.Health(t.Context()) {
		code, message := "", ""
		if h.Err != nil {
			code, message = h.Err.Code, h.Err.Message
		}
		if h.Server != want[i].server || code != want[i].code || want[i].message != "" && message != want[i].message {
			t.Errorf("server %d: %q says %q, %q; want %q, %q", i, h.Server, code, message, want[i].code, want[i].message)
		}
	}
}

func TestHealthEndsWithItsContext(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(held)
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Config{Servers: []string{s.URL}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-held; cancel() }()
	if h := c.Health(ctx); h[0].Err == nil || h[0].Err.Code != client.CodeUnreachable {
		t.Errorf("a server that does not answer: %v", h[0].Err)
	}
}
