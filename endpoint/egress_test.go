package endpoint

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"godwit/endpoint/endpointtest"
	"godwit/transfer"
)

func prefixes(all ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range all {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestServerPolicyDeniesWhatIsNotPublic(t *testing.T) {
	p := ServerPolicy(nil, nil)
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "[::1]", "0.0.0.0", "[::]", "127.1", "127.255.255.254", // B16
		"169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192", "metadata.google.internal.", // B17
		"2130706433", "0x7f.1", "0177.0.0.1", "017700000001", "0x7f000001", "127.0.1", "１２７.0.0.1", // B18
		"[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::ffff:a9fe:a9fe]", "[64:ff9b::10.0.0.1]", // B19
		"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fc00::1]", "[fdff::1]", "100.64.0.1", "198.18.0.1", // B20
		"224.0.0.1", "[ff02::1]", "240.0.0.1", "255.255.255.255", "[fe80::1]", "[fec0::1]", "[2001:db8::1]", "[2001::1]",
		"[64:ff9b:1::1]", "[100::1]", "[4000::1]", "192.0.2.1",
	} {
		if err := p.CheckURL("http://" + host + "/x?secret"); code(err) != transfer.CodeEgress {
			t.Errorf("%s: %v", host, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	for _, host := range []string{
		"example.com", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "[2606:4700::1111]",
		"[64:ff9b::808:808]", "[2002:808:808::]", "[::ffff:8.8.8.8]", "localhost.example", "8.8.8.8:8080", "example.com:65535",
	} {
		if err := p.CheckURL("https://" + host + "/"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, raw := range []string{"", "http://", "http://[::1", "http://h:99999/", "http://[fe80::1%25eth0]/"} {
		if err := p.CheckURL(raw); code(err) == "" {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestServerPolicyDeniesPorts(t *testing.T) {
	for _, port := range []string{"22", "25", "6379", "2379", "7946", "11211"} { // B31
		p := ServerPolicy(nil, nil)
		if err := p.CheckURL("http://example.com:" + port); code(err) != transfer.CodeEgress {
			t.Errorf("name, %s: %v", port, err)
		}
		if err := p.CheckURL("http://8.8.8.8:" + port); code(err) != transfer.CodeEgress {
			t.Errorf("address, %s: %v", port, err)
		}
		if err := ServerPolicy(prefixes("8.8.8.0/24"), nil).CheckURL("http://8.8.8.8:" + port); err != nil {
			t.Errorf("allowed, %s: %v", port, err)
		}
	}
}

func TestAllowOpensWhatItNames(t *testing.T) {
	for _, tc := range []struct {
		allow, host string
		open        bool
	}{
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.0.0/8", "[::ffff:127.0.0.1]", true},
		{"::ffff:127.0.0.0/104", "127.0.0.1", true},
		{"127.0.0.0/8", "localhost", true},
		{"127.0.0.0/8", "10.0.0.1", false},
		{"127.0.0.0/8", "[::1]", false},
		{"::1/128", "[::1]", true},
		{"fd00::/8", "[fd12::1]", true},
		{"fd00::/8", "[fd00:ec2::254]", false},
		{"fd00:ec2::254/128", "[fd00:ec2::254]", true},
		{"0.0.0.0/0", "169.254.169.254", false},
		{"169.254.0.0/16", "169.254.169.254", false},
		{"169.254.0.0/16", "169.254.1.1", true},
		{"169.254.169.254/32", "169.254.169.254", true},
		{"169.254.169.254/32", "metadata.google.internal", true},
		{"169.254.169.254/32", "100.100.100.200", false},
		{"10.0.0.0/8", "[64:ff9b::10.0.0.1]", true},
	} {
		err := ServerPolicy(prefixes(tc.allow), nil).CheckURL("http://" + tc.host)
		if (err == nil) != tc.open {
			t.Errorf("%s under %s: %v", tc.host, tc.allow, err)
		}
	}
}

func TestOwnListenersAreNeverReached(t *testing.T) {
	self := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:7480"), netip.MustParseAddrPort("[::]:7481"), netip.MustParseAddrPort("9.9.9.9:7482")}
	p := ServerPolicy(prefixes("0.0.0.0/0", "::/0"), self)
	for host, open := range map[string]bool{
		"127.0.0.1:7480": false, "[::ffff:127.0.0.1]:7480": false, "127.0.0.1:7481": false, "[::1]:7481": false,
		"9.9.9.9:7482": false, "127.0.0.1:80": true, "9.9.9.9:7481": true, "127.0.0.2:7480": true,
	} {
		if err := p.CheckURL("http://" + host); (err == nil) != open {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestForegroundDeniesNothing(t *testing.T) {
	for _, u := range []string{"http://127.0.0.1:22", "http://169.254.169.254", "http://[::1]"} {
		if err := ForegroundPolicy().CheckURL(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// Whatever form an address takes, it is judged as the IPv4 address in it.
func FuzzPolicy(f *testing.F) {
	f.Add(uint32(0x7f000001), uint16(80))
	f.Add(uint32(0xa9fea9fe), uint16(80))
	f.Add(uint32(0x08080808), uint16(22))
	f.Fuzz(func(t *testing.T, v4 uint32, port uint16) {
		b := [4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}
		a := netip.AddrFrom4(b)
		p := ServerPolicy(nil, nil)
		open := p.CheckAddr(netip.AddrPortFrom(a, port)) == nil
		if open && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()) {
			t.Fatalf("%v is open", a)
		}
		mapped := netip.AddrFrom16(a.As16())
		nat64 := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]})
		sixToFour := netip.AddrFrom16([16]byte{0x20, 2, b[0], b[1], b[2], b[3], 15: 1})
		for _, form := range []netip.Addr{mapped, nat64, sixToFour, mapped.WithZone("eth0")} {
			if got := p.CheckAddr(netip.AddrPortFrom(form, port)) == nil; got != open {
				t.Fatalf("%v open=%v, %v open=%v", a, open, form, got)
			}
		}
	})
}

func FuzzClassifyIPv6(f *testing.F) {
	f.Add([]byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) != 16 {
			return
		}
		a := netip.AddrFrom16([16]byte(raw))
		if classify(a) == classPublic && (effective(a).IsPrivate() || !effective(a).IsGlobalUnicast()) {
			t.Fatalf("%v is public", a)
		}
	})
}

func TestNamesAreJudgedWhenDialled(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	port := o.Addr()[strings.LastIndexByte(o.Addr(), ':'):]
	loopback, public := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("8.8.8.8")
	for name, tc := range map[string]struct {
		addrs []netip.Addr
		allow []netip.Prefix
		err   error
		want  transfer.Code
	}{
		"private":      {addrs: []netip.Addr{loopback}, want: transfer.CodeEgress},                                          // B21
		"mixed":        {addrs: []netip.Addr{public, loopback}, want: transfer.CodeEgress},                                  // B22
		"allowed":      {addrs: []netip.Addr{loopback}, allow: prefixes("127.0.0.1/32")},                                    //
		"none":         {want: transfer.CodeDNS},                                                                            // B33
		"not found":    {err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, want: transfer.CodeDNS},      //
		"server fails": {err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}, want: transfer.CodeDNSTemporary}, //
		"time-out":     {err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}, want: transfer.CodeDNSTemporary},          //
		"too late":     {err: context.DeadlineExceeded, want: transfer.CodeDNSTemporary},                                    //
		"many, mixed":  {addrs: append(make([]netip.Addr, 4000), loopback), want: transfer.CodeEgress},                      // B33
		"no route":     {err: &net.DNSError{Err: "dial udp 9.9.9.9:53: connect: network is unreachable"}, want: transfer.CodeOffline},
		"no network":   {err: &net.DNSError{Err: "dial udp 9.9.9.9:53: connect: network is down"}, want: transfer.CodeOffline},
		"other error":  {err: &net.DNSError{Err: "odd"}, want: transfer.CodeDNSTemporary}, //
	} {
		c := newClient(t, o, func(c *Config) {
			c.Policy = ServerPolicy(tc.allow, nil)
			c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				for i, a := range tc.addrs {
					if !a.IsValid() {
						tc.addrs[i] = public
					}
				}
				return tc.addrs, tc.err
			}
		})
		_, _, err := fetch(t, c, first("http://name.example"+port+"/f?secret"))
		if code(err) != tc.want {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if n := len(o.Requests()); n != 1 {
		t.Errorf("%d requests arrived", n)
	}
}

// B23: what a name meant when it was submitted does not matter.
func TestRebindingIsDeniedAtTheDial(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	port := o.Addr()[strings.LastIndexByte(o.Addr(), ':'):]
	answers := []string{"8.8.8.8", "127.0.0.1"}
	var lookups atomic.Int32
	dialled := make(chan string, 2)
	c := newClient(t, o, func(c *Config) {
		c.Policy = ServerPolicy(nil, nil)
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(answers[lookups.Add(1)-1])}, nil
		}
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled <- address
			return (&net.Dialer{}).DialContext(ctx, network, o.Addr())
		}
	})
	open := func() error {
		r, err := c.Open(t.Context(), first("http://name.example"+port+"/f"))
		if err == nil {
			_ = r.Body.Close()
		}
		c.Close() // the next request has to dial
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if err := open(); code(err) != transfer.CodeEgress {
		t.Error(err)
	}
	if n := len(dialled); n != 1 || <-dialled != "8.8.8.8"+port {
		t.Errorf("%d dials", n)
	}
}

// The socket itself is checked as well, not only what a name resolved to.
func TestTheSocketsAddressIsChecked(t *testing.T) {
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	d := &dialer{config: Config{Policy: ServerPolicy(nil, nil)}.withDefaults()}
	if _, err := d.connect(t.Context(), "tcp", netip.MustParseAddrPort(o.Addr())); code(err) != transfer.CodeEgress {
		t.Error(err)
	}
	if n, _ := o.Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestEnvironmentIsNotConsulted(t *testing.T) { // B30, B42
	o := endpointtest.New(t, endpointtest.Options{Size: 10})
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	c := newClient(t, o, func(c *Config) {
		c.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	port := o.Addr()[strings.LastIndexByte(o.Addr(), ':'):]
	if _, _, err := fetch(t, c, first("http://name.example"+port+"/f")); err != nil {
		t.Error(err)
	}
}

func TestProxyIsUsedAndJudged(t *testing.T) {
	// To a proxy the request's URL is absolute; this origin does not mind.
	proxy := endpointtest.New(t, endpointtest.Options{Size: 10})
	u, err := url.Parse(proxy.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		policy Policy
		target string
		want   transfer.Code
	}{
		"used":           {ServerPolicy(prefixes("127.0.0.1/32"), nil), "http://name.example/f", ""},
		"denied":         {ServerPolicy(nil, nil), "http://name.example/f", transfer.CodeEgress},
		"literal target": {ServerPolicy(prefixes("127.0.0.1/32"), nil), "http://10.0.0.1/f", transfer.CodeEgress},
		"tunnel":         {ForegroundPolicy(), "https://name.example/f", transfer.CodeConnect},
	} {
		proxy.Set(func(b *endpointtest.Behavior) { b.Status, b.StatusTimes = 407, map[bool]int{true: 1}[name == "tunnel"] })
		c := newClient(t, nil, func(c *Config) { c.Policy, c.Proxy = tc.policy, u })
		if _, _, err := fetch(t, c, first(tc.target)); code(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Behind a proxy nothing but the redirect loop sees where a redirect leads.
	proxy.Redirect("/r", 302, "http://169.254.169.254/latest")
	c := newClient(t, nil, func(c *Config) { c.Policy, c.Proxy = ServerPolicy(prefixes("127.0.0.1/32"), nil), u })
	if _, _, err := fetch(t, c, first("http://name.example/r")); code(err) != transfer.CodeEgress {
		t.Errorf("redirect behind a proxy: %v", err)
	}
	for _, bad := range []string{"ftp://h", "http://", "h:80"} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Proxy: u}); code(err) == "" {
			t.Errorf("%s is taken for a proxy: %v", bad, err)
		}
	}
}
