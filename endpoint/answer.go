package endpoint

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"godwit/transfer"
)

// answer is what is judged of a response: everything but its body.
type answer struct {
	status int
	header http.Header
	// length is the body's, or transfer.UnknownSize.
	length int64
	// ranged tells that the request had a Range header.
	ranged bool
	now    time.Time
}

// judge decides whether an answer may be delivered for a request, and as what.
func judge(req Request, a answer) (*Response, *transfer.Error) {
	switch a.status {
	case http.StatusOK, http.StatusPartialContent:
	default:
		return nil, refusal(req, a)
	}
	if e := encoded(a.header); e != nil {
		return nil, e
	}
	if a.status == http.StatusOK {
		return judgeWhole(req, a)
	}
	return judgePart(req, a)
}

// refusal is the error of a status that delivers no content.
func refusal(req Request, a answer) *transfer.Error {
	e := &transfer.Error{Status: a.status, Message: refusalText(a.status)}
	switch a.status {
	case http.StatusPreconditionFailed:
		e.Code, e.Message = transfer.CodeSourceChanged, "the content is not the one this transfer began with"
	case http.StatusRequestedRangeNotSatisfiable:
		e.Code = transfer.CodeRange
		e.Message = fmt.Sprintf("the far side has nothing at byte %d", req.Offset)
		if r, ok := parseContentRange(a.header.Get("Content-Range")); ok && r.Total >= 0 {
			e.Message += fmt.Sprintf(": it has %d bytes", r.Total)
		}
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Code, e.RetryAfter = transfer.CodeStatusRetry, retryAfter(a.header, a.now, maxRetryAfter)
	default:
		e.Code = transfer.CodeStatus
	}
	return e
}

func refusalText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("the far side answered %d %s", status, http.StatusText(status)))
}

// encoded refuses bodies that are not the content itself. A decoded body could
// not be resumed, since ranges count encoded bytes.
func encoded(h http.Header) *transfer.Error {
	for _, v := range h.Values("Content-Encoding") {
		for c := range strings.SplitSeq(v, ",") {
			if c = strings.TrimSpace(c); c != "" && !strings.EqualFold(c, "identity") {
				return &transfer.Error{
					Code:    transfer.CodeEncoding,
					Message: "the far side encoded the content although identity was asked for",
				}
			}
		}
	}
	return nil
}

// judgeWhole judges a 200. At an offset it is returned as what it is, the
// content from byte 0 with a validator of its own: the caller decides.
func judgeWhole(req Request, a answer) (*Response, *transfer.Error) {
	r := response(a)
	r.Size, r.Length = a.length, a.length
	// Only GET has ranges (RFC 9110, section 14.2), whatever the answer says.
	r.Ranges = !a.ranged && (req.Method == "" || req.Method == http.MethodGet) &&
		strings.EqualFold(a.header.Get("Accept-Ranges"), "bytes")
	if req.Offset > 0 && a.ranged {
		return r, nil
	}
	if !req.Validator.Same(r.Validator) {
		return nil, changed("its validator is another")
	}
	if req.Size >= 0 && r.Size >= 0 && req.Size != r.Size {
		return nil, changed(fmt.Sprintf("it has %d bytes, not %d", r.Size, req.Size))
	}
	return r, nil
}

// judgePart judges a 206 (RFC 9110, section 15.3.7).
func judgePart(req Request, a answer) (*Response, *transfer.Error) {
	if !a.ranged {
		return nil, badRange("a part came although the whole was asked for")
	}
	if mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); strings.EqualFold(
		strings.TrimSpace(mediaType), "multipart/byteranges") {
		return nil, badRange("several ranges came where one was asked for")
	}
	values := a.header.Values("Content-Range")
	if len(values) != 1 {
		return nil, badRange(fmt.Sprintf("the answer has %d Content-Range headers", len(values)))
	}
	cr, ok := parseContentRange(values[0])
	if !ok || cr.First < 0 {
		return nil, badRange("the answer's Content-Range is no range")
	}
	r := response(a)
	if differs(req.Validator, r.Validator) {
		return nil, changed("its validator is another")
	}
	if e := checkTotal(req, cr.Total); e != nil {
		return nil, e
	}
	length := cr.Last - cr.First + 1
	switch {
	case cr.First != req.Offset:
		return nil, badRange(fmt.Sprintf("the answer begins at byte %d, not %d", cr.First, req.Offset))
	case req.Length >= 0 && length > req.Length:
		return nil, badRange(fmt.Sprintf("the answer has %d bytes where %d were asked for", length, req.Length))
	case a.length >= 0 && a.length != length:
		return nil, badRange("Content-Length and Content-Range contradict each other")
	}
	r.Offset, r.Length, r.Ranges = cr.First, length, true
	if r.Size = cr.Total; r.Size < 0 {
		r.Size = req.Size
	}
	return r, nil
}

// checkTotal compares the total of a Content-Range. The same strong entity tag
// with another size is a lie, not a change.
func checkTotal(req Request, total int64) *transfer.Error {
	if req.Size < 0 || total < 0 || total == req.Size {
		return nil
	}
	text := fmt.Sprintf("it has %d bytes, not %d", total, req.Size)
	if req.Validator.ETag != "" && req.Validator.Strong() {
		return badRange("the answer contradicts an earlier one: " + text)
	}
	return changed(text)
}

// response is what every accepted answer has in common.
func response(a answer) *Response {
	r := &Response{
		Validator:   validatorOf(a.header),
		Size:        transfer.UnknownSize,
		Length:      transfer.UnknownSize,
		ContentType: a.header.Get("Content-Type"),
	}
	if t, err := http.ParseTime(r.Validator.LastModified); err == nil {
		r.ModTime = t
	}
	return r
}

func badRange(message string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeRange, Message: message}
}

func changed(how string) *transfer.Error {
	return &transfer.Error{
		Code:    transfer.CodeSourceChanged,
		Message: "the content is not the one this transfer began with: " + how,
	}
}
