package transfer

import (
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// Bounds of the headers of a request: their number, and bytes.
const (
	maxHeaders     = 100
	maxHeaderName  = 256
	maxHeaderValue = 8 << 10
	maxHeaderBytes = 64 << 10
)

// NormalizeHeaders checks headers and returns them with canonical names and
// trimmed values, in their order. Errors name the header, never its value.
func NormalizeHeaders(in []Header) ([]Header, *Error) {
	if len(in) > maxHeaders {
		return nil, invalid(CodeHeaderCount, "headers", "at most %d headers, not %d", maxHeaders, len(in))
	}
	out := slices.Clone(in)
	total, authorized := 0, false
	for i, h := range out {
		if err := CheckHeaderName(h.Name); err != nil {
			return nil, err
		}
		name, value := textproto.CanonicalMIMEHeaderKey(h.Name), strings.Trim(h.Value, " \t")
		if err := checkHeaderValue(name, value); err != nil {
			return nil, err
		}
		if name == "Authorization" {
			if authorized {
				return nil, invalid(CodeHeaderCount, "headers", "Authorization is given twice")
			}
			authorized = true
		}
		total += len(name) + len(value)
		out[i] = Header{Name: name, Value: value}
	}
	if total > maxHeaderBytes {
		return nil, invalid(CodeHeaderCount, "headers", "all headers together have at most %d bytes", maxHeaderBytes)
	}
	return out, nil
}

// CheckHeaderName tells whether a request may have a header of this name: a token
// of bounded length that godwit does not set itself.
func CheckHeaderName(name string) *Error {
	switch {
	case reservedHeader(strings.ToLower(name)):
		return invalid(CodeHeaderResrvd, "headers", "%s is set by godwit itself", printable(cutBytes(name, maxLabel)))
	case len(name) > maxHeaderName || !httpguts.ValidHeaderFieldName(name):
		return invalid(CodeHeaderName, "headers", "a header's name is not a token of at most %d bytes", maxHeaderName)
	}
	return nil
}

func checkHeaderValue(name, value string) *Error {
	switch {
	case len(value) > maxHeaderValue:
		return invalid(CodeHeaderValue, "headers", "the value of %s has more than %d bytes", name, maxHeaderValue)
	case !utf8.ValidString(value) || !httpguts.ValidHeaderFieldValue(value):
		return invalid(CodeHeaderValue, "headers", "the value of %s holds a control character or is not UTF-8", name)
	}
	return nil
}

// reservedHeader tells the headers that frame a message, name its target or
// decide which bytes come back (RFC 9110, sections 7, 13 and 14; RFC 9112).
func reservedHeader(lower string) bool {
	switch lower {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer",
		"upgrade", "expect", "http2-settings", "range", "if-range", "if-match", "if-none-match",
		"if-modified-since", "if-unmodified-since", "accept-encoding":
		return true
	}
	return strings.HasPrefix(lower, "proxy-") || strings.HasPrefix(lower, ":")
}
