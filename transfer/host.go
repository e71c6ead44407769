package transfer

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Lengths of names in bytes (RFC 1035, section 2.3.4).
const (
	maxHost  = 253
	maxLabel = 63
)

// normalizeAuthority returns host, or host:port when the port is not the
// scheme's own.
func normalizeAuthority(scheme, authority, field string) (string, *Error) {
	host, port, ok := splitPort(authority)
	if !ok {
		return "", invalid(CodeURLHost, field, "the URL's host and port cannot be told apart")
	}
	host, err := normalizeHost(host, field)
	if err != nil {
		return "", err
	}
	if port == "" {
		return host, nil
	}
	n, ok := portNumber(port)
	if !ok {
		return "", invalid(CodeURLHost, field, "the URL's port is not a number from 1 to 65535")
	}
	if scheme == "http" && n == 80 || scheme == "https" && n == 443 {
		return host, nil
	}
	return host + ":" + strconv.Itoa(n), nil
}

// splitPort splits at the colon after the host; brackets stay with the host.
func splitPort(authority string) (host, port string, ok bool) {
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", "", false
		}
		host, rest := authority[:end+1], authority[end+1:]
		return host, strings.TrimPrefix(rest, ":"), rest == "" || rest[0] == ':'
	}
	host, port, _ = strings.Cut(authority, ":")
	return host, port, true
}

func portNumber(s string) (int, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && n > 0
}

// normalizeHost returns the one form of a name or an address that everything
// else, the check of where connections may go included, works on.
func normalizeHost(host, field string) (string, *Error) {
	bad := func(why string) (string, *Error) {
		return "", invalid(CodeURLHost, field, "the URL's host %s", why)
	}
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return bad("is not an IPv6 address")
		}
		return "[" + addr.String() + "]", nil
	}
	if strings.Contains(host, "%") {
		return bad("is percent-encoded")
	}
	host, ok := mapName(host)
	if !ok {
		return bad("is not a valid name")
	}
	if !endsInNumber(host) {
		return host, nil
	}
	addr, ok := parseIPv4(host)
	if !ok {
		return bad("looks like an IPv4 address and is none")
	}
	return addr.String(), nil
}

// mapName maps a name to lower-case ASCII without the root's dot. Full-width
// and other compatible forms become what they look like (UTS 46), so that they
// cannot hide an address.
func mapName(host string) (string, bool) {
	if !isASCII(host) || strings.Contains(strings.ToLower(host), "xn--") {
		mapped, err := lookupProfile().ToASCII(host)
		if err != nil {
			return "", false
		}
		host = mapped
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || len(host) > maxHost {
		return "", false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return "", false
		}
	}
	return host, true
}

// lookupProfile is idna.Lookup, but strict: nothing is let through that DNS
// would not find.
func lookupProfile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.CheckJoiners(true), idna.StrictDomainName(true))
}

// validLabel takes underscores, which RFC 1123 does not and private names have.
func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// endsInNumber tells whether resolvers may take a name for an IPv4 address
// (WHATWG URL, "ends in a number checker").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, ok := ipv4Number(last)
	return ok
}

// parseIPv4 reads all the ways in which C libraries write IPv4 addresses: one
// to four numbers, decimal, octal or hexadecimal, the last one filling the
// rest (WHATWG URL, "IPv4 parser"). One resolver takes 0177.1 for 127.0.0.1
// and another asks DNS for it: after this there is only one meaning.
func parseIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, ok := ipv4Number(part)
		width := 1
		if i == len(parts)-1 {
			width = 5 - len(parts)
		}
		if !ok || n >= 1<<(8*width) {
			return netip.Addr{}, false
		}
		sum = sum<<(8*width) | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

// ipv4Number reads one number. One that is too large is a number all the same.
func ipv4Number(s string) (uint64, bool) {
	base := 10
	switch {
	case len(s) >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'):
		s, base = s[2:], 16
	case len(s) >= 2 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		// "0x" alone is zero.
		return 0, base == 16
	}
	if strings.ContainsAny(s, "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}
