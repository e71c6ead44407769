package actors

import "godwit/cluster/placement"

// MemberState is how the node that asks sees another.
type MemberState string

// The states of members. A draining member serves, and gives away what it has.
const (
	MemberAlive    MemberState = "ALIVE"
	MemberDraining MemberState = "DRAINING"
	MemberSuspect  MemberState = "SUSPECT"
	MemberDead     MemberState = "DEAD"
)

// Member is one node of the cluster.
type Member struct {
	// Name is stable; Incarnation is one life of its process, and Epoch counts
	// these lives.
	Name, Incarnation string
	Epoch             uint64
	// Addresses are host:port, as others reach them.
	APIAddr, RemoteAddr, GossipAddr string
	Version                         string
	State                           MemberState
	// Draining and cordoned members are given nothing and give away what they
	// have; held ones have just come back and are given nothing for a moment.
	Draining, Cordoned, Held bool
	// Weight is the share of the shards that it takes, beside those of others.
	Weight int
	// Gone is the proof that its process has ended: its port refuses
	// connections. A dead member without it may only be out of reach.
	Gone bool
}

// Topology is who is in the cluster, as seen by one node: a value that nobody
// changes. It says who should run what, and never who does.
type Topology struct {
	// Version grows with every change, on this node only.
	Version uint64
	// Members are ordered by name, the node itself and recently dead ones
	// included.
	Members []Member
}

// NodeStatus is a member with what it runs.
type NodeStatus struct {
	Member
	// Shards is how many it owns; Running and Queued count its transfers.
	Shards, Running, Queued int
}

// Role is what an operator wants of a node.
type Role struct {
	// Draining gives away everything and takes no calls; Cordoned gives away
	// everything and goes on answering.
	Draining, Cordoned bool
}

// Self is who a node is at the moment.
type Self struct {
	Incarnation string
	Epoch       uint64
	Role        Role
	// CameBack: an earlier incarnation did not release its lease; it crashed, or
	// was fenced.
	CameBack bool
}

// serves tells that a member may be asked.
func (m *Member) serves() bool { return m.State != MemberDead && !m.Gone }

// member returns the member of that name, nil if there is none.
func (t *Topology) member(name string) *Member {
	for i := range t.Members {
		if t.Members[i].Name == name {
			return &t.Members[i]
		}
	}
	return nil
}

// others are the members that may be asked, besides the one named.
func (t *Topology) others(self string) []Member {
	var out []Member
	for _, m := range t.Members {
		if m.Name != self && m.serves() {
			out = append(out, m)
		}
	}
	return out
}

// placement is who should run what: the owner's name of each shard, "" where
// nobody may be given any.
func (t *Topology) placement() []string {
	return placement.Table(t.candidates(), Shards)
}

// candidates are the members that are there. One that is suspected keeps what it
// has: only death moves shards.
func (t *Topology) candidates() []placement.Candidate {
	var out []placement.Candidate
	for _, m := range t.Members {
		if m.serves() {
			out = append(out, placement.Candidate{
				Name: m.Name, Weight: m.Weight, Draining: m.Draining || m.State == MemberDraining, Cordoned: m.Cordoned, Held: m.Held,
			})
		}
	}
	return out
}

// alone is the topology of a node that has no others.
func alone(cfg *Config) Topology {
	return Topology{Version: 1, Members: []Member{{
		Name: cfg.Node, Incarnation: cfg.Incarnation, State: MemberAlive, Version: cfg.Version, APIAddr: cfg.APIAddr,
	}}}
}
