package endpoint

import (
	"net/netip"
	"strings"
)

// addressClass says what is special about an address; "" means that it is an
// ordinary public one.
type addressClass string

const (
	classPublic      addressClass = ""
	classUnspecified addressClass = "an unspecified"
	classLoopback    addressClass = "a loopback"
	classPrivate     addressClass = "a private"
	classLinkLocal   addressClass = "a link-local"
	classMulticast   addressClass = "a multicast"
	classReserved    addressClass = "a reserved"
	classMetadata    addressClass = "a cloud metadata"
	classOwn         addressClass = "one of this service's own"
)

// classified is a block of the special-purpose registries.
type classified struct {
	prefix netip.Prefix
	class  addressClass
}

// specialBlocks are those of the IANA special-purpose address registries (RFC
// 6890 and its updates) and of the providers' metadata services. The first match
// counts.
var specialBlocks = blocks(`
169.254.169.254/32 metadata   AWS, Google, Azure, and most others
169.254.170.2/32   metadata   AWS container credentials
169.254.170.23/32  metadata   AWS pod identity
fd00:ec2::254/128  metadata   AWS over IPv6
fd00:ec2::23/128   metadata   AWS pod identity over IPv6
fd20:ce::254/128   metadata   Google over IPv6
100.100.100.200/32 metadata   Alibaba
168.63.129.16/32   metadata   Azure's platform address
192.0.0.192/32     metadata   Oracle
0.0.0.0/32         unspecified
0.0.0.0/8          reserved
10.0.0.0/8         private
100.64.0.0/10      private    shared by carriers, RFC 6598
127.0.0.0/8        loopback
169.254.0.0/16     linklocal
172.16.0.0/12      private
192.0.0.0/24       reserved
192.0.2.0/24       reserved
192.88.99.0/24     reserved
192.168.0.0/16     private
198.18.0.0/15      private    benchmarks, used by overlays
198.51.100.0/24    reserved
203.0.113.0/24     reserved
224.0.0.0/4        multicast
240.0.0.0/4        reserved   broadcast included
::/128             unspecified
::1/128            loopback
fc00::/7           private
fe80::/10          linklocal
fec0::/10          private    deprecated site-local
ff00::/8           multicast
2001::/23          reserved   Teredo and other protocols
2001:db8::/32      reserved
3fff::/20          reserved
5f00::/16          reserved
`)

func blocks(table string) []classified {
	classes := map[string]addressClass{
		"unspecified": classUnspecified, "loopback": classLoopback, "private": classPrivate,
		"linklocal": classLinkLocal, "multicast": classMulticast, "reserved": classReserved, "metadata": classMetadata,
	}
	var all []classified
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) >= 2 {
			all = append(all, classified{netip.MustParsePrefix(f[0]), classes[f[1]]})
		}
	}
	return all
}

// classify says what is special about a. It judges the IPv4 address inside of an
// IPv6 one, see effective.
func classify(a netip.Addr) addressClass {
	a = effective(a)
	for _, b := range specialBlocks {
		if b.prefix.Contains(a) {
			return b.class
		}
	}
	// Only 2000::/3 is assigned; 64:ff9b::/96 was replaced by what it embeds.
	if a.Is6() && a.As16()[0]>>5 != 1 {
		return classReserved
	}
	return classPublic
}

// effective is the address that is reached in the end: without a zone, and for
// the forms that embed an IPv4 address (mapped, compatible, NAT64, 6to4) that
// one.
func effective(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if a.Is4() {
		return a
	}
	b := a.As16()
	v4 := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at : at+4])) }
	zero := func(from, to int) bool { return strings.Trim(string(b[from:to]), "\x00") == "" }
	switch {
	case zero(0, 12) && !zero(12, 15): // ::a.b.c.d, but neither :: nor ::1
		return v4(12)
	case b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b && zero(4, 12):
		return v4(12)
	case b[0] == 0x20 && b[1] == 0x02:
		return v4(2)
	}
	return a
}
