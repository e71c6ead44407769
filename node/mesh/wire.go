package mesh

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/proto"
)

// Names of the two processes of every mesh.
const (
	gateName  = "gate"
	replyName = "reply"
)

// link is one connection to an address, from the first message until it is cut.
type link struct {
	addr string
	// ctx is the connection's; cancel ends it in any state and keeps the first
	// reason.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// announced is closed when the library takes the connection for good. What
	// ends it earlier would be overtaken by that, and the library connect anew.
	announced chan struct{}
	// queued is how many bytes wait for the connection.
	queued atomic.Int64
}

// reserve counts a message, if there is room for it.
func (l *link) reserve(size, most int64) bool {
	if l.queued.Add(size) <= most {
		return true
	}
	l.queued.Add(-size)
	return false
}

// wire owns the links. There is one at most for an address, and it is the one
// that the library sends on: what creates or ends one in the library happens
// under life.
type wire struct {
	addr        string
	system      *actor.ActorSystem
	remote      *remote.Remote
	dialTimeout time.Duration
	// maxQueued bounds what waits for one connection, in bytes.
	maxQueued int64
	// lost is called once for every link that is cut, and says why.
	lost func(*link, error)
	// uses counts the connections that the library reads from, and messages to
	// this node itself.
	uses sync.WaitGroup

	// life is shared by what sends and held alone by what cuts.
	life   sync.RWMutex
	closed bool
	mu     sync.Mutex
	links  map[string]*link
}

// watch has the wire hear which connections the library has taken. It comes
// after the library has begun to listen to the same: so it hears this last.
func (w *wire) watch() {
	w.system.EventStream.Subscribe(func(event any) {
		if e, ok := event.(*remote.EndpointConnectedEvent); ok {
			if l := w.linkTo(e.Address); l != nil {
				close(l.announced)
			}
		}
	})
}

func (w *wire) linkTo(addr string) *link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.links[addr]
}

// send hands a message over, to be delivered, or lost with its link; before is
// told which that is. A message to this node itself has none. After an error
// nothing is sent.
func (w *wire) send(to *actor.PID, message proto.Message, sender *actor.PID, before func(*link)) error {
	w.life.RLock()
	defer w.life.RUnlock()
	if w.closed {
		return ErrClosed
	}
	if to.Address == w.addr {
		before(nil)
		// Elsewhere, since what is sent to ourselves may be answered at once.
		w.uses.Go(func() { w.system.Root.RequestWithCustomSender(to, message, sender) })
		return nil
	}
	l := w.open(to.Address)
	if !l.reserve(int64(proto.Size(message)), w.maxQueued) {
		return ErrBusy
	}
	before(l)
	w.remote.SendMessage(to, nil, message, sender, -1)
	return nil
}

// open returns the link to an address; the library makes its connection when the
// first message is sent.
func (w *wire) open(addr string) *link {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l, ok := w.links[addr]; ok {
		return l
	}
	l := &link{addr: addr, announced: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	w.links[addr] = l
	return l
}

// cut ends a link, also in the library. The next message makes a new one.
func (w *wire) cut(l *link, why error) {
	l.cancel(why)
	<-l.announced
	if w.remove(l) {
		w.lost(l, context.Cause(l.ctx))
	}
}

// remove tells whether the link was there: it may end for two reasons at a time.
func (w *wire) remove(l *link) bool {
	w.life.Lock()
	defer w.life.Unlock()
	if w.linkTo(l.addr) != l {
		return false
	}
	w.mu.Lock()
	delete(w.links, l.addr)
	w.mu.Unlock()
	w.system.EventStream.Publish(&remote.EndpointTerminatedEvent{Address: l.addr})
	return true
}

// shut refuses all messages from now on.
func (w *wire) shut() {
	w.life.Lock()
	defer w.life.Unlock()
	w.closed = true
}

var errCut = errors.New("the connection was given up")

// cutAll ends all links. It needs shut before it, so that no others come.
func (w *wire) cutAll() {
	w.mu.Lock()
	links := make([]*link, 0, len(w.links))
	for _, l := range w.links {
		links = append(links, l)
	}
	w.mu.Unlock()
	for _, l := range links {
		w.cut(l, errCut)
	}
}
