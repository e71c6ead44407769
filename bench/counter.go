package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// burst is how many bytes the counting origin sends at once.
const burst = 256 << 10

// counter is an origin that makes its content, counts the bytes it serves and
// can change the content. It answers as nginx does for a file: ranges, strong
// ETag, Last-Modified, conditions.
type counter struct {
	server *http.Server
	addr   string
	limit  *rate.Limiter
	size   int64

	mu      sync.Mutex // guards all below
	current *content
	served  int64
	// reached is closed when served comes to goal; nil when nobody waits.
	goal    int64
	reached chan struct{}
}

// startCounter serves size bytes under every path, at so many bytes a second
// over all connections.
func startCounter(ctx context.Context, size, bytesPerSecond int64) (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the counting origin: %w", err)
	}
	c := &counter{
		addr: l.Addr().String(), size: size, current: newContent(before, size),
		limit: rate.NewLimiter(rate.Limit(bytesPerSecond), burst),
	}
	c.server = &http.Server{
		Handler: c, ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go c.server.Serve(l) //nolint:errcheck // it ends by Close
	return c, nil
}

func (c *counter) stop() { c.server.Close() } //nolint:errcheck // the run is over

// reset begins a run: the first version, nothing served; the channel is closed
// when goal bytes have been served.
func (c *counter) reset(goal int64) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.served, c.goal, c.reached = newContent(before, c.size), 0, goal, make(chan struct{})
	return c.reached
}

// change replaces the content by one of the same length.
func (c *counter) change() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = newContent(after, c.size)
}

// total is the number of bytes served since reset.
func (c *counter) total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served
}

// ServeHTTP implements http.Handler.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	now := c.current
	c.mu.Unlock()
	w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, now.version))
	w.Header().Set("Content-Type", "application/octet-stream")
	modified := time.Date(2026, 1, int(now.version), 0, 0, 0, 0, time.UTC)
	http.ServeContent(&counted{ResponseWriter: w, origin: c, ctx: r.Context()}, r, "", modified,
		io.NewSectionReader(now, 0, now.size))
}

// counted writes a body in small pieces, at the origin's rate, and counts it.
type counted struct {
	http.ResponseWriter
	origin *counter
	ctx    context.Context
}

// Write implements http.ResponseWriter.
func (w *counted) Write(p []byte) (int, error) {
	if err := w.origin.limit.WaitN(w.ctx, min(len(p), burst)); err != nil {
		return 0, fmt.Errorf("serve: %w", err)
	}
	n, err := w.ResponseWriter.Write(p)
	w.origin.add(int64(n))
	return n, err
}

func (c *counter) add(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served += n
	if c.reached != nil && c.served >= c.goal {
		close(c.reached)
		c.reached = nil
	}
}
