package api

import (
	"context"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// Cluster is what the API needs of the system that knows the nodes. Its errors
// are those of an [Engine]; a name that no member has is node.not_found.
type Cluster interface {
	// Nodes are all members with what they run, ordered by name.
	Nodes(ctx context.Context) ([]actors.NodeStatus, error)
	// Drain makes a node give away all that it has and waits until that is done.
	// When ctx ends first, only the wait does. It may be called again.
	Drain(ctx context.Context, name string) (actors.NodeStatus, error)
	// Cordon keeps new work from a node. With cordoned false it takes that back,
	// and ends a drain.
	Cordon(ctx context.Context, name string, cordoned bool) (actors.NodeStatus, error)
}

var _ godwitv1connect.ClusterServiceHandler = (*service)(nil)

// ListNodes answers with all members.
func (s *service) ListNodes(ctx context.Context, _ *connect.Request[pb.ListNodesRequest]) (*connect.Response[pb.ListNodesResponse], error) {
	members, err := s.cluster.Nodes(ctx)
	if err != nil {
		return nil, s.fail(ctx, "list nodes", err)
	}
	out := &pb.ListNodesResponse{Nodes: make([]*pb.Node, len(members))}
	for i, member := range members {
		out.Nodes[i] = toNode(member)
	}
	return connect.NewResponse(out), nil
}

// GetNode answers with one member.
func (s *service) GetNode(ctx context.Context, req *connect.Request[pb.GetNodeRequest]) (*connect.Response[pb.Node], error) {
	return s.onNode(ctx, "get node", req.Msg.GetName(), s.member)
}

// DrainNode answers when a node has given away all that it had. A node that
// stops meanwhile sends the caller to another one, which waits on.
func (s *service) DrainNode(ctx context.Context, req *connect.Request[pb.DrainNodeRequest]) (*connect.Response[pb.Node], error) {
	ctx, cancel := s.untilClosing(ctx)
	defer cancel()
	return s.onNode(ctx, "drain node", req.Msg.GetName(), s.cluster.Drain)
}

// CordonNode gives a node nothing new.
func (s *service) CordonNode(ctx context.Context, req *connect.Request[pb.CordonNodeRequest]) (*connect.Response[pb.Node], error) {
	return s.onNode(ctx, "cordon node", req.Msg.GetName(), s.cordon(true))
}

// UncordonNode takes back a cordon and a drain.
func (s *service) UncordonNode(ctx context.Context, req *connect.Request[pb.UncordonNodeRequest]) (*connect.Response[pb.Node], error) {
	return s.onNode(ctx, "uncordon node", req.Msg.GetName(), s.cordon(false))
}

// onNode is the shape of all calls that concern one node.
func (s *service) onNode(
	ctx context.Context, procedure, name string, do func(context.Context, string) (actors.NodeStatus, error),
) (*connect.Response[pb.Node], error) {
	if transfer.CheckID(name) != nil { // the alphabet is the same
		return nil, s.fail(ctx, procedure, &transfer.Error{
			Code: transfer.CodeID, Field: "name",
			Message: "a node's name is letters, digits, dots, hyphens and underscores, the first a letter or a digit",
		})
	}
	found, err := do(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, procedure, stopped(ctx, err))
	}
	return connect.NewResponse(toNode(found)), nil
}

// member finds one node among all.
func (s *service) member(ctx context.Context, name string) (actors.NodeStatus, error) {
	members, err := s.cluster.Nodes(ctx)
	if err != nil {
		return actors.NodeStatus{}, err
	}
	for _, member := range members {
		if member.Name == name {
			return member, nil
		}
	}
	return actors.NodeStatus{}, &transfer.Error{
		Code: transfer.CodeNodeNotFound, Op: "find node", Subject: name, Message: "no node has this name",
	}
}

func (s *service) cordon(cordoned bool) func(context.Context, string) (actors.NodeStatus, error) {
	return func(ctx context.Context, name string) (actors.NodeStatus, error) {
		return s.cluster.Cordon(ctx, name, cordoned)
	}
}

// toNode shows a member to users.
func toNode(n actors.NodeStatus) *pb.Node {
	m := &pb.Node{
		Name:       n.Name,
		State:      enumValue[pb.Node_State](pb.Node_State_value, string(n.State)),
		ApiAddr:    n.APIAddr,
		RemoteAddr: n.RemoteAddr,
		GossipAddr: n.GossipAddr,
		Epoch:      int64(n.Epoch),
		Shards:     int32(n.Shards),
		Transfers:  &pb.NodeTransfers{Running: int32(n.Running), Queued: int32(n.Queued)},
		Version:    n.Version,
	}
	if n.Cordoned {
		m.Cordoned = &n.Cordoned
	}
	return m
}
