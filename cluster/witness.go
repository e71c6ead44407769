package cluster

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"syscall"
	"time"
)

// Times of the witness.
const (
	// secondLook is how long after a first refusal the port is tried again: one
	// may hit a listener that is just being replaced.
	secondLook = 50 * time.Millisecond
	// dialTimeout bounds one attempt.
	dialTimeout = time.Second
	// Attempts that fail are repeated after minPause and then ever more rarely,
	// at least every maxPause.
	minPause = 250 * time.Millisecond
	maxPause = 2 * time.Second
	// steadyAfter is how long a connection lasts that is worth dialling again at
	// once; one that ends sooner waits like a failed attempt.
	steadyAfter = time.Second
)

// dialFunc connects to host:port.
type dialFunc func(ctx context.Context, addr string) (net.Conn, error)

// witness holds a connection to each member and says what became of it. While it
// stands nothing is sent: the far end closing it is news, and a port that then
// refuses connections is proof.
type witness struct {
	dial dialFunc
	// sameLife asks whether the process that is reached at a life's gossip
	// address is that life; it waits no longer than some probes take.
	sameLife func(life) bool
	// changed is called after a sight changed.
	changed func()

	mu      sync.Mutex
	watched map[sightKey]*watching
	seen    map[sightKey]sight
	wg      sync.WaitGroup
}

// watching is what goes on for one life.
type watching struct {
	stop context.CancelFunc
	// hangUp ends the connection that stands, if one does.
	hangUp context.CancelFunc
	// dead is whether gossip has given the life up.
	dead bool
}

func newWitness(dial dialFunc, sameLife func(life) bool, changed func()) *witness {
	return &witness{
		dial: dial, sameLife: sameLife, changed: changed,
		watched: make(map[sightKey]*watching),
		seen:    make(map[sightKey]sight),
	}
}

// watch makes the given lives the ones that are watched, until ctx ends. The
// connection to one that gossip has given up is replaced: if the host has gone,
// the old one may stand for minutes.
func (w *witness) watch(ctx context.Context, lives []life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := make(map[sightKey]bool)
	for _, l := range lives {
		if l.meta.RemoteAddr == "" {
			continue
		}
		key, dead := l.key(), l.heard == heardDead
		wanted[key] = true
		if known := w.watched[key]; known != nil {
			if dead && !known.dead {
				known.hangUp()
			}
			known.dead = dead
			continue
		}
		looking, stop := context.WithCancel(ctx)
		w.watched[key] = &watching{stop: stop, hangUp: func() {}, dead: dead}
		w.wg.Go(func() { w.look(looking, l) })
	}
	for key, known := range w.watched {
		if !wanted[key] {
			known.stop()
			delete(w.watched, key)
			delete(w.seen, key)
		}
	}
}

// sights returns a copy of what has been seen.
func (w *witness) sights() map[sightKey]sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

func (w *witness) sight(key sightKey) sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[key]
}

// wait returns when all watching has ended, after the contexts have.
func (w *witness) wait() { w.wg.Wait() }

// note keeps what was seen. That a process has ended stays true until it shows
// that it has not, so that only a connection revokes it.
func (w *witness) note(key sightKey, s sight) {
	w.mu.Lock()
	before := w.seen[key]
	if w.watched[key] == nil || before == s || before == refused && s == unreachable {
		w.mu.Unlock()
		return
	}
	w.seen[key] = s
	w.mu.Unlock()
	w.changed()
}

// look watches one life until ctx ends.
func (w *witness) look(ctx context.Context, l life) {
	var waits pace
	refusals, met := 0, false
	for ctx.Err() == nil {
		conn, err := w.connect(ctx, l.meta.RemoteAddr)
		switch {
		case err == nil:
			refusals = 0
			lasted := w.meet(ctx, l, conn)
			met = met || w.sight(l.key()) == connected
			if lasted {
				waits = pace{}
				continue
			}
		case ctx.Err() != nil: // we broke it off ourselves
		case !errors.Is(err, syscall.ECONNREFUSED):
			refusals = 0
			w.note(l.key(), unreachable)
		case refusals == 0:
			refusals++
			rest(ctx, secondLook)
			continue
		case !met && w.sameLife(l):
			// It lives, and either its address is wrong or it does not listen yet.
			w.note(l.key(), unreachable)
		default:
			w.note(l.key(), refused)
		}
		rest(ctx, waits.next())
	}
}

// meet notes that a connection stands, holds it until it breaks, and tells
// whether it lasted. After a refusal the port may be open for another life of
// the node, which says nothing of this one.
func (w *witness) meet(ctx context.Context, l life, conn net.Conn) (lasted bool) {
	defer conn.Close()
	if w.sight(l.key()) == refused && !w.sameLife(l) {
		return false
	}
	w.note(l.key(), connected)
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	w.mu.Lock()
	if known := w.watched[l.key()]; known != nil {
		known.hangUp = hangUp
	}
	w.mu.Unlock()
	return hold(ctx, conn) >= steadyAfter
}

// pace is the waiting between attempts that fail: secondLook, minPause, then
// twice as long each time up to maxPause.
type pace struct {
	last time.Duration
}

func (p *pace) next() time.Duration {
	switch {
	case p.last == 0:
		p.last = secondLook
	case p.last < minPause:
		p.last = minPause
	default:
		p.last = min(2*p.last, maxPause)
	}
	return p.last
}

func (w *witness) connect(ctx context.Context, addr string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, dialTimeout)
	defer stop()
	return w.dial(ctx, addr)
}

// hold reads from a connection until it breaks or ctx ends, and returns for how
// long it stood. What the far end says is of no interest.
func hold(ctx context.Context, conn net.Conn) time.Duration {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	began := time.Now()
	ignored := make([]byte, 512)
	for {
		if _, err := conn.Read(ignored); err != nil {
			return time.Since(began)
		}
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
