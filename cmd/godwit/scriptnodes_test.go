package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"

	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// scriptNodes are the members of a cluster. A drain of n1 is done at once, one
// of any other node never.
type scriptNodes struct {
	godwitv1connect.UnimplementedClusterServiceHandler
	mu      sync.Mutex // guards members
	members []*pb.Node
	// began gets the name of each drain that does not end.
	began chan string
}

func newScriptNodes() *scriptNodes {
	yes := true
	return &scriptNodes{began: make(chan string, 10), members: []*pb.Node{
		{
			Name: "n1", State: pb.Node_ALIVE, ApiAddr: "10.0.0.1:7480", RemoteAddr: "10.0.0.1:7481", GossipAddr: "10.0.0.1:7482",
			Epoch: 3, Shards: 341, Transfers: &pb.NodeTransfers{Running: 2, Queued: 9}, Version: "v1.2.3",
		},
		{Name: "n2", State: pb.Node_ALIVE, Cordoned: &yes, ApiAddr: "10.0.0.2:7480", Epoch: 12, Shards: 1, Transfers: &pb.NodeTransfers{}, Version: "v1.2.3"},
		{Name: "n3", State: pb.Node_DEAD, Epoch: 1},
	}}
}

func (s *scriptNodes) ListNodes(context.Context, *connect.Request[pb.ListNodesRequest]) (*connect.Response[pb.ListNodesResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return connect.NewResponse(&pb.ListNodesResponse{Nodes: s.members}), nil
}

func (s *scriptNodes) GetNode(_ context.Context, r *connect.Request[pb.GetNodeRequest]) (*connect.Response[pb.Node], error) {
	return s.change(r.Msg.GetName(), func(*pb.Node) {})
}

func (s *scriptNodes) DrainNode(ctx context.Context, r *connect.Request[pb.DrainNodeRequest]) (*connect.Response[pb.Node], error) {
	answer, err := s.change(r.Msg.GetName(), func(n *pb.Node) {
		n.State = pb.Node_DRAINING
		if n.GetName() == "n1" {
			n.Shards, n.Transfers = 0, &pb.NodeTransfers{}
		}
	})
	if err != nil || r.Msg.GetName() == "n1" {
		return answer, err
	}
	s.began <- r.Msg.GetName()
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *scriptNodes) CordonNode(_ context.Context, r *connect.Request[pb.CordonNodeRequest]) (*connect.Response[pb.Node], error) {
	yes := true
	return s.change(r.Msg.GetName(), func(n *pb.Node) { n.Cordoned = &yes })
}

func (s *scriptNodes) UncordonNode(_ context.Context, r *connect.Request[pb.UncordonNodeRequest]) (*connect.Response[pb.Node], error) {
	return s.change(r.Msg.GetName(), func(n *pb.Node) { n.Cordoned, n.State = nil, pb.Node_ALIVE })
}

func (s *scriptNodes) change(name string, with func(*pb.Node)) (*connect.Response[pb.Node], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.members {
		if n.GetName() == name {
			with(n)
			return connect.NewResponse(n), nil
		}
	}
	return nil, shelfError(connect.CodeNotFound, "node.not_found")
}

// serveReady answers for n1.
func (s *scriptNodes) serveReady(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[0].GetState() == pb.Node_DRAINING {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "the node is draining")
	}
}

// waitForDrain waits until a drain that does not end has reached the server:
// draining NAME.
func waitForDrain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: draining NAME")
	}
	select {
	case name := <-ts.Value(nodesKey{}).(*scriptNodes).began:
		if name != args[0] {
			ts.Fatalf("%s is draining", name)
		}
	case <-time.After(patience):
		ts.Fatalf("nothing is draining")
	}
}
