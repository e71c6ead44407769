package endpoint

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"godwit/transfer"
)

// endConn is a connection that remembers what net/http does not tell: whether
// reading failed or came to its end (the parsers of net/http report a message
// that was cut short as malformed), and whether anything was written.
//
// It also says how long writing may stand still, and tells that it failed only
// when all that the far side had sent was read: a server that refuses content
// answers and closes, and its answer is worth more than the reset that follows.
type endConn struct {
	net.Conn
	stallAfter time.Duration
	ended      atomic.Bool
	written    atomic.Int64
	// deadline: somebody else has set one for writing. broken: writing failed, and
	// TLS need not try to say goodbye.
	deadline, broken atomic.Bool
	over             chan struct{} // closed when nothing more can be read
	once             sync.Once
}

func newEndConn(conn net.Conn, stallAfter time.Duration) *endConn {
	return &endConn{Conn: conn, stallAfter: stallAfter, over: make(chan struct{})}
}

// Read implements io.Reader.
func (c *endConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.ended.Store(true)
		c.end()
	}
	return n, err
}

// Write implements io.Writer. It may take long, but not without any progress.
func (c *endConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.write(p)
	if err != nil {
		c.broken.Store(true)
	}
	return n, err
}

func (c *endConn) write(p []byte) (n int, err error) {
	for {
		if !c.deadline.Load() {
			// It fails where the connection is closed, as writing does.
			_ = c.Conn.SetWriteDeadline(time.Now().Add(c.stallAfter))
		}
		once, err := c.Conn.Write(p[n:])
		n += once
		c.written.Add(int64(once))
		switch {
		case err == nil:
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.waitForEnd()
			return n, err
		case c.deadline.Load():
			return n, err
		case once == 0:
			return n, &transfer.Error{Code: transfer.CodeStall, Message: "the far side takes nothing any more"}
		}
	}
}

// waitForEnd waits until the reader of the connection has seen its end.
func (c *endConn) waitForEnd() {
	t := time.NewTimer(drainTimeout)
	defer t.Stop()
	select {
	case <-c.over:
	case <-t.C:
	}
}

func (c *endConn) end() { c.once.Do(func() { close(c.over) }) }

// SetDeadline implements net.Conn.
func (c *endConn) SetDeadline(t time.Time) error {
	c.deadline.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *endConn) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// Close implements net.Conn.
func (c *endConn) Close() error {
	c.end()
	return c.Conn.Close()
}

// innermost is the endConn that c is, or has under its TLS; nil for none.
func innermost(c net.Conn) *endConn {
	for {
		switch x := c.(type) {
		case *endConn:
			return x
		case *tls.Conn:
			c = x.NetConn()
		default:
			return nil
		}
	}
}
