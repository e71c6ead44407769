package cluster

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of what is remembered.
const (
	// maxDeparted is how many lives that ended are kept, the latest ones.
	maxDeparted = 256
	// maxPeers is how many addresses are remembered for joining again.
	maxPeers = 1024
	// peerMemory is how long an address is joined again after its node was last
	// alive.
	peerMemory = 24 * time.Hour
)

// ledger is what gossip has told, written by memberlist's callbacks and read by
// our loops. Nothing here waits: callbacks run under memberlist's locks.
type ledger struct {
	// kick holds one token when something has changed.
	kick chan struct{}

	mu    sync.Mutex
	lives map[string]life
	// peers are gossip addresses worth joining, with the time when a node was
	// last known to be alive there.
	peers map[string]time.Time
}

func newLedger() *ledger {
	return &ledger{
		kick:  make(chan struct{}, 1),
		lives: make(map[string]life),
		peers: make(map[string]time.Time),
	}
}

func (l *ledger) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// alive takes in that a life is there, or says something new of itself.
func (l *ledger) alive(id string, ip net.IP, port uint16, meta Meta, joining bool) {
	defer l.wake()
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.lives[id]
	if ok && known.heard == heardLeft {
		return
	}
	now := time.Now()
	fresh := life{
		id: id, name: nameOf(id), meta: meta, joining: joining,
		heard: heardAlive, since: now, ip: slices.Clone(ip), port: port,
	}
	if ok && known.heard == heardAlive {
		fresh.since = known.since
	}
	l.lives[id] = fresh
	l.peers[fresh.addr()] = now
}

// dead takes in that gossip has given a life up.
func (l *ledger) dead(id string) { l.end(id, heardDead) }

// left takes in that a life has ended in good order.
func (l *ledger) left(id string) { l.end(id, heardLeft) }

func (l *ledger) end(id string, how heard) {
	defer l.wake()
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.lives[id]
	if !ok || known.heard <= how {
		return
	}
	known.heard, known.since = how, time.Now()
	l.lives[id] = known
	if how == heardLeft {
		delete(l.peers, known.addr())
	} else {
		l.peers[known.addr()] = known.since
	}
}

// snapshot returns all lives in no order, after forgetting those that ended
// longer than keep ago.
func (l *ledger) snapshot(keep time.Duration) []life {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var departed []life
	for id, known := range l.lives {
		switch {
		case known.heard == heardAlive:
			l.peers[known.addr()] = now
		case now.Sub(known.since) >= keep:
			delete(l.lives, id)
		default:
			departed = append(departed, known)
		}
	}
	if excess := len(departed) - maxDeparted; excess > 0 {
		slices.SortFunc(departed, func(a, b life) int { return a.since.Compare(b.since) })
		for _, known := range departed[:excess] {
			delete(l.lives, known.id)
		}
	}
	l.forgetPeers(now)
	return slices.Collect(maps.Values(l.lives))
}

func (l *ledger) forgetPeers(now time.Time) {
	maps.DeleteFunc(l.peers, func(_ string, seen time.Time) bool { return now.Sub(seen) >= peerMemory })
	if excess := len(l.peers) - maxPeers; excess > 0 {
		oldest := slices.SortedFunc(maps.Keys(l.peers), func(a, b string) int { return l.peers[a].Compare(l.peers[b]) })
		for _, addr := range oldest[:excess] {
			delete(l.peers, addr)
		}
	}
}

// others returns the lives that gossip holds to be alive, without that of this
// id, ordered by id.
func (l *ledger) others(self string) []life {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []life
	for id, known := range l.lives {
		if id != self && known.heard == heardAlive {
			list = append(list, known)
		}
	}
	slices.SortFunc(list, func(a, b life) int { return cmp.Compare(a.id, b.id) })
	return list
}

// absent returns those of the given addresses, and of the remembered ones, where
// no life is alive.
func (l *ledger) absent(addrs []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := make(map[string]bool)
	for _, addr := range addrs {
		wanted[addr] = true
	}
	for addr := range l.peers {
		wanted[addr] = true
	}
	for _, known := range l.lives {
		if known.heard == heardAlive {
			delete(wanted, known.addr())
		}
	}
	return slices.Sorted(maps.Keys(wanted))
}

// isAlive tells whether a life is alive at a gossip address.
func (l *ledger) isAlive(addr string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, known := range l.lives {
		if known.heard == heardAlive && known.addr() == addr {
			return true
		}
	}
	return false
}

// addr is the life's gossip address, host:port.
func (l life) addr() string { return net.JoinHostPort(l.ip.String(), strconv.Itoa(int(l.port))) }

// idMark stands between name and life in a memberlist name.
const idMark = "@"

// nameOf returns the member's name that a memberlist name begins with.
func nameOf(id string) string {
	name, _, _ := strings.Cut(id, idMark)
	return name
}
