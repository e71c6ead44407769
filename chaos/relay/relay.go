package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Way is how what goes in one direction is treated. Its zero value passes all.
type Way struct {
	// Latency passes before each piece arrives, and up to Jitter more. Bytes of a
	// connection stay in order, packets do not.
	Latency, Jitter time.Duration
	// Rate is how many bytes a second pass, on each connection, and of all packets
	// together; 0 is all.
	Rate int64
	// Loss, Duplicate and Reorder are probabilities for each packet. One that is
	// reordered is overtaken by those of the next 100 ms. Connections lose nothing.
	Loss, Duplicate, Reorder float64
	// Cut: nothing passes, and nobody is told. Packets are lost; bytes of
	// connections arrive when it has ended.
	Cut bool
}

// overtaken is how much later a reordered packet arrives.
const overtaken = 100 * time.Millisecond

// Direction is one of two.
type Direction int

// The directions: to the process behind the relay, and from it.
const (
	There Direction = iota
	Back
)

// Relay forwards one port. Its methods are safe for concurrent use.
type Relay struct {
	addr, target string
	listener     net.Listener
	packets      net.PacketConn
	ctx          context.Context // ends with Close
	cancel       context.CancelFunc
	running      sync.WaitGroup

	mu   sync.Mutex // guards what follows
	ways [2]Way
	// changed is closed when ways change.
	changed chan struct{}
	dice    *rand.Rand
	// free is when the last packet has passed, by direction, where Rate bounds it.
	free  [2]time.Time
	pairs map[*pair]bool
	// sources have a socket towards the target for each source of packets.
	sources map[string]net.Conn
	passed  [2]int64
}

// New listens on an address, "127.0.2.1:7482", and forwards to another one. Port
// 0 chooses one. The caller closes it.
func New(addr, target string, seed uint64) (*Relay, error) {
	r := &Relay{
		target: target, changed: make(chan struct{}), dice: rand.New(rand.NewPCG(seed, 0)),
		pairs: map[*pair]bool{}, sources: map[string]net.Conn{},
	}
	var err error
	if r.listener, err = net.Listen("tcp", addr); err != nil {
		return nil, fmt.Errorf("relay to %s: %w", target, err)
	}
	r.addr = r.listener.Addr().String()
	if r.packets, err = net.ListenPacket("udp", r.addr); err != nil {
		r.listener.Close()
		return nil, fmt.Errorf("relay to %s: %w", target, err)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.running.Go(r.accept)
	r.running.Go(r.receive)
	return r, nil
}

// Addr is where it listens, host:port.
func (r *Relay) Addr() string { return r.addr }

// Set changes how what goes in one direction is treated, what is under way
// included as far as it is not yet due.
func (r *Relay) Set(d Direction, w Way) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ways[d] = w
	close(r.changed)
	r.changed = make(chan struct{})
}

// Heal passes all, both ways.
func (r *Relay) Heal() {
	r.Set(There, Way{})
	r.Set(Back, Way{})
}

// Reset ends all connections at once, and tells both ends.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.reset()
	}
}

// Passed is how many bytes have arrived in one direction.
func (r *Relay) Passed(d Direction) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.passed[d]
}

// Close ends all connections.
func (r *Relay) Close() error {
	r.cancel()
	r.Reset()
	r.mu.Lock()
	err := errors.Join(r.listener.Close(), r.packets.Close())
	for _, c := range r.sources {
		c.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
	return err
}

func (r *Relay) way(d Direction) (Way, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ways[d], r.changed
}

func (r *Relay) count(d Direction, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed[d] += int64(n)
}

// lag is how long a piece is under way; roll is true with a probability.
func (r *Relay) lag(w Way) time.Duration {
	if w.Jitter <= 0 {
		return w.Latency
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return w.Latency + time.Duration(r.dice.Int64N(int64(w.Jitter)))
}

func (r *Relay) roll(chance float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dice.Float64() < chance
}

// idle waits; false when the relay is closed or done is.
func (r *Relay) idle(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	case <-r.ctx.Done():
		return false
	}
}
