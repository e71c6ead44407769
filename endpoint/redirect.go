package endpoint

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"godwit/transfer"
)

// hop is one request of a chain of redirects.
type hop struct {
	url    *url.URL
	method string
	// body delivers what is sent, size bytes; nil for nothing.
	body func() (io.ReadCloser, error)
	size int64
	// trusted: every hop so far had the origin of the first one, so that the
	// user's headers may be sent. Once false it stays false: a chain that comes
	// back may have been steered.
	trusted bool
}

// parse returns the canonical form of an absolute URL.
func parse(raw string) (*url.URL, *transfer.Error) {
	canonical, e := transfer.NormalizeURL(raw, "url")
	if e != nil {
		return nil, e
	}
	u, err := parseURL(canonical)
	if err != nil {
		return nil, transfer.Errorf(transfer.CodeURLInvalid, "the URL cannot be parsed")
	}
	return u, nil
}

// isRedirect tells that a status asks for another URL (RFC 9110, section 15.4).
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// next is the hop that a redirect asks for.
func (h hop) next(status int, locations []string) (hop, *transfer.Error) {
	if len(locations) != 1 || locations[0] == "" {
		return hop{}, badRedirect("the redirect does not say where to")
	}
	target, e := resolve(h.url, locations[0])
	if e != nil {
		return hop{}, e
	}
	if h.url.Scheme == "https" && target.Scheme != "https" {
		return hop{}, transfer.Errorf(transfer.CodeDowngrade, "the far side redirects from https to http")
	}
	n := hop{url: target, method: h.method, body: h.body, size: h.size, trusted: h.trusted && sameOrigin(h.url, target)}
	if status == http.StatusSeeOther && n.method != http.MethodHead ||
		n.method == http.MethodPost && (status == http.StatusMovedPermanently || status == http.StatusFound) {
		n.method, n.body, n.size = http.MethodGet, nil, 0
	}
	if n.body != nil && !n.trusted {
		return hop{}, transfer.Errorf(transfer.CodeRedirectBody, "the request's body would go to another origin")
	}
	return n, nil
}

// resolve makes an absolute, canonical URL of a Location. Unlike users, servers
// may write spaces: many do.
func resolve(base *url.URL, location string) (*url.URL, *transfer.Error) {
	if len(location) > maxURL {
		return nil, badRedirect("the redirect's target is too long")
	}
	if !utf8.ValidString(location) || strings.ContainsRune(location, '\\') {
		return nil, badRedirect("the redirect's target is not acceptable")
	}
	raw := strings.ReplaceAll(location, " ", "%20")
	ref, err := parseURL(raw)
	if err != nil || ref.User != nil || ref.Opaque != "" && (ref.Scheme == "http" || ref.Scheme == "https") {
		return nil, badRedirect("the redirect's target is no URL")
	}
	switch ref.Scheme {
	case "http", "https":
	case "":
		raw = base.ResolveReference(ref).String()
	default:
		return nil, transfer.Errorf(transfer.CodeRedirectScheme, "the far side redirects to something else than http or https")
	}
	u, e := parse(raw)
	if e != nil {
		return nil, badRedirect("the redirect's target is not acceptable: " + e.Message)
	}
	return u, nil
}

// sameOrigin compares scheme, host and port (RFC 6454) of canonical URLs.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

func badRedirect(message string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeRedirectBad, Message: message}
}
