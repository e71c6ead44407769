package endpointtest

import "time"

// ETagMode says which entity tag answers carry.
type ETagMode int

// The entity tags. Strong is the default; every generation has its own.
const (
	ETagStrong ETagMode = iota
	ETagWeak
	ETagNone
)

// ModifiedMode says which Last-Modified date answers carry.
type ModifiedMode int

// The dates. Old, a day and more before Date, is the default.
const (
	ModifiedOld ModifiedMode = iota
	// ModifiedRecent is less than 60 s before Date, so that it is weak
	// (RFC 9110, section 8.8.2.2).
	ModifiedRecent
	ModifiedNone
)

// RangeMode says how Range requests are answered.
type RangeMode int

// The range modes. RangesOn is correct and the default.
const (
	RangesOn RangeMode = iota
	// RangesOff ignores Range and answers 200.
	RangesOff
	// RangesWrongStart answers 206 from one byte later than asked.
	RangesWrongStart
	// RangesWrongTotal says one byte too many as the total.
	RangesWrongTotal
	// RangesNoHeader answers 206 without Content-Range.
	RangesNoHeader
	// RangesUnknownTotal says "*" as the total, which is legal.
	RangesUnknownTotal
	// RangesUnsatisfied answers 206 with "bytes */n".
	RangesUnsatisfied
	// RangesMultipart answers 206 with multipart/byteranges.
	RangesMultipart
	// RangesRefused answers 416 to every Range request.
	RangesRefused
	// RangesAlways answers 206 even to a request without Range.
	RangesAlways
	// RangesShort answers with the first half of what was asked for, which is
	// legal.
	RangesShort
)

// LengthMode says how the length of a body is announced.
type LengthMode int

// The length modes. LengthExact is the default.
const (
	LengthExact LengthMode = iota
	// LengthNone leaves it out: chunked, ended cleanly.
	LengthNone
	// LengthShort announces one byte less than is sent.
	LengthShort
	// LengthLong announces one byte more than is sent, and closes.
	LengthLong
	// LengthClose answers like HTTP/1.0: the end of the connection is the end of
	// the body.
	LengthClose
)

// CutMode says how a connection ends at Behavior.CutAt.
type CutMode int

// The cuts. CutReset is the default.
const (
	// CutReset sends RST (HTTP/2: RST_STREAM); bytes in flight may be lost.
	CutReset CutMode = iota
	// CutClose closes after everything before CutAt was delivered.
	CutClose
)

// Always repeats a fault for ever.
const Always = -1

// Behavior is everything that a test can command. The zero value is a correct
// origin without faults. Offsets are those of the content, in bytes.
type Behavior struct {
	ETag     ETagMode
	Modified ModifiedMode
	Ranges   RangeMode
	Length   LengthMode
	// Encoding is sent as Content-Encoding; "gzip" really compresses.
	Encoding string
	// Status answers with this status and a short body instead of content,
	// StatusTimes times, with RetryAfter as sent if it is not empty.
	Status      int
	StatusTimes int
	RetryAfter  string
	// CutAt ends the connection before that byte is sent, CutTimes times.
	CutAt    int64
	CutTimes int
	Cut      CutMode
	// StallAt stops sending before that byte, until the client goes,
	// StallTimes times.
	StallAt    int64
	StallTimes int
	// Latency passes before each answer.
	Latency time.Duration
	// Rate is bytes a second for each connection, 0 for no limit.
	Rate int64
	// MaxActive answers 503 to requests beyond so many at a time, 0 for none.
	MaxActive int
	// Informational is how many 103 answers precede the real one.
	Informational int
	// HeaderBytes is the size of an extra response header.
	HeaderBytes int
}

// spend uses one of *times, if any is left.
func spend(times *int) bool {
	switch {
	case *times == Always:
		return true
	case *times > 0:
		*times--
		return true
	}
	return false
}
