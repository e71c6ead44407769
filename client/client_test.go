package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	for _, server := range []string{"", "ftp://h:1", "http://", "http://user:sesame@h:1", "http://h:1/?token=sesame", "http://h:1/#f", "http://h:x"} {
		_, err := client.New(client.Config{Servers: []string{server}})
		if client.CodeOf(err) != client.CodeInvalid {
			t.Errorf("New(%q): %v", server, err)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("New(%q) tells a secret: %v", server, err)
		}
	}
	if _, err := client.New(client.Config{}); client.CodeOf(err) != client.CodeInvalid {
		t.Errorf("New without servers: %v", err)
	}
	for _, server := range []string{"127.0.0.1:7480", "https://h", "http://[::1]:1/prefix/"} {
		if _, err := client.New(client.Config{Servers: []string{server}}); err != nil {
			t.Errorf("New(%q): %v", server, err)
		}
	}
}

func TestErrorCarriesWhatTheServerSaid(t *testing.T) {
	c := connectTo(t, serve(t, &fake{}))
	_, err := c.Get(t.Context(), "x")
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("Get: %v is no *Error", err)
	}
	if e.Code != "transfer.not_found" || e.Field != "f" || e.Retryable || !strings.Contains(e.Message, "no transfer x") || e.ID != "x" {
		t.Errorf("Get: %+v", e)
	}
}

// What answers without a detail is a proxy or another program.
func TestErrorWithoutDetail(t *testing.T) {
	for status, want := range map[int]string{
		401: client.CodeAuth, 403: client.CodeAuth, 404: client.CodeIncompatible, 501: client.CodeUnreachable,
		502: client.CodeUnreachable, 503: client.CodeUnreachable, 302: client.CodeUnreachable,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if _, err := connectTo(t, s.URL).Get(t.Context(), "x"); client.CodeOf(err) != want {
			t.Errorf("HTTP %d: %v, want %s", status, err, want)
		}
		s.Close()
	}
}

func TestTokenIsSent(t *testing.T) {
	got := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	c, err := client.New(client.Config{Servers: []string{s.URL}, Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), "x")
	if h := <-got; h != "Bearer sesame" {
		t.Errorf("Authorization: %q", h)
	}
	if client.CodeOf(err) != client.CodeAuth || strings.Contains(err.Error(), "sesame") {
		t.Errorf("Get: %v", err)
	}
}

func TestCallsFailOverAndStay(t *testing.T) {
	f := &fake{transfers: map[string]*pb.Transfer{"a": state("a", pb.Transfer_RUNNING, 1)}}
	c := connectTo(t, dead(t), dead(t), serve(t, f))
	for range 3 {
		if _, err := c.Get(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := connectTo(t, dead(t), dead(t)).Get(t.Context(), "a"); client.CodeOf(err) != client.CodeUnreachable {
		t.Errorf("no server: %v", err)
	}
}

// A server that stops or does not own the transfer has done nothing.
func TestCallsLeaveAServerThatStops(t *testing.T) {
	stopping := &fake{retry: func(string) (*pb.Transfer, error) {
		return nil, refusal(connect.CodeUnavailable, "server.stopping", "bye", true)
	}}
	alive := &fake{retry: func(id string) (*pb.Transfer, error) { return state(id, pb.Transfer_QUEUED, 0), nil }}
	if _, err := connectTo(t, serve(t, stopping), serve(t, alive)).Retry(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// With patience, a call outlives a server that breaks off and one that is not
// there yet, unless doing it twice could matter.
func TestCallsAreRepeatedWithPatience(t *testing.T) {
	f := &fake{retry: func(string) (*pb.Transfer, error) { return nil, cut() }}
	f.create = func(r *pb.CreateTransferRequest) (*pb.Transfer, error) {
		if f.counted("create") < 3 {
			return nil, cut()
		}
		return r.GetTransfer(), nil
	}
	c, err := client.New(client.Config{
		Servers: []string{serve(t, f)}, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, RepeatFor: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), &pb.Transfer{Id: "a"}, true); err != nil || f.counted("create") != 3 {
		t.Errorf("Create after %d tries: %v", f.counted("create"), err)
	}
	if _, err := c.Retry(t.Context(), "a"); client.CodeOf(err) != client.CodeUnreachable || f.counted("retry") != 1 {
		t.Errorf("Retry after %d tries: %v", f.counted("retry"), err)
	}
}

// A server that is starting is asked again, instead of failing the call.
func TestCallsWaitForAServerThatStarts(t *testing.T) {
	starting := &fake{}
	starting.retry = func(id string) (*pb.Transfer, error) {
		if starting.counted("retry") < 3 {
			return nil, refusal(connect.CodeUnavailable, "server.stopping", "the node is starting", true)
		}
		return state(id, pb.Transfer_QUEUED, 0), nil
	}
	if _, err := connectTo(t, serve(t, starting)).Retry(t.Context(), "a"); err != nil || starting.counted("retry") != 3 {
		t.Errorf("after %d tries: %v", starting.counted("retry"), err)
	}
}

// Retry may have been done when the answer is lost; it is sent elsewhere only
// when the first server was not reached at all.
func TestRetryIsNotDoneTwice(t *testing.T) {
	broken := &fake{retry: func(string) (*pb.Transfer, error) { return nil, cut() }}
	second := &fake{retry: func(id string) (*pb.Transfer, error) { return state(id, pb.Transfer_QUEUED, 0), nil }}
	if _, err := connectTo(t, serve(t, broken), serve(t, second)).Retry(t.Context(), "a"); client.CodeOf(err) != client.CodeUnreachable {
		t.Errorf("Retry after a lost answer: %v", err)
	}
	if n := second.counted("retry"); n != 0 {
		t.Errorf("the second server got %d retries", n)
	}
	if _, err := connectTo(t, dead(t), serve(t, second)).Retry(t.Context(), "a"); err != nil {
		t.Errorf("Retry with a dead server first: %v", err)
	}
}

// TestEndsAreNoticedAndDeleted: both are repeated on the next server, and what
// would count twice is not.
func TestEndsAreNoticedAndDeleted(t *testing.T) {
	broken := &fake{
		acknowledge: func(string) (*pb.Transfer, error) { return nil, cut() },
		remove:      func(string) error { return cut() },
	}
	second := &fake{
		acknowledge: func(id string) (*pb.Transfer, error) { return state(id, pb.Transfer_COMPLETED, 0), nil },
		remove:      func(string) error { return refusal(connect.CodeNotFound, "transfer.not_found", "", false) },
	}
	c := connectTo(t, serve(t, broken), serve(t, second))
	if got, err := c.Acknowledge(t.Context(), "a"); err != nil || got.GetId() != "a" {
		t.Errorf("%v, %v", got, err)
	}
	c = connectTo(t, serve(t, broken), serve(t, second))
	if err := c.Delete(t.Context(), "a"); client.CodeOf(err) != "transfer.not_found" {
		t.Errorf("deleted twice: %v", err)
	}
	c = connectTo(t, serve(t, broken), serve(t, second))
	req := &pb.UpdateTransferRequest{Id: "a", AppendHeaders: []*pb.Header{{Name: "X", Value: "1"}}}
	if _, err := c.Update(t.Context(), req); client.CodeOf(err) != client.CodeUnreachable || second.counted("update") > 0 {
		t.Errorf("appended %d times more: %v", second.counted("update"), err)
	}
}

func TestCreateIsIdempotentAcrossServers(t *testing.T) {
	var mu sync.Mutex
	var ids []string
	note := func(r *pb.CreateTransferRequest) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, r.GetTransfer().GetId())
	}
	lost := &fake{create: func(r *pb.CreateTransferRequest) (*pb.Transfer, error) { note(r); return nil, cut() }}
	kept := &fake{create: func(r *pb.CreateTransferRequest) (*pb.Transfer, error) {
		note(r)
		if !r.GetStart() {
			return nil, fmt.Errorf("start is not set")
		}
		return r.GetTransfer(), nil
	}}
	mine := &pb.Transfer{}
	got, err := connectTo(t, serve(t, lost), serve(t, kept)).Create(t.Context(), mine, true)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 2 || ids[0] == "" || ids[0] != ids[1] || got.GetId() != ids[0] {
		t.Errorf("ids sent: %q, got %q", ids, got.GetId())
	}
	if mine.GetId() != "" {
		t.Error("the caller's message was changed")
	}
}

func TestListWalksPages(t *testing.T) {
	f := &fake{list: func(r *pb.ListTransfersRequest) (*pb.ListTransfersResponse, error) {
		page := map[string]*pb.ListTransfersResponse{
			"":  {Transfers: []*pb.Transfer{state("a", 5, 0), state("b", 5, 0)}, NextPageToken: "2"},
			"2": {NextPageToken: "3"},
			"3": {Transfers: []*pb.Transfer{state("c", 5, 0)}},
		}[r.GetPageToken()]
		if r.GetLabels()["k"] != "v" {
			return nil, refusal(connect.CodeInvalidArgument, "filter.invalid", "label lost", false)
		}
		return page, nil
	}}
	c := connectTo(t, serve(t, f))
	var ids string
	for tr, err := range c.List(t.Context(), &pb.ListTransfersRequest{Labels: map[string]string{"k": "v"}}) {
		if err != nil {
			t.Fatal(err)
		}
		ids += tr.GetId()
	}
	if ids != "abc" {
		t.Errorf("listed %q", ids)
	}
	for _, err := range c.List(t.Context(), nil) {
		if client.CodeOf(err) != "filter.invalid" {
			t.Errorf("a failing list: %v", err)
		}
	}
}

func TestCallGivesUpOnASilentServer(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	f := &fake{transfers: map[string]*pb.Transfer{"a": state("a", pb.Transfer_RUNNING, 1)}}
	c, err := client.New(client.Config{Servers: []string{s.URL, serve(t, f)}, CallTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "a"); err != nil {
		t.Errorf("Get past a silent server: %v", err)
	}
}
