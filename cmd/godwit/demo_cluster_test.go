package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	pb "godwit/protos/godwit/v1"
)

// The work is shared when nobody is missing, nobody is idle and nothing is
// nobody's.
func TestShareOfWork(t *testing.T) {
	node := func(name string, shards int32) *pb.Node {
		return &pb.Node{Name: name, State: pb.Node_ALIVE, Shards: shards}
	}
	suspect := &pb.Node{Name: "n2", State: pb.Node_SUSPECT, Shards: 500}
	for name, test := range map[string]struct {
		nodes []*pb.Node
		want  string
	}{
		"all":        {[]*pb.Node{node("n1", 524), node("n2", 500)}, "n1 524, n2 500"},
		"none":       {nil, ""},
		"one misses": {[]*pb.Node{node("n1", 1024)}, ""},
		"too many":   {[]*pb.Node{node("n1", 24), node("n2", 500), node("n3", 500)}, ""},
		"one idle":   {[]*pb.Node{node("n1", 1024), node("n2", 0)}, ""},
		"on the way": {[]*pb.Node{node("n1", 524), node("n2", 499)}, ""},
		"twice":      {[]*pb.Node{node("n1", 524), node("n2", 501)}, ""},
		"suspect":    {[]*pb.Node{node("n1", 524), suspect}, ""},
	} {
		if got := shareOfWork(test.nodes, 2); got != test.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestDemoServers(t *testing.T) {
	c := &demoCluster{nodes: []*demoNode{{name: "n1", url: "u1"}, {name: "n2", url: "u2"}, {name: "n3", url: "u3"}}}
	for first, want := range map[string]string{"n1": "u1 u2 u3", "n3": "u3 u1 u2", "": "u1 u2 u3"} {
		if got := strings.Join(c.servers(first), " "); got != want {
			t.Errorf("%q first: %s", first, got)
		}
	}
}

func TestBusiest(t *testing.T) {
	on := func(node string, status pb.Transfer_Status) *sighting {
		s := newSighting()
		s.take(&pb.Transfer{Status: status, Owner: &pb.Owner{Node: node, Epoch: 1}})
		return s
	}
	const running, completed = pb.Transfer_RUNNING, pb.Transfer_COMPLETED
	for name, test := range map[string]struct {
		seen map[string]*sighting
		node string
		ids  string
	}{
		"most":        {map[string]*sighting{"a": on("n1", running), "b": on("n2", running), "c": on("n2", running)}, "n2", "b c"},
		"equal":       {map[string]*sighting{"a": on("n2", running), "b": on("n1", running)}, "n1", "b"},
		"ended":       {map[string]*sighting{"a": on("n1", completed), "b": on("n1", completed), "c": on("n2", running)}, "n2", "c"},
		"all ended":   {map[string]*sighting{"a": on("n1", completed)}, "", ""},
		"nobody's":    {map[string]*sighting{"a": on("", running)}, "", ""},
		"never shown": {map[string]*sighting{"a": newSighting()}, "", ""},
	} {
		node, ids := busiest(test.seen)
		if got := strings.Join(slices.Sorted(maps.Keys(ids)), " "); node != test.node || got != test.ids {
			t.Errorf("%s: %s has %s", name, node, got)
		}
	}
}

func TestEnumerate(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := enumerate(words); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
