package relay

import (
	"net"
	"time"
)

// maxPacket is the longest UDP packet in bytes.
const maxPacket = 64 << 10

// receive forwards packets to the target, each source by a socket of its own, so
// that answers find back.
func (r *Relay) receive() {
	for {
		b := make([]byte, maxPacket)
		n, from, err := r.packets.ReadFrom(b)
		if r.ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // what one peer did must not end it
		}
		to, err := r.source(from)
		if err != nil {
			continue // as if it was lost
		}
		r.send(There, b[:n], func(b []byte) error {
			_, err := to.Write(b)
			return err
		})
	}
}

// source is the socket towards the target for packets of a source.
func (r *Relay) source(from net.Addr) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.sources[from.String()]; c != nil {
		return c, nil
	}
	c, err := net.Dial("udp", r.target)
	if err != nil {
		return nil, err
	}
	r.sources[from.String()] = c
	r.running.Go(func() { r.answer(c, from) })
	return c, nil
}

// answer forwards what comes back.
func (r *Relay) answer(c net.Conn, to net.Addr) {
	for {
		b := make([]byte, maxPacket)
		n, err := c.Read(b)
		if r.ctx.Err() != nil {
			return
		}
		if err != nil {
			// The target does not listen, now. It may again.
			if !r.idle(time.Millisecond, nil) {
				return
			}
			continue
		}
		r.send(Back, b[:n], func(b []byte) error {
			_, err := r.packets.WriteTo(b, to)
			return err
		})
	}
}

// send decides what becomes of a packet.
func (r *Relay) send(d Direction, b []byte, write func([]byte) error) {
	w, _ := r.way(d)
	if w.Cut || r.roll(w.Loss) {
		return
	}
	copies := 1
	if r.roll(w.Duplicate) {
		copies++
	}
	for range copies {
		lag := r.lag(w) + r.queue(d, w, len(b))
		if r.roll(w.Reorder) {
			lag += overtaken
		}
		deliver := func() {
			if write(b) == nil { // else it is lost
				r.count(d, len(b))
			}
		}
		if lag <= 0 {
			deliver()
			continue
		}
		time.AfterFunc(lag, func() {
			if w, _ := r.way(d); !w.Cut && r.ctx.Err() == nil {
				deliver()
			}
		})
	}
}

// queue is how long a packet waits for those before it.
func (r *Relay) queue(d Direction, w Way, bytes int) time.Duration {
	if w.Rate <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.free[d].Before(now) {
		r.free[d] = now
	}
	r.free[d] = r.free[d].Add(time.Duration(int64(bytes) * int64(time.Second) / w.Rate))
	return r.free[d].Sub(now)
}
