package endpoint

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"godwit/transfer"
)

// dialer connects to hosts under a policy. It resolves names itself, so that a
// name is judged by all of its addresses.
type dialer struct{ config Config }

// dial connects to host:port. It has the signature of a transport's hook.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, transfer.Errorf(transfer.CodeURLHost, "the host and port cannot be told apart")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, transfer.Errorf(transfer.CodeURLHost, "the URL's port is no port")
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	targets := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		targets[i] = netip.AddrPortFrom(a, uint16(n))
		// One denied address denies the name: which one is used would be up to
		// whoever answers for it.
		if err := d.config.Policy.CheckAddr(targets[i]); err != nil {
			return nil, err
		}
	}
	return d.race(ctx, network, alternate(targets[:min(len(targets), maxAddresses)]))
}

func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	addrs, err := d.config.Lookup(ctx, host)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return nil, err
	case err != nil:
		return nil, &net.DNSError{Err: "lookup failed", Name: host, IsTemporary: true}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

// alternate orders addresses so that families take turns, beginning with that
// of the first (RFC 8305, section 4).
func alternate(all []netip.AddrPort) []netip.AddrPort {
	var first, second []netip.AddrPort
	for _, a := range all {
		if a.Addr().Unmap().Is4() == all[0].Addr().Unmap().Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	ordered := make([]netip.AddrPort, 0, len(all))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			ordered = append(ordered, first[i])
		}
		if i < len(second) {
			ordered = append(ordered, second[i])
		}
	}
	return ordered
}

// connect opens one connection. The policy is asked once more, about the address
// that the socket is really given.
func (d *dialer) connect(ctx context.Context, network string, target netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	conn, err := d.open(ctx, network, target.String())
	if err != nil {
		return nil, err
	}
	return newEndConn(conn, d.config.StallTimeout), nil
}

func (d *dialer) open(ctx context.Context, network, address string) (net.Conn, error) {
	if d.config.Dial != nil {
		return d.config.Dial(ctx, network, address)
	}
	nd := net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return transfer.Errorf(transfer.CodeEgress, "the address cannot be judged")
		}
		return d.config.Policy.CheckAddr(a)
	}}
	return nd.DialContext(ctx, network, address)
}
