package endpoint

import (
	"strconv"
	"strings"

	"godwit/transfer"
)

// contentRange is a parsed Content-Range of bytes. Last is inclusive. An
// unsatisfied one ("bytes */n") has First = Last = -1.
type contentRange struct {
	First, Last int64
	// Total is the size of the whole content, or transfer.UnknownSize.
	Total int64
}

// parseContentRange understands RFC 9110, section 14.4, for the unit "bytes".
func parseContentRange(s string) (contentRange, bool) {
	unit, rest, ok := strings.Cut(s, " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return contentRange{}, false
	}
	span, size, ok := strings.Cut(rest, "/")
	if !ok {
		return contentRange{}, false
	}
	r := contentRange{First: -1, Last: -1, Total: transfer.UnknownSize}
	if size != "*" {
		if r.Total, ok = digits(size); !ok {
			return contentRange{}, false
		}
	}
	if span == "*" {
		return r, size != "*"
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return contentRange{}, false
	}
	if r.First, ok = digits(first); !ok {
		return contentRange{}, false
	}
	if r.Last, ok = digits(last); !ok {
		return contentRange{}, false
	}
	return r, r.First <= r.Last && (r.Total < 0 || r.Last < r.Total)
}

// digits parses a non-negative decimal number without a sign. The greatest one
// is kept out, so that one more can always be added.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < 1<<63-1
}
