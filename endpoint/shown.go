package endpoint

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"godwit/transfer"
)

// maxShownValue is how much of a header value is shown, in bytes.
const maxShownValue = 1 << 10

// shownHeaders are those that cannot hold a secret, in the order of showing.
// Cookies, challenges, Location and everything unknown stay out.
func shownHeaders() []string {
	return []string{
		"Accept-Ranges", "Age", "Cache-Control", "Content-Digest", "Content-Disposition", "Content-Language",
		"Content-Length", "Content-Md5", "Content-Range", "Content-Type", "Date", "Etag", "Expires",
		"Last-Modified", "Repr-Digest", "Retry-After", "Server",
	}
}

// shownPrefix is that of the object store's checksum headers.
const shownPrefix = "X-Amz-Checksum-"

// shown is the part of an answer that anybody may see.
func shown(u *url.URL, status int, h http.Header) transfer.Response {
	r := transfer.Response{ActualURL: transfer.RedactURL(u.String()), StatusCode: status}
	names := shownHeaders()
	for name := range h {
		if strings.HasPrefix(name, shownPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			r.Headers = append(r.Headers, transfer.Header{Name: name, Value: printable(v)})
		}
	}
	return r
}

// printable bounds a value and removes control characters from it, so that it
// can be shown on a terminal. C1 controls and bidi overrides are controls too.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxShownValue {
		cut := maxShownValue
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x200e && r <= 0x200f, r >= 0x202a && r <= 0x202e,
			r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029, r == 0xfeff:
			return -1
		}
		return r
	}, s)
}
