package cluster

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"time"
)

// heard is what gossip says of a life.
type heard int

const (
	// heardLeft: it left in good order. Final for this life.
	heardLeft heard = iota
	heardDead
	heardAlive
)

// life is one process that gossip has told of.
type life struct {
	// id is its name in memberlist, name@xxxxxxxx.
	id, name string
	meta     Meta
	// joining lives do not count yet.
	joining bool
	heard   heard
	// since is when heard became what it is.
	since time.Time
	ip    net.IP
	port  uint16
}

// sight is what the witness has seen of a life.
type sight int

const (
	// unseen: it has not tried yet, or the life has no address to try.
	unseen sight = iota
	// connected: a connection stands.
	connected
	// unreachable: connecting fails in a way that proves nothing.
	unreachable
	// refused: the port is closed, so the process has ended.
	refused
)

// sightKey names what a sight is of: a life under a new incarnation or at
// another address is looked at afresh.
type sightKey struct {
	id, incarnation, addr string
}

func (l life) key() sightKey { return sightKey{l.id, l.meta.Incarnation, l.meta.RemoteAddr} }

// outranks tells whether l counts and not other, both of one name. A later
// epoch counts, dead or alive. Within one epoch one who lives counts, and between
// two who live the greater incarnation, so that all nodes choose alike.
func (l life) outranks(other life) bool {
	return cmp.Or(
		cmp.Compare(l.meta.Epoch, other.meta.Epoch),
		cmp.Compare(l.heard, other.heard),
		cmp.Compare(l.meta.Incarnation, other.meta.Incarnation),
		cmp.Compare(l.id, other.id),
	) > 0
}

// current returns the life that counts of each name that has one, ordered by
// name. Lives that left are among them: they keep older ones from coming back.
func current(lives []life) []life {
	best := make(map[string]life)
	for _, l := range lives {
		if other, ok := best[l.name]; !l.joining && (!ok || l.outranks(other)) {
			best[l.name] = l
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b life) int { return cmp.Compare(a.name, b.name) })
}

// members merges what gossip says with what the witness has seen: the members
// of a topology.
func members(lives []life, seen map[sightKey]sight) []Member {
	var list []Member
	for _, l := range current(lives) {
		if l.heard != heardLeft {
			list = append(list, l.member(seen[l.key()]))
		}
	}
	return list
}

func (l life) member(s sight) Member {
	state, gone := standing(l.heard, s, l.meta.Draining)
	return Member{
		Name: l.name, Incarnation: l.meta.Incarnation, Epoch: l.meta.Epoch,
		APIAddr: l.meta.APIAddr, RemoteAddr: l.meta.RemoteAddr, GossipAddr: l.addr(),
		Version: l.meta.Version, Weight: l.meta.Weight,
		Draining: l.meta.Draining, Cordoned: l.meta.Cordoned, Held: l.meta.Held,
		State: state, Gone: gone,
	}
}

// standing is the table of gossip and witness. A closed port proves more than
// gossip knows; a connection that stands proves less than gossip's silence does,
// because a stopped process keeps it.
func standing(h heard, s sight, draining bool) (state State, gone bool) {
	switch {
	case s == refused:
		return StateDead, true
	case h == heardDead:
		return StateDead, false
	case s == unreachable:
		return StateSuspect, false
	case draining:
		return StateDraining, false
	}
	return StateAlive, false
}
