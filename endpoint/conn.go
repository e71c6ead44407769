package endpoint

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// endConn remembers that reading from a connection failed or came to its end.
// The parsers of net/http report a message that was cut short as malformed; only
// the connection knows the difference.
type endConn struct {
	net.Conn
	ended atomic.Bool
}

// Read implements io.Reader.
func (c *endConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}

// hasEnded tells whether c, or what lies under its TLS, is an endConn that ended.
func hasEnded(c net.Conn) bool {
	for {
		switch x := c.(type) {
		case *endConn:
			return x.ended.Load()
		case *tls.Conn:
			c = x.NetConn()
		default:
			return false
		}
	}
}
