package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"godwit/transfer"
)

// ietf speaks Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload,
// interop version 8), creating uploads carefully: without content, so that where
// to go on is recorded before there is anything to go on with.
type ietf struct{}

const (
	interopVersion = "8"
	partialUpload  = "application/partial-upload"
	// statusResumption is Upload Resumption Supported.
	statusResumption = 104
)

func ietfHeader(pairs ...string) http.Header {
	h := http.Header{"Upload-Draft-Interop-Version": {interopVersion}}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// resumption is what the informational answers to a creation said. They come from
// another goroutine.
type resumption struct {
	mu        sync.Mutex
	locations []string
	limit     uploadLimit
	limited   bool
}

func (s *resumption) informed(status int, h http.Header) {
	if status != statusResumption {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := h["Location"]; len(l) > 0 {
		s.locations = append([]string(nil), l...)
	}
	if limit, ok := limitOf(h); ok {
		s.limit, s.limited = limit, true
	}
}

func (ietf) open(ctx context.Context, c *Client, d *Upload) (transfer.Session, *Failure) {
	header := ietfHeader("Upload-Complete", "?0", "Upload-Length", strconv.FormatInt(d.Size, 10))
	if d.Name != "" {
		header.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": d.Name}))
	}
	if sum, err := hex.DecodeString(d.SHA256); err == nil && len(sum) > 0 && d.Outgoing.DigestHeaders {
		header.Set("Repr-Digest", digestField(sum))
	}
	said := &resumption{limit: noLimit()}
	r, f := c.deliver(ctx, d, message{
		method: d.Method, url: d.URL, header: header, contentType: d.ContentType, body: d.body(ctx, 0, 0), keyless: true,
		informed: said.informed,
	})
	said.mu.Lock()
	defer said.mu.Unlock()
	session, f := said.session(d, r, f)
	if f == nil {
		if e := said.limit.refuses(d.Size); e != nil {
			e.Op = "send"
			f = &Failure{Err: e, Answer: r.answerIfAny()}
			_ = c.erase(ctx, d, message{method: http.MethodDelete, url: session.URL, header: ietfHeader()}) // it expires otherwise
		}
	}
	return session, f
}

func (r *uploadReply) answerIfAny() *UploadAnswer {
	if r == nil {
		return nil
	}
	return r.answer()
}

// session is what a creation came to. One whose answer is lost, or a failure of
// the server, has made an upload if an informational answer said so.
func (s *resumption) session(d *Upload, r *uploadReply, f *Failure) (transfer.Session, *Failure) {
	from, status, locations := d.URL, 0, s.locations
	if f == nil {
		from, status = r.url.String(), r.status
	}
	switch {
	case f != nil && len(s.locations) == 0:
		return transfer.Session{}, f
	case f == nil && r.status < http.StatusInternalServerError && !r.ok(), f == nil && !r.ok() && len(s.locations) == 0:
		return transfer.Session{}, r.ietfRefused()
	case f == nil && r.ok():
		if final := r.header["Location"]; len(final) > 0 {
			locations = final
		}
		if limit, ok := limitOf(r.header); ok {
			s.limit = limit
		}
		if len(s.locations) == 1 && s.locations[0] != locations[0] {
			return transfer.Session{}, r.failed(transfer.CodeUploadProtocol, "the far side names two places for one upload")
		}
	}
	base, e := parse(from)
	if e == nil {
		session := transfer.Session{
			MinAppend: max(s.limit.minAppend, 0), MaxAppend: max(s.limit.maxAppend, 0), Expires: s.limit.expires(time.Now()),
		}
		if session.URL, e = d.resource(base, status, locations); e == nil {
			return session, nil
		}
	}
	e.Op = "send"
	return transfer.Session{}, &Failure{Err: e, Answer: r.answerIfAny()}
}

// ietfRefused is the failure of an answer that does not take what was asked.
func (r *uploadReply) ietfRefused() *Failure {
	switch problem := r.problem(); {
	case r.status == http.StatusBadRequest && problem == "inconsistent-upload-length":
		return r.failed(transfer.CodeUploadProtocol, "the far side has another length of the upload than the content's")
	case r.status == http.StatusBadRequest && problem == "digest-mismatching-values":
		return r.failed(transfer.CodeUploadChecksum, "what arrived has another digest than what was sent")
	case r.status == http.StatusLocked:
		return r.failed(transfer.CodeUploadLocked, "the far side still serves an earlier request for this upload")
	}
	return r.refused()
}

func (ietf) find(ctx context.Context, c *Client, d *Upload) (Found, *Failure) {
	r, f := c.deliver(ctx, d, message{method: http.MethodHead, url: d.Session.URL, header: ietfHeader()})
	switch {
	case f != nil:
		return Found{}, f
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		return Found{}, r.forgotten()
	case !r.ok():
		return Found{}, r.ietfRefused()
	}
	offset, ok := fieldInteger(r.header, "Upload-Offset")
	if !ok || offset > d.Size {
		return Found{}, r.failed(transfer.CodeUploadProtocol, "the far side does not say how much of the upload it has")
	}
	if size, ok := fieldInteger(r.header, "Upload-Length"); ok && size != d.Size {
		return Found{}, r.failed(transfer.CodeUploadProtocol, "the far side's upload is of another length than the content")
	}
	limit, _ := limitOf(r.header)
	found := Found{Offset: offset, Expires: limit.expires(time.Now())}
	if fieldTrue(r.header, "Upload-Complete") {
		if offset != d.Size {
			return Found{}, r.failed(transfer.CodeUploadIncomplete, "the far side took %d bytes for all of %d", offset, d.Size)
		}
		found.Answer = r.answer()
	}
	return found, nil
}

func (ietf) send(ctx context.Context, c *Client, d *Upload, from int64, p Progress) (*UploadAnswer, *Failure) {
	s := chunks{total: d.Size, size: d.chunk(chunkSize), least: d.Session.MinAppend, confirmed: p.Confirmed}
	if most := d.Session.MaxAppend; most > 0 {
		s.size = min(s.size, most)
	}
	s.size = max(s.size, s.least)
	s.add = func(at, n int64) (added, *Failure) { return ietf{}.patch(ctx, c, d, at, n, p) }
	return s.send(d, from)
}

// patch adds n bytes from byte at on. The last ones complete the upload; they may
// be none.
func (ietf) patch(ctx context.Context, c *Client, d *Upload, at, n int64, p Progress) (added, *Failure) {
	header := ietfHeader("Upload-Offset", strconv.FormatInt(at, 10), "Content-Type", partialUpload, "Upload-Complete", "?0")
	last := at+n == d.Size
	if last {
		header.Set("Upload-Complete", "?1")
	}
	if f := contentDigest(ctx, d, header, at, n); f != nil {
		return added{}, f
	}
	report := &reporting{p: p, after: at, most: at + n}
	if d.Outgoing.DigestHeaders {
		report.end() // what has a digest counts whole or not at all
	}
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPatch, url: d.Session.URL, header: header, body: d.body(ctx, at, n), size: n,
		expect: d.Outgoing.Expect, keyless: true, informed: report.informed,
	})
	report.end()
	if f != nil {
		return added{}, f
	}
	if fieldTrue(r.header, "Upload-Complete") {
		return ietfCompleted(ctx, c, d, r, last)
	}
	return appended(r, at, n, last)
}

// ietfCompleted judges the answer of the resource that the upload was for. One
// that refuses what it got will do so again: nothing is left to go on with.
func ietfCompleted(ctx context.Context, c *Client, d *Upload, r *uploadReply, last bool) (added, *Failure) {
	if r.ok() && last {
		return added{offset: d.Size, answer: r.answer(), complete: true}, nil
	}
	f := r.refused()
	if r.ok() {
		f = r.failed(transfer.CodeUploadIncomplete, "the far side took a part of the content for all of it")
	}
	// The one that is complete must not be found and taken for a success later.
	_ = c.erase(ctx, d, message{method: http.MethodDelete, url: d.Session.URL, header: ietfHeader()})
	f.Lost = f.Err.Code.Class() == transfer.Transient
	return added{}, f
}

// appended judges an answer of the upload itself.
func appended(r *uploadReply, at, n int64, last bool) (added, *Failure) {
	offset, told := fieldInteger(r.header, "Upload-Offset")
	switch {
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		return added{}, r.forgotten()
	case r.status == http.StatusConflict && (told || r.problem() == "mismatching-upload-offset"):
		return added{}, r.failed(transfer.CodeUploadOffset, "the far side does not have %d bytes of the upload", at)
	case !r.ok():
		return added{}, r.ietfRefused()
	case last && (!told || offset == at+n):
		return added{}, r.failed(transfer.CodeUploadOffset, "the far side does not say that the upload is complete")
	}
	got := added{offset: at + n, answer: r.answer()}
	if told {
		got.offset = offset
	}
	if limit, ok := limitOf(r.header); ok {
		got.expires = limit.expires(time.Now())
	}
	return got, nil
}

// reporting tells of the progress that informational answers to one request
// report, until that has ended.
type reporting struct {
	p           Progress
	mu          sync.Mutex // guards what follows
	after, most int64
}

func (s *reporting) informed(status int, h http.Header) {
	offset, ok := fieldInteger(h, "Upload-Offset")
	if !ok || status != statusResumption {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset > s.after && offset <= s.most {
		s.after = offset
		s.p.Confirmed(offset, time.Time{})
	}
}

func (s *reporting) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = 0
}

// contentDigest sets Content-Digest (RFC 9530), for which what is sent is read
// once more.
func contentDigest(ctx context.Context, d *Upload, h http.Header, at, n int64) *Failure {
	if !d.Outgoing.DigestHeaders || n == 0 {
		return nil
	}
	sum, known := d.wholeSum(at, n)
	if !known {
		var f *Failure
		if sum, f = d.sum(ctx, sha256.New(), at, n); f != nil {
			return f
		}
	}
	h.Set("Content-Digest", digestField(sum))
	return nil
}

func digestField(sha256 []byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sha256) + ":"
}

func (ietf) discard(ctx context.Context, c *Client, d *Upload, url string) *Failure {
	return c.erase(ctx, d, message{method: http.MethodDelete, url: url, header: ietfHeader()})
}
