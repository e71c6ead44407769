package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

func TestWaitSurvivesBrokenStreams(t *testing.T) {
	var streams atomic.Int64
	f := &fake{transfers: map[string]*pb.Transfer{"a": state("a", pb.Transfer_QUEUED, 0)}}
	f.watch = func(_ context.Context, _ []string, send func(*pb.Transfer)) error {
		switch n := streams.Add(1); n {
		case 1, 2: // breaks
			send(state("a", pb.Transfer_RUNNING, n))
			return cut()
		case 3: // a server that stops
			return refusal(connect.CodeUnavailable, "server.stopping", "bye", true)
		case 4: // ends in order, too early
			return nil
		default:
			send(state("a", pb.Transfer_COMPLETED, 9))
			return nil
		}
	}
	op, err := connectTo(t, serve(t, f)).Attach(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var seen []int64
	last, err := op.Wait(t.Context(), func(tr *pb.Transfer) { seen = append(seen, tr.GetProgress().GetBytesDone()) })
	if err != nil || last.GetStatus() != pb.Transfer_COMPLETED || op.Transfer() != last {
		t.Fatalf("Wait: %v, %v", last, err)
	}
	if !slices.Equal(seen, []int64{1, 2, 9}) {
		t.Errorf("progress %v", seen)
	}
}

// The server goes away entirely and comes back on the same address.
func TestWatchSurvivesARestart(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	first := &http.Server{Handler: handler(&fake{watch: func(ctx context.Context, _ []string, send func(*pb.Transfer)) error {
		send(state("a", pb.Transfer_RUNNING, 1))
		<-ctx.Done()
		return ctx.Err()
	}})}
	go first.Serve(listener)
	for tr, err := range connectTo(t, address).Watch(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
		if tr.GetStatus() == pb.Transfer_COMPLETED {
			break
		}
		first.Close()
		again, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		second := &http.Server{Handler: handler(&fake{watch: func(_ context.Context, _ []string, send func(*pb.Transfer)) error {
			send(state("a", pb.Transfer_COMPLETED, 2))
			return nil
		}})}
		go second.Serve(again)
		defer second.Close()
	}
}

func TestWatchAsksOnlyForWhatIsLeft(t *testing.T) {
	streams := make(chan []string, 3)
	f := &fake{}
	f.watch = func(_ context.Context, ids []string, send func(*pb.Transfer)) error {
		streams <- ids
		send(state(ids[0], pb.Transfer_COMPLETED, 1))
		return cut()
	}
	n := 0
	for _, err := range connectTo(t, serve(t, f)).Watch(t.Context(), "a", "b", "c") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if first, second, third := <-streams, <-streams, <-streams; n != 3 || len(first) != 3 ||
		!slices.Equal(second, []string{"b", "c"}) || !slices.Equal(third, []string{"c"}) {
		t.Errorf("got %d, asked for %v %v %v", n, first, second, third)
	}
}

func TestWatchEndsWithThePermanentError(t *testing.T) {
	f := &fake{watch: func(context.Context, []string, func(*pb.Transfer)) error {
		return refusal(connect.CodeNotFound, "transfer.not_found", "none", false)
	}}
	var errs []error
	for _, err := range connectTo(t, serve(t, f)).Watch(t.Context(), "a") {
		errs = append(errs, err)
	}
	if len(errs) != 1 || client.CodeOf(errs[0]) != "transfer.not_found" || f.counted("watch") != 1 {
		t.Errorf("errors %v after %d streams", errs, f.counted("watch"))
	}
}

func TestWatchLosesPatience(t *testing.T) {
	c, err := client.New(client.Config{Servers: []string{dead(t)}, ReconnectFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Watch(t.Context(), "a") {
		if client.CodeOf(err) != client.CodeUnreachable {
			t.Errorf("Watch: %v", err)
		}
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	f := &fake{watch: func(ctx context.Context, _ []string, send func(*pb.Transfer)) error {
		send(state("a", pb.Transfer_RUNNING, 1))
		<-ctx.Done()
		return ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range connectTo(t, serve(t, f)).Watch(ctx) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) || client.CodeOf(last) != client.CodeInterrupted {
		t.Errorf("Watch: %v", last)
	}
}

func TestWaitReturnsTheTransfersOwnError(t *testing.T) {
	failed := state("a", pb.Transfer_FAILED, 1)
	failed.Error = &pb.Error{Code: "checksum.mismatch", Message: "not what was declared"}
	f := &fake{transfers: map[string]*pb.Transfer{"a": failed, "c": state("c", pb.Transfer_CANCELED, 0)}}
	f.watch = func(_ context.Context, ids []string, send func(*pb.Transfer)) error {
		send(f.transfers[ids[0]])
		return nil
	}
	c := connectTo(t, serve(t, f))
	for id, want := range map[string]string{"a": "checksum.mismatch", "c": client.CodeCanceled} {
		op, err := c.Attach(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if last, err := op.Wait(t.Context(), nil); client.CodeOf(err) != want || last.GetId() != id {
			t.Errorf("Wait(%s): %v, %v", id, last, err)
		}
	}
}

func TestCurrentAsksForWhatIsNotTerminal(t *testing.T) {
	f := &fake{list: func(r *pb.ListTransfersRequest) (*pb.ListTransfersResponse, error) {
		for _, s := range r.GetStatuses() {
			if client.Terminal(s) {
				return nil, refusal(connect.CodeInvalidArgument, "filter.invalid", "asked for terminal ones", false)
			}
		}
		if len(r.GetStatuses()) != 4 {
			return nil, refusal(connect.CodeInvalidArgument, "filter.invalid", "some statuses are missing", false)
		}
		return &pb.ListTransfersResponse{Transfers: []*pb.Transfer{state("a", 3, 0)}}, nil
	}}
	ops, err := connectTo(t, serve(t, f)).Current(t.Context())
	if err != nil || len(ops) != 1 || ops[0].ID() != "a" {
		t.Errorf("Current: %v, %v", ops, err)
	}
}
