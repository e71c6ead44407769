package endpoint

import (
	"io"
	"time"

	"godwit/transfer"
)

// Request asks for a range of a source.
type Request struct {
	// URL is canonical (see transfer.NormalizeURL). It may carry a secret query.
	URL string
	// Method is GET unless the user chose another.
	Method string
	// Headers are the user's; they are sent to the exact origin of URL only.
	Headers []transfer.Header
	Body    []byte
	// OpenBody delivers a body of BodySize bytes in place of Body, anew for each
	// request that is made; nil for none. A *transfer.Error of it is Open's.
	OpenBody func() (io.ReadCloser, error)
	BodySize int64
	// Offset is the first byte wanted; Length how many, or transfer.UnknownSize
	// for all to the end.
	Offset, Length int64
	// Validator is what the bytes must belong to; empty for a first request.
	Validator transfer.Validator
	// Size is what the size of the whole content must be, or
	// transfer.UnknownSize.
	Size int64
	// Whole asks for the content without a Range header.
	Whole bool
}

// Response is an accepted answer whose body is being delivered.
type Response struct {
	// Shown is the part of the answer that is safe to show.
	Shown     transfer.Response
	Validator transfer.Validator
	// Size is that of the whole content in bytes, or transfer.UnknownSize.
	Size int64
	// Offset is where the body begins: Request.Offset, or 0 when the far side
	// sent everything.
	Offset int64
	// Length is how many bytes the body will have, or transfer.UnknownSize.
	Length int64
	// Ranges tells that the far side serves ranges of this content.
	Ranges bool
	// ModTime is the Last-Modified date, or zero.
	ModTime     time.Time
	ContentType string
	// Body delivers exactly Length bytes or fails with a *transfer.Error. Reads
	// are watched: a stall or a rate under the minimum fails them.
	Body io.ReadCloser
}
