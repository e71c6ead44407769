package cluster

// State is how this node sees a member.
type State string

// The states of members. A draining member serves, and gives away what it has;
// a suspect one cannot be reached from here, which proves nothing.
const (
	StateAlive    State = "ALIVE"
	StateDraining State = "DRAINING"
	StateSuspect  State = "SUSPECT"
	StateDead     State = "DEAD"
)

// Member is one node of the cluster. Members can be compared with ==.
type Member struct {
	// Name is stable; Incarnation is one life of the node, and Epoch counts
	// these lives. A member whose incarnation has changed left and joined.
	Name, Incarnation string
	Epoch             uint64
	// Addresses are host:port, as others reach them.
	APIAddr, RemoteAddr, GossipAddr string
	// Version is that of the program.
	Version string
	// Weight is the member's share of the shards, beside those of others.
	Weight int
	// Draining gives away what it has, Cordoned is given nothing, Held is given
	// nothing yet.
	Draining, Cordoned, Held bool
	// State is SUSPECT or DEAD rather than DRAINING where both hold.
	State State
	// Gone is the proof that its process has ended: its port refuses
	// connections. A dead member without it may only be out of reach.
	Gone bool
}

// Topology is who is in the cluster, as seen by one node at one moment. Nobody
// changes it, also not its members: those who want to change them copy them.
type Topology struct {
	// Version grows with every change, on this node only.
	Version uint64
	// Members are ordered by name. The node itself is one of them; those who died
	// stay for Config.DeadRetention; those who left in good order are absent.
	Members []Member
}
