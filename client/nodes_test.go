package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

func member(name string, s pb.Node_State, shards int32) *pb.Node {
	return &pb.Node{Name: name, State: s, Shards: shards}
}

func TestNodes(t *testing.T) {
	f := &fake{nodes: []*pb.Node{member("n1", pb.Node_ALIVE, 3), member("n2", pb.Node_DEAD, 0)}}
	f.cordon = func(name string, cordoned bool) (*pb.Node, error) {
		n := member(name, pb.Node_ALIVE, 3)
		n.Cordoned = &cordoned
		return n, nil
	}
	c := connectTo(t, dead(t), serve(t, f))
	all, err := c.Nodes(t.Context())
	if err != nil || len(all) != 2 || all[1].GetState() != pb.Node_DEAD {
		t.Errorf("Nodes: %v, %v", all, err)
	}
	if n, err := c.Node(t.Context(), "n1"); err != nil || n.GetShards() != 3 {
		t.Errorf("Node: %v, %v", n, err)
	}
	_, err = c.Node(t.Context(), "n9")
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "node.not_found" || e.ID != "n9" {
		t.Errorf("Node that nobody knows: %v", err)
	}
	if n, err := c.Cordon(t.Context(), "n1"); err != nil || !n.GetCordoned() {
		t.Errorf("Cordon: %v, %v", n, err)
	}
	if n, err := c.Uncordon(t.Context(), "n1"); err != nil || n.GetCordoned() {
		t.Errorf("Uncordon: %v, %v", n, err)
	}
}

// A drain may take longer than any other call, and outlives servers that go.
func TestDrainWaitsOnAnotherServer(t *testing.T) {
	first := &fake{drain: func(context.Context, string) (*pb.Node, error) {
		return nil, cut()
	}}
	stopping := &fake{drain: func(context.Context, string) (*pb.Node, error) {
		return nil, refusal(connect.CodeUnavailable, "server.stopping", "bye", true)
	}}
	second := &fake{drain: func(_ context.Context, name string) (*pb.Node, error) {
		return member(name, pb.Node_DRAINING, 0), nil
	}}
	c, err := client.New(client.Config{
		Servers:     []string{serve(t, first), serve(t, stopping), serve(t, second)},
		CallTimeout: time.Nanosecond, MinBackoff: time.Nanosecond, MaxBackoff: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.Drain(t.Context(), "n1")
	if err != nil || n.GetState() != pb.Node_DRAINING {
		t.Errorf("Drain: %v, %v", n, err)
	}
	for i, f := range []*fake{first, stopping, second} {
		if f.counted("drain") != 1 {
			t.Errorf("server %d was asked %d times", i, f.counted("drain"))
		}
	}
	if _, err := c.Nodes(t.Context()); client.CodeOf(err) != client.CodeUnreachable {
		t.Errorf("another call has no time limit: %v", err)
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	left := make(chan struct{})
	f := &fake{drain: func(ctx context.Context, _ string) (*pb.Node, error) {
		cancel()
		<-ctx.Done()
		close(left)
		return nil, ctx.Err()
	}}
	if _, err := connectTo(t, serve(t, f)).Drain(ctx, "n1"); !errors.Is(err, context.Canceled) || client.CodeOf(err) != client.CodeInterrupted {
		t.Errorf("Drain: %v", err)
	}
	<-left
}
