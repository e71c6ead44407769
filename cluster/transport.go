package cluster

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// netTransport is memberlist's own, UDP and TCP on one port, except that what
// it dials ends with it: memberlist would go on for seconds after a shutdown.
type netTransport struct {
	*memberlist.NetTransport
	ctx  context.Context
	stop context.CancelFunc
}

// bindAttempts is how often a free port is looked for that both UDP and TCP
// have.
const bindAttempts = 10

// newNetTransport listens on ip:port; with port 0 it takes a free one.
func newNetTransport(ip string, port int, logger *log.Logger) (*netTransport, error) {
	attempts := 1
	if port == 0 {
		attempts = bindAttempts
	}
	var err error
	for range attempts {
		var base *memberlist.NetTransport
		base, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{ip}, BindPort: port, Logger: logger,
		})
		if err == nil {
			ctx, stop := context.WithCancel(context.Background())
			return &netTransport{NetTransport: base, ctx: ctx, stop: stop}, nil
		}
	}
	return nil, fmt.Errorf("listen for gossip: %w", err)
}

// DialTimeout implements memberlist.Transport.
func (t *netTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *netTransport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(t.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	return &endingConn{Conn: conn, forget: context.AfterFunc(t.ctx, func() { conn.Close() })}, nil
}

// Shutdown implements memberlist.Transport.
func (t *netTransport) Shutdown() error {
	t.stop()
	return t.NetTransport.Shutdown()
}

// endingConn closes with the transport that dialled it.
type endingConn struct {
	net.Conn
	forget func() bool
}

// Close closes the connection.
func (c *endingConn) Close() error {
	c.forget()
	return c.Conn.Close()
}
