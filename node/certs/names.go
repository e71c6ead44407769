package certs

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
)

// ErrInvalid is wrapped by the errors for names and hosts that cannot be used.
var ErrInvalid = errors.New("not acceptable")

// maxHosts bounds the hosts of one certificate; maxHostName is the longest DNS
// name in bytes.
const (
	maxHosts    = 100
	maxHostName = 253
)

var (
	// nodeName is what a node may be called; it also names a folder.
	nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	// hostName is a DNS name, or all names one level below one. Underscores are in
	// no host name and yet in those of containers.
	hostName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)
	// numeric is what was meant to be an address and is none.
	numeric = regexp.MustCompile(`(^|\.)[0-9]+$`)
)

func checkName(name string) error {
	if !nodeName.MatchString(name) {
		return fmt.Errorf("the name %q is %w: use 1 to 63 letters, digits, dots, hyphens and underscores, beginning with a letter or digit", name, ErrInvalid)
	}
	return nil
}

func checkHosts(hosts []string) error {
	if len(hosts) > maxHosts {
		return fmt.Errorf("%d hosts are %w: a certificate has at most %d", len(hosts), ErrInvalid, maxHosts)
	}
	for _, host := range hosts {
		addr, err := netip.ParseAddr(host)
		isAddr := err == nil && addr.Zone() == ""
		isName := hostName.MatchString(host) && len(host) <= maxHostName && !numeric.MatchString(host)
		if !isAddr && !isName {
			return fmt.Errorf("the host %q is %w: use a DNS name or an address, without a port", host, ErrInvalid)
		}
	}
	return nil
}
