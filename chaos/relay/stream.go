package relay

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	// pieceBytes is the most that is read at once, pieces how many may be under way
	// on a connection in one direction: a slow reader slows the writer.
	pieceBytes = 32 << 10
	pieces     = 64
	// dialPatience bounds how long the target may take to answer.
	dialPatience = 10 * time.Second
)

// pair is a connection and its other half.
type pair struct {
	near, far net.Conn
	done      chan struct{}
	once      sync.Once
}

// reset ends both so that the peers learn of it at once.
func (p *pair) reset() {
	p.once.Do(func() { close(p.done) })
	for _, c := range []net.Conn{p.near, p.far} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // then it is closed in the usual way
		}
		c.Close()
	}
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() { r.join(near) })
	}
}

// join forwards one connection until both ends are through.
func (r *Relay) join(near net.Conn) {
	ctx, cancel := context.WithTimeout(r.ctx, dialPatience)
	defer cancel()
	far, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
	if err != nil {
		(&pair{near: near, far: near, done: make(chan struct{})}).reset() // nobody listens: the peer is told
		return
	}
	p := &pair{near: near, far: far, done: make(chan struct{})}
	r.mu.Lock()
	r.pairs[p] = true
	r.mu.Unlock()
	if r.ctx.Err() != nil {
		p.reset()
	}
	var both sync.WaitGroup
	both.Go(func() { r.pump(p, There, far, near) })
	both.Go(func() { r.pump(p, Back, near, far) })
	both.Wait()
	near.Close()
	far.Close()
	r.mu.Lock()
	delete(r.pairs, p)
	r.mu.Unlock()
}

// piece is bytes under way; none is the end.
type piece struct {
	data []byte
	read time.Time
}

// pump copies one direction of a connection.
func (r *Relay) pump(p *pair, d Direction, dst, src net.Conn) {
	under := make(chan piece, pieces)
	r.running.Go(func() {
		defer close(under)
		for {
			b := make([]byte, pieceBytes)
			n, err := src.Read(b)
			if n > 0 {
				select {
				case under <- piece{b[:n], time.Now()}:
				case <-p.done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for next := range under {
		if !r.deliver(p, d, dst, next) {
			p.reset()
			for range under { // until the reader has noticed
			}
			return
		}
	}
	// The end takes its time, too; a reset looks like an end from here.
	if r.arrive(p, d, piece{read: time.Now()}) {
		if half, ok := dst.(*net.TCPConn); ok {
			_ = half.CloseWrite() // the peer may be gone
		}
	}
}

// deliver writes a piece when it is due.
func (r *Relay) deliver(p *pair, d Direction, dst net.Conn, next piece) bool {
	if !r.arrive(p, d, next) {
		return false
	}
	n, err := dst.Write(next.data)
	r.count(d, n)
	return err == nil
}

// arrive waits until a piece has arrived; false when the connection has ended.
func (r *Relay) arrive(p *pair, d Direction, next piece) bool {
	w, _ := r.way(d)
	if !r.idle(time.Until(next.read.Add(r.lag(w))), p.done) {
		return false
	}
	for {
		w, changed := r.way(d)
		if !w.Cut {
			if w.Rate > 0 {
				return r.idle(time.Duration(int64(len(next.data))*int64(time.Second)/w.Rate), p.done)
			}
			return true
		}
		select {
		case <-changed:
		case <-p.done:
			return false
		case <-r.ctx.Done():
			return false
		}
	}
}
