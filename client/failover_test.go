package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

func TestAnErrorNamesAllServers(t *testing.T) {
	gone, bad := dead(t), httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer bad.Close()
	c := connectTo(t, gone, bad.URL)
	_, err := c.Get(t.Context(), "a")
	for _, want := range []string{"2 servers", gone + ": ", bad.URL + ": ", "refused"} {
		if client.CodeOf(err) != client.CodeUnreachable || !strings.Contains(err.Error(), want) {
			t.Errorf("Get: %v does not say %q", err, want)
		}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Get: %v has no cause", err)
	}
	c, err = client.New(client.Config{Servers: []string{gone, bad.URL}, MinBackoff: 1, MaxBackoff: 1, ReconnectFor: 1})
	if err != nil {
		t.Fatal(err)
	}
	// The patience of a stream may end before each was tried.
	for _, err := range c.Watch(t.Context(), "a") {
		if client.CodeOf(err) != client.CodeUnreachable || !strings.Contains(err.Error(), gone) {
			t.Errorf("Watch: %v", err)
		}
	}
	// One that said something has the better code.
	stopping := serve(t, &fake{retry: func(string) (*pb.Transfer, error) {
		return nil, refusal(connect.CodeUnavailable, "server.stopping", "the node is starting", true)
	}})
	c, err = client.New(client.Config{Servers: []string{gone, stopping}, CallTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Retry(t.Context(), "a"); client.CodeOf(err) != "server.stopping" || !strings.Contains(err.Error(), gone) {
		t.Errorf("Retry: %v", err)
	}
}

// Each server is tried as often as the others, a few times.
func TestCallsGoRoundAFewTimes(t *testing.T) {
	broken := func() *fake {
		return &fake{create: func(*pb.CreateTransferRequest) (*pb.Transfer, error) { return nil, cut() }}
	}
	first, second := broken(), broken()
	c := connectTo(t, serve(t, first), dead(t), serve(t, second))
	if _, err := c.Create(t.Context(), &pb.Transfer{Id: "a"}, true); client.CodeOf(err) != client.CodeUnreachable {
		t.Errorf("Create: %v", err)
	}
	if a, b := first.counted("create"), second.counted("create"); a != b || a < 2 || a > 5 {
		t.Errorf("%d and %d tries", a, b)
	}
}

// A node that one server cannot reach may answer another one.
func TestCallsMoveOnFromAServerThatCannotReachANode(t *testing.T) {
	cutOff := &fake{
		cordon: func(string, bool) (*pb.Node, error) {
			return nil, refusal(connect.CodeUnavailable, "node.unreachable", "n1 does not answer", true)
		},
		retry: func(string) (*pb.Transfer, error) {
			return nil, refusal(connect.CodeUnavailable, "node.unreachable", "n1 does not answer", true)
		},
	}
	near := &fake{
		cordon: func(name string, _ bool) (*pb.Node, error) { return member(name, pb.Node_ALIVE, 1), nil },
		retry:  func(id string) (*pb.Transfer, error) { return state(id, pb.Transfer_QUEUED, 0), nil },
	}
	if _, err := connectTo(t, serve(t, cutOff), serve(t, near)).Cordon(t.Context(), "n1"); err != nil {
		t.Errorf("Cordon: %v", err)
	}
	_, err := connectTo(t, serve(t, cutOff), serve(t, near)).Retry(t.Context(), "a")
	if client.CodeOf(err) != "node.unreachable" || near.counted("retry") != 0 {
		t.Errorf("Retry after an unknown outcome: %v, sent on %d times", err, near.counted("retry"))
	}
}

func finished(id string, s pb.Transfer_Status, second int64) *pb.Transfer {
	t := state(id, s, 1)
	t.FinishTime = &timestamppb.Timestamp{Seconds: second}
	return t
}

// watched lists what a watch yields, until it ends or enough was seen.
func watched(t *testing.T, enough int, c *client.Client, ids ...string) (seen []string) {
	t.Helper()
	for tr, err := range c.Watch(t.Context(), ids...) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, tr.GetId()+" "+tr.GetStatus().String())
		if len(seen) == enough {
			break
		}
	}
	return seen
}

// The server that is watched dies; the next one says how it ended.
func TestWatchGoesOnWhereTheNextServerIs(t *testing.T) {
	first := httptest.NewServer(handler(&fake{watch: func(ctx context.Context, _ []string, send func(*pb.Transfer)) error {
		send(state("a", pb.Transfer_RUNNING, 1))
		<-ctx.Done()
		return ctx.Err()
	}}))
	defer first.Close()
	second := &fake{watch: func(_ context.Context, _ []string, send func(*pb.Transfer)) error {
		send(finished("a", pb.Transfer_COMPLETED, 1))
		return nil
	}}
	c := connectTo(t, first.URL, serve(t, second))
	var last pb.Transfer_Status
	for tr, err := range c.Watch(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
		last = tr.GetStatus()
		first.CloseClientConnections()
		first.Listener.Close()
	}
	if last != pb.Transfer_COMPLETED || second.counted("watch") != 1 {
		t.Errorf("%v after %d streams on the second server", last, second.counted("watch"))
	}
}

// A watch of everything is told all again after a break, also what ended.
func TestWatchYieldsAnEndOnce(t *testing.T) {
	first := &fake{watch: func(_ context.Context, _ []string, send func(*pb.Transfer)) error {
		send(finished("a", pb.Transfer_COMPLETED, 1))
		send(finished("b", pb.Transfer_FAILED, 1))
		send(state("c", pb.Transfer_RUNNING, 1))
		return cut()
	}}
	second := &fake{watch: func(ctx context.Context, _ []string, send func(*pb.Transfer)) error {
		send(finished("a", pb.Transfer_COMPLETED, 1))
		send(finished("b", pb.Transfer_FAILED, 2)) // retried, and failed again
		send(finished("c", pb.Transfer_COMPLETED, 2))
		send(finished("c", pb.Transfer_COMPLETED, 2))
		send(state("d", pb.Transfer_QUEUED, 0))
		<-ctx.Done()
		return ctx.Err()
	}}
	got := watched(t, 6, connectTo(t, serve(t, first), serve(t, second)))
	want := []string{"a COMPLETED", "b FAILED", "c RUNNING", "b FAILED", "c COMPLETED", "d QUEUED"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// One that failed is retried while others are watched: its next end counts.
func TestWatchFollowsARetry(t *testing.T) {
	first := &fake{watch: func(_ context.Context, _ []string, send func(*pb.Transfer)) error {
		send(finished("a", pb.Transfer_FAILED, 1))
		send(state("b", pb.Transfer_RUNNING, 1))
		send(state("a", pb.Transfer_RUNNING, 1))
		send(finished("b", pb.Transfer_COMPLETED, 2))
		return cut()
	}}
	asked := make(chan []string, 1)
	second := &fake{watch: func(_ context.Context, ids []string, send func(*pb.Transfer)) error {
		asked <- ids
		send(finished("a", pb.Transfer_FAILED, 3))
		return nil
	}}
	got := watched(t, 0, connectTo(t, serve(t, first), serve(t, second)), "a", "b")
	want := []string{"a FAILED", "b RUNNING", "a RUNNING", "b COMPLETED", "a FAILED"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if ids := <-asked; !slices.Equal(ids, []string{"a"}) {
		t.Errorf("the second server was asked for %q", ids)
	}
}
