package clustertest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/memberlist"
)

// Transport is gossip's place on the network.
type Transport struct {
	network *Network
	addr    netip.AddrPort
	port    *port
	packets chan *memberlist.Packet
	dial    func(context.Context, string) (net.Conn, error)
	// ctx ends with Shutdown, and with it what is being dialled and was.
	ctx  context.Context
	stop context.CancelFunc
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// Transport listens for packets and connections at ip:port. It fails when the
// address is taken.
func (n *Network) Transport(addr string) (*Transport, error) {
	parsed, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	t := &Transport{
		network: n, addr: parsed, dial: n.Dialer(parsed.Addr().String()),
		packets: make(chan *memberlist.Packet, backlog),
	}
	if t.port, err = n.open(addr, t.receive); err != nil {
		return nil, err
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t, nil
}

// receive takes a packet in; where too many wait it is lost.
func (t *Transport) receive(from string, body []byte) {
	select {
	case t.packets <- &memberlist.Packet{Buf: body, From: address{"udp", from}, Timestamp: time.Now()}:
	default:
	}
}

// FinalAdvertiseAddr implements memberlist.Transport: it is where the transport
// listens, whatever is configured.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.addr.Addr().AsSlice(), int(t.addr.Port()), nil
}

// WriteTo implements memberlist.Transport.
func (t *Transport) WriteTo(body []byte, addr string) (time.Time, error) {
	if t.ctx.Err() != nil {
		return time.Time{}, net.ErrClosed
	}
	t.network.send(t.addr.String(), addr, body)
	return time.Now(), nil
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *Transport) WriteToAddress(body []byte, addr memberlist.Address) (time.Time, error) {
	return t.WriteTo(body, addr.Addr)
}

// PacketCh implements memberlist.Transport.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout implements memberlist.Transport.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, stop := context.WithTimeout(t.ctx, timeout)
	defer stop()
	c, err := t.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &dialled{Conn: c, forget: context.AfterFunc(t.ctx, func() { c.Close() })}, nil
}

// dialled is a connection that ends with the transport.
type dialled struct {
	net.Conn
	forget func() bool
}

// Close implements net.Conn.
func (d *dialled) Close() error {
	d.forget()
	return d.Conn.Close()
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *Transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}

// StreamCh implements memberlist.Transport.
func (t *Transport) StreamCh() <-chan net.Conn { return t.port.incoming }

// Shutdown implements memberlist.Transport.
func (t *Transport) Shutdown() error {
	t.stop()
	t.network.shut(t.addr.String(), t.port)
	return nil
}

// listener implements net.Listener.
type listener struct {
	network *Network
	addr    string
	port    *port
}

// Listen accepts connections at ip:port. It fails when the address is taken.
func (n *Network) Listen(addr string) (net.Listener, error) {
	p, err := n.open(addr, nil)
	if err != nil {
		return nil, err
	}
	return &listener{network: n, addr: addr, port: p}, nil
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.port.incoming:
		return c, nil
	case <-l.port.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.network.shut(l.addr, l.port)
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return address{"tcp", l.addr} }
