package actors

import (
	"time"

	"godwit/cluster/placement"
)

// linkTTL is how long a lease of connections to a host is good without being
// renewed; linkEvery is how often it is renewed.
const (
	linkTTL   = 4 * time.Second
	linkEvery = time.Second
)

// link is what the node that keeps the limit of one origin host knows: who
// needs connections to it, and how many each may open. It is pure: time comes
// in.
type link struct {
	// since is when the first demand came. What an earlier keeper has leased is
	// not known, and runs out.
	since time.Time
	nodes map[string]*linkUse
	busy  time.Time
}

// linkUse is one node's part of a link.
type linkUse struct {
	transfers, connections int
	until                  time.Time
	incarnation            string
}

func newLink(now time.Time) *link { return &link{since: now, nodes: map[string]*linkUse{}} }

// lease gives a node its share of limit connections: by how many transfers it
// has, and never what others hold still. static is the share that needs nobody's
// consent; running what it has opened already.
func (l *link) lease(node string, transfers, running, limit, static int, now time.Time) int {
	l.expire(now)
	use := l.nodes[node]
	if use == nil {
		use = &linkUse{}
		l.nodes[node] = use
	}
	use.transfers, use.until = transfers, now.Add(linkTTL)
	free := limit
	for name, other := range l.nodes {
		if name != node {
			free -= other.connections
		}
	}
	share := min(l.fair(node, limit), max(free, 0))
	if now.Sub(l.since) < linkTTL {
		share = min(share, static)
	}
	// What runs is not stopped, so nobody else may be given it.
	use.connections = max(share, running)
	return share
}

// fair divides limit by the numbers of transfers; whoever has any gets one
// connection, as far as there are enough.
func (l *link) fair(node string, limit int) int {
	total := 0
	for _, use := range l.nodes {
		total += use.transfers
	}
	mine := l.nodes[node].transfers
	if mine == 0 || total == 0 {
		return 0
	}
	return max(1, limit*mine/total)
}

// leave forgets a node that needs no connections any more.
func (l *link) leave(node string) { delete(l.nodes, node) }

// expire forgets nodes that do not renew.
func (l *link) expire(now time.Time) {
	for name, use := range l.nodes {
		if !use.until.After(now) {
			delete(l.nodes, name)
		}
	}
}

// hold leaves the host alone until then.
func (l *link) hold(until time.Time) {
	if until.After(l.busy) {
		l.busy = until
	}
}

// idle tells that nobody needs the link.
func (l *link) idle(now time.Time) bool {
	l.expire(now)
	return len(l.nodes) == 0 && !l.busy.After(now)
}

// keeper is the member that keeps the limit of a host.
func (t *Topology) keeper(host string) *Member {
	return t.member(placement.OwnerOfKey(t.candidates(), host))
}

// staticShare is what each node may open to a host when nobody keeps its limit.
func (t *Topology) staticShare(limit int) int {
	n := 0
	for i := range t.Members {
		if t.Members[i].serves() {
			n++
		}
	}
	return max(1, limit/max(1, n))
}
