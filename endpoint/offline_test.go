package endpoint

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

// TestNoNetwork tells a missing network from a server that does not answer, and
// from one family of addresses that has no route.
func TestNoNetwork(t *testing.T) {
	v4, v6 := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:4860:4860::8888")
	for name, tc := range map[string]struct {
		errs map[netip.Addr]syscall.Errno
		want transfer.Code
	}{
		"no route":             {map[netip.Addr]syscall.Errno{v4: syscall.ENETUNREACH}, transfer.CodeOffline},
		"network down":         {map[netip.Addr]syscall.Errno{v4: syscall.ENETDOWN}, transfer.CodeOffline},
		"no route to the host": {map[netip.Addr]syscall.Errno{v4: syscall.EHOSTUNREACH}, transfer.CodeOffline},
		"refused":              {map[netip.Addr]syscall.Errno{v4: syscall.ECONNREFUSED}, transfer.CodeConnect},
		"no IPv6, refused":     {map[netip.Addr]syscall.Errno{v6: syscall.ENETUNREACH, v4: syscall.ECONNREFUSED}, transfer.CodeConnect},
		"refused, no IPv6":     {map[netip.Addr]syscall.Errno{v4: syscall.ECONNREFUSED, v6: syscall.ENETUNREACH}, transfer.CodeConnect},
		"neither":              {map[netip.Addr]syscall.Errno{v6: syscall.ENETUNREACH, v4: syscall.ENETUNREACH}, transfer.CodeOffline},
	} {
		o := endpointtest.New(t, endpointtest.Options{Size: 10})
		c := newClient(t, o, func(c *Config) {
			c.Policy = ServerPolicy(nil, nil)
			c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				var out []netip.Addr
				for _, a := range []netip.Addr{v6, v4} {
					if _, ok := tc.errs[a]; ok {
						out = append(out, a)
					}
				}
				return out, nil
			}
			c.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
				errno := tc.errs[netip.MustParseAddrPort(address).Addr()]
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", errno)}
			}
		})
		if _, _, err := fetch(t, c, first("http://name.example/f")); code(err) != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
