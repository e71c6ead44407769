package client

import (
	"context"

	pb "godwit/protos/godwit/v1"
)

// Nodes returns the members of the cluster, ordered by name, as the server that
// answers sees them.
func (c *Client) Nodes(ctx context.Context) ([]*pb.Node, error) {
	res, err := call(ctx, c, operation{name: "list nodes"}, (*server).ListNodes, &pb.ListNodesRequest{})
	return res.GetNodes(), err
}

// Node returns one member. A name that none has fails with "node.not_found".
func (c *Client) Node(ctx context.Context, name string) (*pb.Node, error) {
	return call(ctx, c, operation{name: "get node", id: name}, (*server).GetNode, &pb.GetNodeRequest{Name: name})
}

// Drain makes a node give away all that it has, and returns when it has nothing
// left; bound the wait with ctx. When ctx ends the drain goes on, until
// [Client.Uncordon]. Repeated on another server, because the first one went
// away, it waits for the drain that is under way.
func (c *Client) Drain(ctx context.Context, name string) (*pb.Node, error) {
	op := operation{name: "drain node", id: name, long: true}
	return call(ctx, c, op, (*server).DrainNode, &pb.DrainNodeRequest{Name: name})
}

// Cordon gives a node nothing new; it keeps what it has. Repeated, it changes
// nothing.
func (c *Client) Cordon(ctx context.Context, name string) (*pb.Node, error) {
	return call(ctx, c, operation{name: "cordon node", id: name}, (*server).CordonNode, &pb.CordonNodeRequest{Name: name})
}

// Uncordon takes back Cordon and Drain. Repeated, it changes nothing.
func (c *Client) Uncordon(ctx context.Context, name string) (*pb.Node, error) {
	return call(ctx, c, operation{name: "uncordon node", id: name}, (*server).UncordonNode, &pb.UncordonNodeRequest{Name: name})
}
