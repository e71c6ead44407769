package main

import (
	"fmt"
	"io"
	"strings"

	pb "godwit/protos/godwit/v1"
)

func (a *app) nodeTable(w io.Writer, nodes []*pb.Node) {
	tb := &table{}
	if a.colored(w) {
		tb.paint = paintState
	}
	tb.add("NAME", "STATE", "SHARDS", "RUNNING", "QUEUED", "API", "VERSION", "EPOCH")
	for _, n := range nodes {
		tb.add(n.GetName(), stateText(n),
			fmt.Sprint(n.GetShards()), fmt.Sprint(n.GetTransfers().GetRunning()), fmt.Sprint(n.GetTransfers().GetQueued()),
			orDash(n.GetApiAddr()), orDash(n.GetVersion()), fmt.Sprint(n.GetEpoch()))
	}
	tb.write(w)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// stateText is the state, and that a node is given nothing new.
func stateText(n *pb.Node) string {
	if n.GetCordoned() {
		return n.GetState().String() + ",cordoned"
	}
	return n.GetState().String()
}

// paintState colours what needs eyes: red is gone, yellow takes nothing or does
// not answer, green serves.
func paintState(column int, text string) string {
	if column != statusColumn {
		return text
	}
	switch strings.TrimSpace(text) {
	case pb.Node_DEAD.String(), pb.Node_DEAD.String() + ",cordoned":
		return red(text)
	case pb.Node_ALIVE.String():
		return green(text)
	}
	return yellow(text)
}

// nodeDetails describes a node in full, one line a property.
func nodeDetails(w io.Writer, n *pb.Node) {
	properties(w, [][2]string{
		{"name", n.GetName()},
		{"state", stateText(n)},
		{"epoch", fmt.Sprint(n.GetEpoch())},
		{"shards", fmt.Sprint(n.GetShards())},
		{"transfers", fmt.Sprintf("%d running, %d queued", n.GetTransfers().GetRunning(), n.GetTransfers().GetQueued())},
		{"api", n.GetApiAddr()},
		{"remote", n.GetRemoteAddr()},
		{"gossip", n.GetGossipAddr()},
		{"version", n.GetVersion()},
	})
}

// printNode is what a command that changed a node leaves on standard output.
func (a *app) printNode(n *pb.Node) error {
	return a.print(n, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s, %s\n", printable(n.GetName()), stateText(n), load(n))
	})
}

// load is what a node has, in words.
func load(n *pb.Node) string {
	return fmt.Sprintf("%s, %d running, %d queued",
		counted(int(n.GetShards()), "shard", "shards"), n.GetTransfers().GetRunning(), n.GetTransfers().GetQueued())
}
