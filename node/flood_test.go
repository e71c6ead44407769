package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flooder is one HTTP/2 connection of somebody who means ill.
type flooder struct {
	t *testing.T
	*http2.Framer
	conn net.Conn
	// request is the header block of a call that is allowed.
	request []byte
}

// newFlooder speaks HTTP/2 on a connection from its first byte (RFC 9113,
// section 3.3).
func newFlooder(t *testing.T, conn net.Conn, path string) *flooder {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	f := &flooder{t: t, conn: conn, Framer: http2.NewFramer(conn, conn)}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":authority", "localhost"},
		{":path", path},
		{"content-type", "application/json"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	f.request = block.Bytes()
	return f
}

// open begins a call whose body does not come.
func (f *flooder) open(stream int) error {
	return f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: uint32(2*stream + 1), BlockFragment: f.request, EndHeaders: true,
	})
}

const listProcedure = "/godwit.v1.TransferService/ListTransfers"

// TestHTTP2Floods does on one connection, without ever reading, what made other
// servers fall over. The connection ends where the node would have to remember
// more and more; whatever it does, goroutines and memory stay within bounds and
// others are answered.
func TestHTTP2Floods(t *testing.T) {
	n := startNode(t, Config{})
	for _, flood := range []struct {
		name  string
		times int
		once  func(f *flooder, i int) error
		// ends: the node must end the connection before all was sent. It need not
		// where a stream that is refused, or a frame that the next one replaces,
		// leaves nothing behind.
		ends bool
	}{
		{"rapid reset", 100_000, func(f *flooder, i int) error {
			return errors.Join(f.open(i), f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
		}, false},
		{"streams", 100_000, (*flooder).open, false},
		{"continuation", 4096, func(f *flooder, i int) error { // of 16 KiB each
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.request})
			}
			return f.WriteContinuation(1, false, literal(i, 16<<10))
		}, true},
		{"settings", 400_000, func(f *flooder, _ int) error { return f.WriteSettings() }, false},
		{"ping", 4_000_000, func(f *flooder, _ int) error { return f.WritePing(false, [8]byte{}) }, true},
	} {
		t.Run(flood.name, func(t *testing.T) {
			goroutines, heap := runtime.NumGoroutine(), heapInUse()
			conn, err := net.Dial("tcp", n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			f := newFlooder(t, conn, listProcedure)
			sent := 0
			for err == nil && sent < flood.times {
				err = flood.once(f, sent)
				sent++
			}
			t.Logf("%d of %d sent: %v", sent, flood.times, err)
			if flood.ends && err == nil {
				t.Error("the node took it all")
			}
			get(t, http.DefaultClient, "http://"+n.Addr()+"/livez", http.StatusOK)
			// Each stream that is let in has a goroutine, and there is a bound to
			// them (RFC 9113, section 5.1.2).
			if now := runtime.NumGoroutine(); now > goroutines+300 {
				t.Errorf("%d goroutines, before %d", now, goroutines)
			}
			if now := heapInUse(); now > heap+32<<20 {
				t.Errorf("%d bytes in use, before %d", now, heap)
			}
			_ = conn.Close()
		})
	}
	get(t, http.DefaultClient, "http://"+n.Addr()+"/readyz", http.StatusOK)
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// literal is a header field that is not indexed (RFC 7541, section 6.2.2).
func literal(i, size int) []byte {
	var block bytes.Buffer
	// Memory never fails.
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{
		Name: "x", Value: strings.Repeat(string(rune('!'+i%64)), size), Sensitive: true,
	})
	return block.Bytes()[:min(block.Len(), size)]
}

// TestSlowHeaders sends a header byte by byte and never ends it. The node ends
// the connection in time, whatever the protocol.
func TestSlowHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(t *testing.T, conn net.Conn) (drip func(i int) error)
		after time.Duration
	}{
		"HTTP/1.1": {func(t *testing.T, conn net.Conn) func(int) error {
			if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "); err != nil {
				t.Fatal(err)
			}
			return func(int) error { _, err := io.WriteString(conn, "x"); return err }
		}, readHeaderTimeout},
		"nothing at all": {func(*testing.T, net.Conn) func(int) error {
			return func(int) error { return nil }
		}, readHeaderTimeout},
		// There the header is a frame that does not end, during which a ping
		// cannot be answered.
		"HTTP/2": {func(t *testing.T, conn net.Conn) func(int) error {
			f := newFlooder(t, conn, listProcedure)
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.request}); err != nil {
				t.Fatal(err)
			}
			return func(i int) error { return f.WriteContinuation(1, false, f.request[:0]) }
		}, 2 * pingAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				n, err := newNode(inBubble(t), role{listener: l})
				if err != nil {
					t.Fatal(err)
				}
				go func() { _ = n.serve() }()
				defer func() { _ = n.server.Close() }()
				conn, far := net.Pipe()
				l.conns <- far
				closed := make(chan time.Duration, 1)
				began := time.Now()
				go func() {
					_, _ = io.Copy(io.Discard, conn)
					closed <- time.Since(began)
				}()
				drip := c.begin(t, conn)
				for i := 0; ; i++ {
					select {
					case after := <-closed:
						if after > c.after {
							t.Errorf("it ended after %v, want %v", after, c.after)
						}
						return
					case <-time.After(time.Second):
						if time.Since(began) > 10*c.after {
							t.Fatal("it does not end")
						}
						_ = drip(i) // it fails once the connection has ended
					}
				}
			})
		})
	}
}

// inBubble is a configuration that opens nothing of the network.
func inBubble(t *testing.T) Config {
	cfg, err := Config{
		Name: "n1", DataDir: t.TempDir(), APIAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:0", GossipAddr: "127.0.0.1:0", Logger: testLogger(t),
	}.Validate()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// pipes is a listener whose connections exist in memory only, so that their
// deadlines run in the time of a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
