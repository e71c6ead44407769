package endpoint

import (
	"errors"
	"io"
	"sync"
	"time"

	"godwit/transfer"
)

// The causes with which a watchdog cancels an exchange.
var (
	errStall  = errors.New("no byte came in time")
	errClosed = errors.New("the body was closed")
)

// body delivers the bytes of an answer and watches how they come. Only time
// spent waiting inside of Read counts: a caller may take as long as it likes
// between two reads.
type body struct {
	x    *exchange
	host string
	rc   io.ReadCloser

	stallAfter time.Duration
	stall      *time.Timer // runs during a read only
	window     time.Duration
	leastBytes int64 // in a window, 0 for any

	mu sync.Mutex // held by Read, and by Close once no read is blocked
	// left is how many bytes are to come, or transfer.UnknownSize.
	left   int64
	err    error
	closed bool
	// waited and got are time and bytes in the present window.
	waited time.Duration
	got    int64
}

func newBody(x *exchange, host string, length int64, c Config) *body {
	b := &body{
		x: x, host: host, rc: x.response.Body, left: length,
		stallAfter: c.StallTimeout, window: c.RateWindow,
	}
	if c.MinRate > 0 {
		b.leastBytes = int64(float64(c.MinRate) * c.RateWindow.Seconds())
	}
	b.stall = time.AfterFunc(c.StallTimeout, func() { x.cancel(errStall) })
	b.stall.Stop()
	return b
}

// Read implements io.Reader. Large reads go straight to the connection.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		b.err = b.end()
		return 0, b.err
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.watch(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if err == nil {
		err = b.tooSlow()
	}
	b.err = b.explain(err)
	return n, b.err
}

// watch is one read under the stall watchdog.
func (b *body) watch(p []byte) (int, error) {
	b.stall.Reset(b.stallAfter)
	start := time.Now()
	n, err := b.rc.Read(p)
	b.stall.Stop()
	b.waited += time.Since(start)
	b.got += int64(n)
	return n, err
}

// tooSlow closes the window when it is full.
func (b *body) tooSlow() error {
	if b.waited < b.window {
		return nil
	}
	slow := b.got < b.leastBytes
	b.waited, b.got = 0, 0
	if !slow {
		return nil
	}
	return &transfer.Error{Code: transfer.CodeSlow, Message: "the far side sends too slowly"}
}

// end makes sure that nothing follows the last byte. Where a Content-Length was
// announced the transport has ended the body already.
func (b *body) end() error {
	var one [1]byte
	n, err := b.watch(one[:])
	switch {
	case n > 0:
		return b.explain(transfer.Errorf(transfer.CodeProtocol, "the far side sends more than it announced"))
	case err == nil:
		return nil // a read of nothing: ask again
	}
	return b.explain(err)
}

// explain makes a *transfer.Error of anything but a clean end.
func (b *body) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && b.left <= 0:
		return io.EOF
	case errors.Is(err, io.EOF):
		e := transfer.Errorf(transfer.CodeReset, "the answer ended %d bytes early", b.left)
		e.Op, e.Subject = "read", b.host
		return e
	}
	e := b.x.explain(err)
	e.Op, e.Subject = "read", b.host
	return e
}

// Close implements io.Closer. It ends a read that is blocked, and keeps the
// connection when the rest of the body is short.
func (b *body) Close() error {
	if !b.mu.TryLock() {
		b.x.cancel(errClosed)
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.stall.Stop()
	if b.err == nil {
		b.x.drain(b.left)
		b.err = &transfer.Error{Code: transfer.CodeInternal, Op: "read", Subject: b.host, Message: "the body is closed", Err: errClosed}
	}
	// The bytes are delivered or given up: how the connection ends is nobody's
	// concern.
	_ = b.rc.Close()
	b.x.cancel(errClosed)
	return nil
}
