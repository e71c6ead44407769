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

// admission refuses at once what would fail for sure later: far sides at literal
// addresses that may not be connected to, and files outside the roots. Names are
// judged when they are dialled, links when files are opened.
type admission struct {
	policy endpoint.Policy
	// anyFile allows file:// anywhere; otherwise only below roots.
	anyFile bool
	roots   []string
	// spool is where the node writes sources itself: a URL that ends in a slash, ""
	// for nowhere.
	spool string
}

// check takes a normalized spec.
func (a admission) check(spec transfer.Spec) *transfer.Error {
	if spec.Resolver.URL != "" {
		if e := a.checkFar("resolver.url", spec.Resolver.URL); e != nil {
			return e
		}
	}
	if spec.Direction == transfer.Upload {
		return a.checkUpload(spec)
	}
	if e := a.checkFar("source.url", spec.Source); e != nil {
		return e
	}
	if e := a.checkFar("mirrors.url", spec.Mirrors...); e != nil {
		return e
	}
	if e := a.checkNear(spec.BodySource, "bodySource", "reads"); e != nil {
		return e
	}
	return a.checkNear(spec.Destination, "destination.url", "writes")
}

// checkUpload judges all that an upload connects to and reads.
func (a admission) checkUpload(spec transfer.Spec) *transfer.Error {
	if e := a.checkFar("destination.url", spec.Destination); e != nil {
		return e
	}
	p := &spec.Outgoing.Presigned
	for _, url := range append([]string{p.CompleteURL, p.AbortURL, p.ObjectURL}, p.PartURLs...) {
		if e := a.checkFar("upload.presigned", url); e != nil {
			return e
		}
	}
	for _, part := range spec.Outgoing.Form.Parts {
		if e := a.checkNear(part.Source, "upload.form", "reads"); e != nil {
			return e
		}
	}
	switch {
	case !spec.Outgoing.Spooled:
		return a.checkNear(spec.Source, "source.url", "reads")
	case !a.spooled(spec.Source):
		// It will be deleted with the transfer.
		return &transfer.Error{
			Code: transfer.CodePathDenied, Op: "create transfer", Field: "source.url",
			Message: "only what was spooled here is a spooled source",
		}
	}
	return nil
}

// spooled tells that a place is where the node writes sources itself.
func (a admission) spooled(place string) bool {
	return a.spool != "" && underSpool(place, a.spool)
}

// checkFar judges URLs by those of their hosts that are addresses.
func (a admission) checkFar(field string, urls ...string) *transfer.Error {
	for _, url := range urls {
		if e := a.checkSource(url); e != nil {
			e.Field = field
			return e
		}
	}
	return nil
}

// checkNear judges a place that a user names: no file outside of the roots, and
// nothing that was spooled for somebody. The rest is for the store to judge.
func (a admission) checkNear(place, field, does string) *transfer.Error {
	denied := transfer.Error{Code: transfer.CodePathDenied, Op: "create transfer", Field: field}
	if a.spooled(place) {
		if strings.HasPrefix(place, "s3://") {
			denied.Code = transfer.CodeKeyReserved
		}
		denied.Message = "this node keeps spooled sources there"
		return &denied
	}
	path, isFile := strings.CutPrefix(place, "file://")
	if !isFile || a.anyFile || a.below(path) {
		return nil
	}
	denied.Message = "this node " + does + " files below its file roots only"
	return &denied
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
