package proxy

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Ports are below the range from which systems give ports to connections, so
// that one is free again after a cut.
const (
	firstPort = 12000
	lastPort  = 20000
)

// headerPatience bounds how long a request's header may take.
const headerPatience = time.Minute

// gate is the address of one node.
type gate struct {
	addr   string
	server *http.Server

	mu    sync.Mutex // guards what follows
	how   Cut
	conns map[*conn]bool
	// healed is closed when the gate is no longer silent.
	healed chan struct{}
	// listener is nil while connections are refused.
	listener net.Listener
	// incoming has the connections for server.
	incoming chan net.Conn
	closed   chan struct{}
}

// newGate opens an address on a host.
func newGate(host string, serve http.HandlerFunc) (*gate, error) {
	g := &gate{
		how: Open, conns: map[*conn]bool{}, incoming: make(chan net.Conn), closed: make(chan struct{}),
		server: &http.Server{Handler: serve, ReadHeaderTimeout: headerPatience, ErrorLog: log.New(io.Discard, "", 0)},
	}
	for range 100 {
		g.addr = net.JoinHostPort(host, fmt.Sprint(firstPort+rand.IntN(lastPort-firstPort)))
		if g.listener, _ = net.Listen("tcp", g.addr); g.listener != nil {
			break
		}
	}
	if g.listener == nil {
		return nil, fmt.Errorf("no port of %s is free", host)
	}
	go g.accept(g.listener)
	go func() { _ = g.server.Serve(g) }() // ends with close, and says no more than that
	return g, nil
}

// accept hands over connections until the listener is closed.
func (g *gate) accept(l net.Listener) {
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := &conn{Conn: raw, gate: g}
		g.mu.Lock()
		refused := g.how == Refused
		if !refused {
			g.conns[c] = true
		}
		g.mu.Unlock()
		if refused {
			c.reset()
			continue
		}
		select {
		case g.incoming <- c:
		case <-g.closed:
			_ = c.Close() // nobody is left
		}
	}
}

// Accept implements [net.Listener] over all listeners that the address has had.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.incoming:
		return c, nil
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements [net.Listener].
func (g *gate) Addr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", g.addr)
	if err != nil {
		return &net.TCPAddr{} // it was listened on
	}
	return addr
}

// Close implements [net.Listener].
func (g *gate) Close() error { return nil }

// close ends it for good.
func (g *gate) close() error {
	err := g.set(Refused)
	close(g.closed)
	return errors.Join(err, g.server.Close())
}

// set cuts or joins.
func (g *gate) set(how Cut) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if how == g.how {
		return nil
	}
	if how == Refused {
		g.listener.Close()
		g.listener = nil
		for c := range g.conns {
			c.reset()
		}
		clear(g.conns)
	} else if g.listener == nil {
		l, err := net.Listen("tcp", g.addr)
		if err != nil {
			return err
		}
		g.listener = l
		go g.accept(l)
	}
	if g.how == Silent {
		close(g.healed)
	}
	if how == Silent {
		g.healed = make(chan struct{})
	}
	g.how = how
	return nil
}

// pass returns when the gate is not silent.
func (g *gate) pass() {
	for {
		g.mu.Lock()
		silent, healed := g.how == Silent, g.healed
		g.mu.Unlock()
		if !silent {
			return
		}
		<-healed
	}
}

func (g *gate) forget(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// conn is a connection through a gate.
type conn struct {
	net.Conn
	gate *gate
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.gate.pass()
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.gate.pass()
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.gate.forget(c)
	return c.Conn.Close()
}

// reset closes it so that the peer learns of it at once.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is closed in the usual way
	}
	c.Conn.Close()
}
