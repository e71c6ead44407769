package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// firstWindow is what a new connection may have in flight, in bytes: ten
	// segments (RFC 6928).
	firstWindow = 10 * 1460
	// fullWindow is what it may have in flight in the end: half of the 6 MiB
	// receive buffer that Linux allows, which is what it advertises.
	fullWindow = 3 << 20
	// relayChunk is the most that is read at once, in bytes.
	relayChunk = 64 << 10
)

// relay is a distant network: it forwards connections to target and delays
// both directions by half of the round trip time. A connection's window begins
// small and doubles each round trip, as in slow start, up to fullWindow; nothing
// is lost. What waits is bounded, so a slow reader slows the writer.
type relay struct {
	listener net.Listener
	target   string
	rtt      time.Duration
	conns    sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
}

// startRelay listens on loopback.
func startRelay(ctx context.Context, target string, rtt time.Duration) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the relay: %w", err)
	}
	r := &relay{listener: l, target: target, rtt: rtt}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.conns.Go(r.accept)
	return r, nil
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// stop ends all connections and waits for them.
func (r *relay) stop() {
	r.cancel()
	r.listener.Close()
	r.conns.Wait()
}

func (r *relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.conns.Go(func() { r.forward(conn) })
	}
}

// forward joins one connection to the target. The handshake of a distant
// connection takes a round trip, so the first bytes wait for one more.
func (r *relay) forward(near net.Conn) {
	defer near.Close()
	if sleep(r.ctx, r.rtt) != nil {
		return
	}
	far, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer far.Close()
	stop := context.AfterFunc(r.ctx, func() {
		near.Close()
		far.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { r.oneWay(far, near) })
	both.Go(func() { r.oneWay(near, far) })
	both.Wait()
}

// oneWay copies from src to dst, later by half a round trip.
func (r *relay) oneWay(dst, src net.Conn) {
	p := newPipe()
	var reading sync.WaitGroup
	reading.Go(func() { p.fill(src, r.rtt/2) })
	p.drain(r.ctx, dst)
	if p.isBroken() {
		src.Close() // ends fill, which waits for more
	}
	if half, ok := dst.(*net.TCPConn); ok {
		half.CloseWrite() //nolint:errcheck // the peer may be gone
	}
	reading.Wait()
}

// packet is bytes under way.
type packet struct {
	data []byte
	due  time.Time
}

// pipe is one direction of one connection. Half of a window is in it: the other
// half is acknowledgements on their way back, which are not modelled singly.
type pipe struct {
	mu      sync.Mutex // guards all below
	changed *sync.Cond
	queue   []packet
	// queued and delivered count bytes.
	queued, delivered int
	// ended: nothing more comes in. broken: nothing more goes out.
	ended, broken bool
}

func newPipe() *pipe {
	p := &pipe{}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// room is how many bytes may be under way: it grows with what has arrived.
func room(delivered int) int { return min(firstWindow+delivered, fullWindow) / 2 }

// fill reads src until it ends.
func (p *pipe) fill(src io.Reader, delay time.Duration) {
	buf := make([]byte, relayChunk)
	for {
		n, err := src.Read(buf[:p.awaitRoom()])
		now := time.Now()
		p.mu.Lock()
		if n > 0 {
			p.queue = append(p.queue, packet{data: append([]byte(nil), buf[:n]...), due: now.Add(delay)})
			p.queued += n
		}
		p.ended = err != nil
		stop := p.ended || p.broken
		p.changed.Broadcast()
		p.mu.Unlock()
		if stop {
			return
		}
	}
}

// awaitRoom returns how many bytes may be read now; at least 1.
func (p *pipe) awaitRoom() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queued >= room(p.delivered) && !p.broken {
		p.changed.Wait()
	}
	return max(1, min(relayChunk, room(p.delivered)-p.queued))
}

// drain writes to dst what is due until there is no more.
func (p *pipe) drain(ctx context.Context, dst io.Writer) {
	for {
		next, ok := p.take()
		if !ok {
			return
		}
		err := sleep(ctx, time.Until(next.due))
		if err == nil {
			_, err = dst.Write(next.data)
		}
		p.mu.Lock()
		p.queued -= len(next.data)
		p.delivered += len(next.data)
		p.broken = err != nil
		p.changed.Broadcast()
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *pipe) isBroken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// take waits for the next packet; false after the last.
func (p *pipe) take() (packet, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.ended {
		p.changed.Wait()
	}
	if len(p.queue) == 0 {
		return packet{}, false
	}
	next := p.queue[0]
	p.queue = p.queue[1:]
	return next, true
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
