package clustertest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection.
type conn struct {
	network     *Network
	host        string
	local, peer address
	in, out     *stream
	closed      chan struct{}
	once        sync.Once
	deadline    deadline
}

// newPair returns the two ends of a connection between two addresses.
func newPair(n *Network, from, to string) (near, far *conn) {
	there := &stream{network: n, from: hostOf(from), to: hostOf(to), changed: make(chan struct{})}
	back := &stream{network: n, from: hostOf(to), to: hostOf(from), changed: make(chan struct{})}
	end := func(local, peer string, in, out *stream) *conn {
		return &conn{
			network: n, host: hostOf(local), in: in, out: out, closed: make(chan struct{}),
			local: address{"tcp", local}, peer: address{"tcp", peer}, deadline: newDeadline(),
		}
	}
	return end(from, to, back, there), end(to, from, there, back)
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p, c.closed, c.deadline.wait())
	if err != nil && !errors.Is(err, io.EOF) {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: c.peer, Err: err}
	}
	return n, err
}

// Write implements net.Conn. It never blocks: buffers have no end.
func (c *conn) Write(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	if err := c.out.write(p); err != nil {
		return 0, &net.OpError{Op: "write", Net: "tcp", Addr: c.peer, Err: err}
	}
	return len(p), nil
}

// Close implements net.Conn. What was written still arrives, unless there is
// something left that this end has not read.
func (c *conn) Close() error {
	c.end(io.EOF)
	return nil
}

// abort breaks the connection for both ends.
func (c *conn) abort() { c.end(os.NewSyscallError("read", syscall.ECONNRESET)) }

func (c *conn) end(how error) {
	c.once.Do(func() {
		close(c.closed)
		if c.in.abandon() {
			how = os.NewSyscallError("read", syscall.ECONNRESET)
		}
		c.out.finish(how)
		c.network.mu.Lock()
		defer c.network.mu.Unlock()
		delete(c.network.conns, c)
	})
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.peer }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn; writes never wait.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// stream is one direction of a connection.
type stream struct {
	network  *Network
	from, to string

	mu   sync.Mutex
	data []byte
	// ended is what the reader gets after the data; unread says that it has gone.
	ended   error
	unread  bool
	changed chan struct{}
}

func (s *stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) write(p []byte) error {
	s.network.mu.Lock()
	s.network.bytes += int64(len(p))
	s.network.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unread || s.ended != nil {
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	s.data = append(s.data, p...)
	s.wake()
	return nil
}

// finish ends the stream from the writer's side; a reset loses what is on its
// way.
func (s *stream) finish(how error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = how
		if !errors.Is(how, io.EOF) {
			s.data = nil
		}
		s.wake()
	}
}

// abandon ends the stream from the reader's side and tells whether data is left.
func (s *stream) abandon() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = true
	return len(s.data) > 0
}

func (s *stream) read(p []byte, closed, late <-chan struct{}) (int, error) {
	for {
		select {
		case <-closed:
			return 0, net.ErrClosed
		case <-late:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		up, linked := s.network.link(s.from, s.to)
		n, changed, err := s.take(p, up)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-changed:
		case <-linked:
		case <-closed:
		case <-late:
		}
	}
}

// take returns what has arrived, or the channel to wait for.
func (s *stream) take(p []byte, up bool) (int, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !up {
		return 0, s.changed, nil
	}
	if len(s.data) == 0 {
		return 0, s.changed, s.ended
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil, nil
}

// deadline is a time that can be moved, as a channel that is closed when it has
// come.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	late  chan struct{}
}

func newDeadline() deadline { return deadline{late: make(chan struct{})} }

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.late
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		d.late = make(chan struct{}) // the old one is closed, or is just being
	}
	d.timer = nil
	if t.IsZero() {
		return
	}
	late := d.late
	d.timer = time.AfterFunc(time.Until(t), func() { close(late) })
}
