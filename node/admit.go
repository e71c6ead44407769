package node

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"godwit/endpoint"
	"godwit/transfer"
)

// admission refuses at once what would fail for sure later: sources at literal
// addresses that may not be connected to, and files outside the roots. Names
// are judged when they are dialled, links when files are opened.
type admission struct {
	policy endpoint.Policy
	// anyFile allows file:// anywhere; otherwise only below roots.
	anyFile bool
	roots   []string
}

// check takes a normalized spec.
func (a admission) check(spec transfer.Spec) *transfer.Error {
	for i, source := range append([]string{spec.Source}, spec.Mirrors...) {
		if e := a.checkSource(source); e != nil {
			if e.Field = "source.url"; i > 0 {
				e.Field = "mirrors.url"
			}
			return e
		}
	}
	if spec.Resolver.URL != "" {
		if e := a.checkSource(spec.Resolver.URL); e != nil {
			e.Field = "resolver.url"
			return e
		}
	}
	if e := a.checkFile(spec.BodySource, "bodySource", "reads"); e != nil {
		return e
	}
	return a.checkFile(spec.Destination, "destination.url", "writes")
}

// checkFile judges the place of a file; what is no file is judged by its store.
func (a admission) checkFile(place, field, does string) *transfer.Error {
	path, isFile := strings.CutPrefix(place, "file://")
	if !isFile || a.anyFile || a.below(path) {
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodePathDenied, Op: "create transfer", Field: field,
		Message: "this node " + does + " files below its file roots only",
	}
}

// checkWebhook refuses a receiver that is never delivered to.
func (a admission) checkWebhook(url string) *transfer.Error {
	err := a.policy.CheckWebhook(url)
	if err == nil {
		return nil
	}
	var e *transfer.Error
	if !errors.As(err, &e) {
		e = transfer.Errorf(transfer.CodeEgress, "this node delivers nothing to that address")
	}
	named := *e
	named.Field = "webhook.url"
	return &named
}

func (a admission) below(path string) bool {
	for _, root := range a.roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) && rel != "." {
			return true
		}
	}
	return false
}

// checkSource judges a URL whose host is an address.
func (a admission) checkSource(source string) *transfer.Error {
	u, err := url.Parse(source)
	if err != nil {
		// Normalize has accepted it; the request will tell.
		return nil
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil
	}
	port := map[string]uint16{"http": 80, "https": 443}[u.Scheme]
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = uint16(n)
	}
	if a.policy.CheckAddr(netip.AddrPortFrom(addr, port)) == nil {
		return nil
	}
	return &transfer.Error{
		Code: transfer.CodeEgress, Op: "create transfer", Subject: u.Host,
		Message: "this node does not connect to that address",
	}
}
