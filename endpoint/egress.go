package endpoint

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"godwit/transfer"
)

// Policy says which addresses may be connected to. It is a value and never
// changes. The zero value is ServerPolicy(nil, nil).
type Policy struct {
	foreground bool
	// named denies what allow does not contain, public addresses too.
	named bool
	allow []netip.Prefix
	self  []netip.AddrPort
}

// ForegroundPolicy is for a person at a terminal, who may reach with us what
// they may reach without: it denies nothing.
func ForegroundPolicy() Policy { return Policy{foreground: true} }

// ServerPolicy is for a service that fetches what others name. It denies every
// address that is not public, the metadata services of clouds, the ports of
// services that are not HTTP, and self, the service's own listeners (one with an
// unspecified address stands for all addresses of the machine).
//
// What allow contains is open, on every port; a metadata address only if allow
// names exactly that address; self never.
func ServerPolicy(allow []netip.Prefix, self []netip.AddrPort) Policy {
	p := Policy{allow: slices.Clone(allow), self: slices.Clone(self)}
	for i, a := range p.allow {
		if a.Addr().Is4In6() && a.Bits() >= 96 {
			p.allow[i] = netip.PrefixFrom(a.Addr().Unmap(), a.Bits()-96)
		}
	}
	return p
}

// deniedPort tells whether a port is that of a service that takes commands as
// lines of text, which a request can forge, or that holds a cluster's secrets.
func deniedPort(port uint16) bool {
	switch port {
	case 0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, // the early services
		110, 111, 113, 119, 123, 135, 137, 139, 143, 161, 179, 389, 445, 465, // mail, files, directories
		512, 513, 514, 515, 587, 636, 873, 993, 995, 2049, 3389, 5900, 6000,
		2375, 2376, 2379, 2380, 4369, 6443, 7946, 10250, // cluster planes
		3306, 5432, 5672, 6379, 9042, 9200, 9300, 11211, 27017: // databases, caches, queues
		return true
	}
	return false
}

// CheckAddr denies a connection with an error of code egress.denied.
func (p Policy) CheckAddr(a netip.AddrPort) error {
	if p.foreground {
		return nil
	}
	addr := effective(a.Addr())
	if p.own(addr, a.Port()) {
		return denied(a.String(), classOwn)
	}
	class := classify(addr)
	if p.allowed(addr, class == classMetadata) {
		return nil
	}
	if p.named {
		return needsHTTPS(a.String())
	}
	if class != classPublic {
		return denied(a.String(), class)
	}
	if deniedPort(a.Port()) {
		return portDenied(a.String())
	}
	return nil
}

func (p Policy) allowed(a netip.Addr, exactly bool) bool {
	return slices.ContainsFunc(p.allow, func(x netip.Prefix) bool {
		return x.Contains(a) && (!exactly || x.IsSingleIP())
	})
}

func (p Policy) own(a netip.Addr, port uint16) bool {
	return slices.ContainsFunc(p.self, func(s netip.AddrPort) bool {
		return s.Port() == port && (effective(s.Addr()) == a || s.Addr().IsUnspecified() && local(a))
	})
}

// local tells that an address is one of this machine's.
func local(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true // what cannot be excluded is denied
	}
	return slices.ContainsFunc(all, func(x net.Addr) bool {
		n, ok := x.(*net.IPNet)
		if !ok {
			return false
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		return ok && ip.Unmap() == a
	})
}

// CheckURL refuses early what can be seen from an http or https URL alone: a
// literal address, however it is written, or a name that always means this
// machine or its metadata service. A URL that passes is checked again, resolved,
// at every dial. Its errors are *transfer.Error, those of
// [transfer.NormalizeURL] or egress.denied.
func (p Policy) CheckURL(raw string) error {
	u, e := parse(raw)
	if e != nil {
		return e
	}
	return p.check(u, false)
}

// onlyNamed returns a policy that denies all addresses but those that allow
// contains: for requests without protection that carry what is worth some. The
// policy of a person at a terminal stays as it is.
func (p Policy) onlyNamed() Policy {
	p.named = true
	return p
}

// CheckWebhook is CheckURL for the URL of a webhook, which must be https unless
// it may lie at an address that the operator has named.
func (p Policy) CheckWebhook(raw string) error {
	u, e := parse(raw)
	if e != nil {
		return e
	}
	if u.Scheme == "https" || p.foreground {
		return p.check(u, false)
	}
	if len(p.allow) == 0 {
		return &transfer.Error{
			Code: transfer.CodeURLScheme, Op: "check", Subject: u.Host,
			Message: "deliveries need https, unless the operator allows the receiver's address",
		}
	}
	return p.onlyNamed().check(u, false)
}

// check is CheckURL for a URL in canonical form. Behind a proxy there is no
// dial of ours that would judge again: what allow opens is addresses, and a name
// is none.
func (p Policy) check(u *url.URL, proxied bool) error {
	if p.foreground {
		return nil
	}
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return transfer.Errorf(transfer.CodeURLHost, "the URL's port is no port")
	}
	at := func(a netip.Addr) error { return p.CheckAddr(netip.AddrPortFrom(a, uint16(port))) }
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		return at(a)
	}
	switch {
	case p.named && proxied:
		// No address of ours will be judged.
		return needsHTTPS(u.Host)
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		return at(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	case host == "metadata.google.internal" || host == "instance-data.ec2.internal":
		return at(netip.AddrFrom4([4]byte{169, 254, 169, 254}))
	case deniedPort(uint16(port)) && (proxied || len(p.allow) == 0):
		return portDenied(u.Host)
	}
	return nil
}

// portOf is the port of an http or https URL.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

func denied(subject string, class addressClass) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeEgress, Op: "connect", Subject: subject,
		Message: "this is " + string(class) + " address; the operator may allow it",
	}
}

func needsHTTPS(subject string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeEgress, Op: "connect", Subject: subject,
		Message: "without https this needs an address that the operator allows",
	}
}

func portDenied(subject string) *transfer.Error {
	return &transfer.Error{
		Code: transfer.CodeEgress, Op: "connect", Subject: subject,
		Message: "this port is not one of a web server; the operator may allow the address",
	}
}
