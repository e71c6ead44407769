package mesh

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// Limits that are not configured.
const (
	// maxWord bounds kinds, names and incarnations, in bytes.
	maxWord = 1 << 10
	// maxAddr bounds host:port: a name of DNS, in brackets or not, and a port.
	maxAddr = 262
	// maxErrorText bounds the text of a handler's error; the rest is cut off.
	maxErrorText = 4 << 10
	// maxBatch is about how much goes in one message of the connection. Only a
	// body that is larger makes a larger one.
	maxBatch = 4 << 20
	// maxReceive ends a connection on which a larger message comes.
	maxReceive = 64 << 20
	// batchCount is how many requests and answers the library puts in a message.
	batchCount = 256
	// maxQueued is how many bytes may wait for a connection: a node that is paused
	// takes nothing until it is found out.
	maxQueued = 128 << 20
	// maxStreams is how many a connection may have; the library uses one.
	maxStreams = 4
	// queueSize is how many messages may wait before the queue takes more memory.
	queueSize = 4096
)

// Values of a Config's limits that are zero.
const (
	defaultMaxBody     = 16 << 20
	defaultMaxHandlers = 1024
	defaultTimeout     = 5 * time.Second
	defaultDialTimeout = 2 * time.Second
	defaultClockSkew   = 5 * time.Second
)

// Handler answers a request of another node. It runs in a goroutine of its own
// and may wait; ctx ends at the request's deadline, and when the mesh is closed.
// What it returns is not to be changed any more.
type Handler func(ctx context.Context, req Request) ([]byte, error)

// Request is what another node asks.
type Request struct {
	// From is who asks, by its own account, and FromIncarnation in which life.
	From, FromIncarnation string
	Kind                  string
	// TopologyVersion is of the topology by which the other node chose this one.
	TopologyVersion uint64
	Body            []byte
}

// Config says who a node is to others, and how it is reached.
type Config struct {
	// Name is stable, Incarnation is one life; see SetIncarnation.
	Name, Incarnation string
	// BindAddr is host:port to listen on; port 0 chooses one. AdvertiseAddr is
	// how others reach it, with the same port where its own is 0. It may be empty
	// unless BindAddr is a wildcard.
	BindAddr, AdvertiseAddr string
	// TLS is for both sides: certificates of this node, and RootCAs for those of
	// others. TLS 1.3 and client certificates are required whatever it says. Nil
	// means plaintext, where anybody who reaches the port is a peer.
	TLS     *tls.Config
	Handler Handler
	// Logger gets warnings and errors. Nil logs nothing.
	Logger *slog.Logger

	// MaxBody bounds bodies of requests and answers in bytes: 16 MiB if 0, which
	// is the most.
	MaxBody int
	// MaxHandlers bounds the requests being carried out: 1024 if 0.
	MaxHandlers int
	// Timeout is for calls whose context has no deadline: 5 s if 0.
	Timeout time.Duration
	// DialTimeout bounds connecting, in both directions: 2 s if 0.
	DialTimeout time.Duration
	// ClockSkew is how late a request may be by this node's clock: 5 s if 0. It
	// is what clocks may disagree by, and how long after its deadline a request
	// that was held up may still be begun.
	ClockSkew time.Duration

	// receive is maxReceive, or less in tests.
	receive int
}

func (c Config) withDefaults() (Config, error) {
	c.MaxBody = cmp.Or(c.MaxBody, defaultMaxBody)
	c.MaxHandlers = cmp.Or(c.MaxHandlers, defaultMaxHandlers)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.DialTimeout = cmp.Or(c.DialTimeout, defaultDialTimeout)
	c.ClockSkew = cmp.Or(c.ClockSkew, defaultClockSkew)
	c.receive = cmp.Or(c.receive, maxReceive)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Name == "":
		return c, errors.New("start mesh: no name")
	case c.Handler == nil:
		return c, errors.New("start mesh: no handler")
	case c.MaxBody < 0 || c.MaxBody > defaultMaxBody:
		return c, fmt.Errorf("start mesh: bodies of %d bytes", c.MaxBody)
	case c.MaxHandlers < 0 || c.Timeout < 0 || c.DialTimeout < 0 || c.ClockSkew < 0:
		return c, errors.New("start mesh: a negative limit")
	}
	return c, nil
}

// listen returns the listener, and the address by which others reach it.
func listen(cfg Config) (net.Listener, string, error) {
	listener, err := net.Listen("tcp", cfg.BindAddr)
	if err != nil {
		return nil, "", fmt.Errorf("start mesh: %w", err)
	}
	addr, err := advertised(cfg.AdvertiseAddr, listener.Addr().(*net.TCPAddr))
	if err != nil {
		listener.Close()
		return nil, "", fmt.Errorf("start mesh: %w", err)
	}
	return listener, addr, nil
}

// advertised is the configured address with what it leaves open.
func advertised(configured string, bound *net.TCPAddr) (string, error) {
	if configured == "" {
		if bound.IP.IsUnspecified() {
			return "", fmt.Errorf("%s says nothing of how others reach it: an address to advertise is needed", bound)
		}
		return bound.String(), nil
	}
	host, port, err := net.SplitHostPort(configured)
	if err != nil {
		return "", fmt.Errorf("address to advertise: %w", err)
	}
	if port == "0" {
		configured = net.JoinHostPort(host, strconv.Itoa(bound.Port))
	}
	return configured, checkAddr(configured)
}

// checkAddr tells whether something can be sent to host:port.
func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || len(addr) > maxAddr {
		return fmt.Errorf("%q is not host:port", addr)
	}
	return nil
}
