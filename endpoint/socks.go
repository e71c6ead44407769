package endpoint

import (
	"context"
	"net"
	"net/url"

	"golang.org/x/net/proxy"

	"godwit/transfer"
)

// socksDialer connects through a SOCKS5 proxy (RFC 1928), which resolves names.
// The transport of net/http could do that too, but it would wait for a proxy
// without an end, and after the request was given up.
type socksDialer struct {
	*dialer
	// at is the proxy's host and port.
	at string
	// handshake asks the proxy, on an open connection, for one to an address.
	handshake func(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
}

func newSocksDialer(d *dialer, u *url.URL) (*socksDialer, error) {
	at := u.Host
	if u.Port() == "" {
		at = net.JoinHostPort(u.Hostname(), "1080")
	}
	var auth *proxy.Auth
	if u.User != nil {
		auth = &proxy.Auth{User: u.User.Username()}
		auth.Password, _ = u.User.Password()
	}
	made, err := proxy.SOCKS5("tcp", at, auth, nil)
	known, ok := made.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	})
	if err != nil || !ok {
		return nil, transfer.Errorf(transfer.CodeInternal, "there is no SOCKS here")
	}
	return &socksDialer{dialer: d, at: at, handshake: known.DialWithConn}, nil
}

// dial connects to the proxy, as the policy allows, and has it connect to
// host:port. It has the signature of a transport's hook.
func (s *socksDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dialer.dial(ctx, network, s.at)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.ConnectTimeout)
	defer cancel()
	if _, err := s.handshake(ctx, conn, network, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
