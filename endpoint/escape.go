package endpoint

import (
	"fmt"
	"net/url"
	"strings"
)

// escapePath percent-encodes, in the path of a URL or of a reference to one,
// what RFC 3986, section 3.3, has no place for but people write. Package net/url
// encodes a path that holds such a character anew from its decoded form, in
// which an encoded slash is a slash.
func escapePath(raw string) string {
	start := pathStart(raw)
	end := len(raw)
	if i := strings.IndexAny(raw[start:], "?#"); i >= 0 {
		end = start + i
	}
	var out strings.Builder
	out.WriteString(raw[:start])
	for i := start; i < end; i++ {
		if c := raw[i]; c >= 0x80 || strings.IndexByte("\"<>^`{|}", c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	out.WriteString(raw[end:])
	return out.String()
}

// pathStart is where the path begins: after scheme and authority, if there are.
func pathStart(raw string) int {
	scheme, rest, found := strings.Cut(raw, "//")
	if !found || scheme != "" && !strings.HasSuffix(scheme, ":") || strings.ContainsAny(scheme, "/?#") {
		return 0
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return len(raw) - len(rest) + i
	}
	return len(raw)
}

// parseURL is url.Parse for what is then sent as it was given.
func parseURL(raw string) (*url.URL, error) { return url.Parse(escapePath(raw)) }
