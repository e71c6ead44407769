package transfer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Protocol is how the bytes of an upload are carried.
type Protocol string

// The protocols. ProtocolAuto is the default: the far side is asked.
const (
	ProtocolAuto Protocol = "auto"
	// ProtocolPut and ProtocolPost send everything in one request.
	ProtocolPut  Protocol = "put"
	ProtocolPost Protocol = "post"
	// ProtocolTus is tus 1.0.0 (https://tus.io/protocols/resumable-upload).
	ProtocolTus Protocol = "tus"
	// ProtocolIETF is draft-ietf-httpbis-resumable-upload, interop version 8.
	ProtocolIETF Protocol = "ietf"
	// ProtocolS3 sends the parts of an S3 multipart upload to URLs that somebody
	// else has signed.
	ProtocolS3 Protocol = "s3-presigned"
	// ProtocolGCS is the resumable upload session of Google Cloud Storage.
	ProtocolGCS Protocol = "gcs"
	// ProtocolRange sends ranges with PUT and Content-Range (RFC 9110, section
	// 14.5).
	ProtocolRange Protocol = "content-range"
)

// Protocols are all of them, in the order they are shown.
var Protocols = []Protocol{
	ProtocolAuto, ProtocolPut, ProtocolPost, ProtocolTus, ProtocolIETF, ProtocolS3, ProtocolGCS, ProtocolRange,
}

// Resumes tells that an interrupted upload goes on where it was.
func (p Protocol) Resumes() bool {
	return p.HasSession() || p == ProtocolS3 || p == ProtocolRange
}

// HasSession tells that the far side makes a resource for each upload, which is
// asked how far it has come.
func (p Protocol) HasSession() bool {
	return p == ProtocolTus || p == ProtocolIETF || p == ProtocolGCS
}

// Outgoing says how an upload is sent.
type Outgoing struct {
	Protocol Protocol
	// SourcePin is what the source must be, from its creation on.
	SourcePin Pin
	// Spooled: the source was written for this transfer alone, and goes with it.
	Spooled bool
	// Form is the body in place of the source; it has no parts for none.
	Form Form
	// IdempotencyKey is sent as Idempotency-Key with every try, so that the far
	// side can tell a repetition.
	IdempotencyKey string
	// RepeatUnsafe allows to repeat a request that may have been carried out,
	// although its method is not idempotent and it has no key.
	RepeatUnsafe bool
	// DigestHeaders asks for Content-Digest and Repr-Digest (RFC 9530).
	DigestHeaders bool
	// Expect asks for leave before the body is sent (RFC 9110, section 10.1.1).
	Expect bool
	// Presigned belongs to ProtocolS3.
	Presigned Presigned
}

// Presigned is an S3 multipart upload that somebody else has begun. Its URLs
// carry signatures.
type Presigned struct {
	// PartURLs take the parts 1, 2, …; without any, the destination's URL is
	// used with the part's number in place of "{part}", which may come as
	// "%7Bpart%7D" and is kept as "{part}".
	PartURLs []string
	// CompleteURL takes CompleteMultipartUpload, AbortURL AbortMultipartUpload.
	// ObjectURL, for HEAD, tells whether it was completed; "" if not known.
	CompleteURL, AbortURL, ObjectURL string
}

// Form is a multipart body (RFC 2046, section 5.1; RFC 7578).
type Form struct {
	// Subtype is form-data, related or mixed.
	Subtype string
	// Boundary is made when empty.
	Boundary string
	Parts    []FormPart
}

// FormPart is one part of a form, in order: a text, or what lies at a source.
type FormPart struct {
	// Name and FileName make the Content-Disposition; a Name is needed for
	// form-data.
	Name, FileName string
	// Headers are further headers, Content-Type among them.
	Headers []Header
	Text    string
	// Source is file:// or s3://; Pin is what it must be.
	Source string
	Pin    Pin
}

// Session is what is known of an upload's far side. Its URLs may be all that is
// needed to write there: it is as secret as a credential.
type Session struct {
	// Protocol is the one in use, "" until it was chosen; Reason is why.
	Protocol Protocol
	Reason   string
	// URL is the resource of this upload, "" until it was made.
	URL string
	// Offset is how many bytes the far side is known to have, in order from 0;
	// CRC64 is the CRC-64/NVME of these. It never goes back.
	Offset int64
	CRC64  uint64
	// Parts are what was sent in another order, by number.
	Parts []SessionPart
	// PartSize is that of such parts, 0 for bytes in order; Concatenate: the
	// parts are uploads of their own that are put together in the end.
	PartSize    int64
	Concatenate bool
	// MinAppend and MaxAppend bound one request that adds bytes, 0 for no bound.
	MinAppend, MaxAppend int64
	// Checksum is the algorithm with which the far side checks what is added, ""
	// for none.
	Checksum string
	// Expires is when the far side forgets it, zero if that is not known.
	Expires time.Time
	// Sent: the one request that holds everything was made, and may have been
	// carried out.
	Sent bool
}

// SessionPart is one part that the far side has. Ref is its ETag, or the URL of
// an upload of its own.
type SessionPart struct {
	Number       int
	Offset, Size int64
	Ref          string
	CRC64        uint64
}

// Bytes is how many bytes the far side is known to have.
func (s *Session) Bytes() int64 {
	n := s.Offset
	for _, p := range s.Parts {
		n += p.Size
	}
	return n
}

// find returns where a part is, or would be.
func (s *Session) find(number int) (int, bool) {
	return slices.BinarySearchFunc(s.Parts, number, func(p SessionPart, n int) int { return cmp.Compare(p.Number, n) })
}

// Has tells that the far side has a part.
func (s *Session) Has(number int) bool {
	_, found := s.find(number)
	return found
}

// Far is the URL on the network, Near the place in a store.
func (s *Spec) Far() string {
	if s.Direction == Upload {
		return s.Destination
	}
	return s.Source
}

// leastPresigned is the part size for signed URLs unless more is needed, in
// bytes.
const leastPresigned = 16 << 20

// presignedPartSize is that of all parts but the last: as many as there are URLs
// must do.
func (s *Spec) presignedPartSize() int64 {
	if s.PartSize > 0 {
		return s.PartSize
	}
	urls, least := int64(len(s.Outgoing.Presigned.PartURLs)), int64(leastS3Part)
	if urls == 0 {
		urls, least = MaxPresigned, leastPresigned
	}
	return max(least, (s.ContentSize()+urls-1)/urls)
}

// MaxPresigned is how many parts a presigned upload may have.
const MaxPresigned = 10000

// PartURL is where part n, from 1 on, of a presigned upload to a destination
// goes; "" when there is no URL for it.
func (p *Presigned) PartURL(destination string, n int) string {
	if len(p.PartURLs) > 0 {
		if n < 1 || n > len(p.PartURLs) {
			return ""
		}
		return p.PartURLs[n-1]
	}
	return strings.ReplaceAll(destination, partToken, strconv.Itoa(n))
}

// repeatable tells that a request of this upload may be made again although an
// earlier one may have been carried out.
func (s *State) repeatable() bool { return s.harmless() || s.Spec.Outgoing.RepeatUnsafe }

// harmless tells that the far side notices a repetition, or that it does not
// matter.
func (s *State) harmless() bool {
	return s.Session.Protocol.Resumes() || s.Spec.Outgoing.IdempotencyKey != "" || Idempotent(s.Spec.Method)
}
