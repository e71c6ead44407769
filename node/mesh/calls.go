package mesh

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// calls are those that wait for their answer. Each gets one, or an error, or
// removes itself.
type calls struct {
	mu sync.Mutex
	// last begins anywhere, so that an answer to an earlier life of this process
	// is nobody's.
	last    uint64
	waiting map[uint64]waiter
}

// waiter is a call; link is what its request is on, nil when it needs none.
type waiter struct {
	link *link
	done chan<- answer
}

// answer is what a call ends with: a response, or an error.
type answer struct {
	response *clusterpb.Response
	err      error
}

func newCalls() *calls {
	return &calls{last: rand.Uint64(), waiting: make(map[uint64]waiter)}
}

// next is the id of a new call.
func (c *calls) next() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	return c.last
}

func (c *calls) add(id uint64, l *link, done chan<- answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[id] = waiter{l, done}
}

func (c *calls) remove(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// finish answers a call, if it still waits.
func (c *calls) finish(id uint64, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w, ok := c.waiting[id]; ok {
		delete(c.waiting, id)
		w.done <- a
	}
}

// lost fails the calls whose requests were on a link that has ended.
func (c *calls) lost(l *link, why error) {
	c.fail(fmt.Errorf("%w: %w", ErrUnreachable, why), func(w waiter) bool { return w.link == l })
}

// fail ends the calls that match.
func (c *calls) fail(err error, match func(waiter) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, w := range c.waiting {
		if match(w) {
			delete(c.waiting, id)
			w.done <- answer{err: err}
		}
	}
}

// reply is the process to which other nodes answer.
type reply struct{ calls *calls }

// SendUserMessage implements actor.Process.
func (r reply) SendUserMessage(_ *actor.PID, message any) {
	if res, ok := actor.UnwrapEnvelopeMessage(message).(*clusterpb.Response); ok {
		r.calls.finish(res.GetId(), answer{response: res})
	}
}

// SendSystemMessage implements actor.Process: there is no actor to tell.
func (reply) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process: it ends with the mesh.
func (reply) Stop(*actor.PID) {}
