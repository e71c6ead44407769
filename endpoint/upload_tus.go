package endpoint

import (
	"context"
	"crypto/sha1" //nolint:gosec // the one algorithm that every tus server with checksums has
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"godwit/transfer"
)

// tus speaks tus 1.0.0 (https://tus.io/protocols/resumable-upload) with the
// extensions creation, expiration, checksum, termination and concatenation.
// Content does not come with a creation (creation-with-upload): where the answer
// to that is lost, a whole upload would be left that nobody knows of.
type tus struct{}

const (
	tusVersion = "1.0.0"
	tusContent = "application/offset+octet-stream"
	// statusChecksum is what a wrong Upload-Checksum is answered with.
	statusChecksum = 460
)

// tusHeader are the headers of a request, given as names and values.
func tusHeader(pairs ...string) http.Header {
	h := http.Header{"Tus-Resumable": {tusVersion}}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// tusServer is what a server says of itself when it is asked with OPTIONS.
type tusServer struct {
	versions, extensions, algorithms []string
	// maxSize in bytes, or transfer.UnknownSize.
	maxSize int64
}

func tusServerOf(h http.Header) tusServer {
	s := tusServer{
		versions: commas(h.Values("Tus-Version")), extensions: commas(h.Values("Tus-Extension")),
		algorithms: commas(h.Values("Tus-Checksum-Algorithm")), maxSize: transfer.UnknownSize,
	}
	if n, ok := digits(strings.TrimSpace(h.Get("Tus-Max-Size"))); ok {
		s.maxSize = n
	}
	if len(s.versions) == 0 {
		s.versions = commas(h.Values("Tus-Resumable"))
	}
	return s
}

// commas splits lists.
func commas(values []string) (all []string) {
	for _, v := range values {
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				all = append(all, item)
			}
		}
	}
	return all
}

func (s *tusServer) has(extension string) bool { return slices.Contains(s.extensions, extension) }

// askTus asks a server what it can do. One that does not say is tried all the
// same: its answer to the creation counts.
func askTus(ctx context.Context, c *Client, d *Upload) tusServer {
	reply, f := c.deliver(ctx, d, message{method: http.MethodOptions, url: d.URL})
	if f != nil || !reply.ok() {
		return tusServer{maxSize: transfer.UnknownSize}
	}
	return tusServerOf(reply.header)
}

// refuses tells, before anything is sent, why an upload is of no use.
func (s *tusServer) refuses(d *Upload) *transfer.Error {
	switch {
	case len(s.versions) > 0 && !slices.Contains(s.versions, tusVersion):
		return transfer.Errorf(transfer.CodeUploadProtocol, "the far side does not speak tus %s", tusVersion)
	case s.maxSize >= 0 && d.Size > s.maxSize:
		return transfer.Errorf(transfer.CodeUploadTooLarge, "the far side takes %d bytes, the content has %d", s.maxSize, d.Size)
	}
	return nil
}

// checksum is the algorithm to use, "" for none.
func (s *tusServer) checksum(d *Upload) string {
	if d.Outgoing.DigestHeaders && s.has("checksum") {
		for _, name := range []string{"sha256", "sha1"} {
			if slices.Contains(s.algorithms, name) {
				return name
			}
		}
	}
	return ""
}

func (tus) open(ctx context.Context, c *Client, d *Upload) (transfer.Session, *Failure) {
	server := askTus(ctx, c, d)
	if e := server.refuses(d); e != nil {
		e.Op = "send"
		return transfer.Session{}, &Failure{Err: e}
	}
	session := transfer.Session{Checksum: server.checksum(d)}
	if size := server.partSize(d); size > 0 {
		session.Concatenate, session.PartSize = true, size
		return session, nil
	}
	var f *Failure
	session.URL, session.Expires, f = createTus(ctx, c, d, d.tusMetadata(
		tusHeader("Upload-Length", strconv.FormatInt(d.Size, 10))))
	return session, f
}

// createTus makes an upload and returns its URL, and when it is forgotten.
func createTus(ctx context.Context, c *Client, d *Upload, header http.Header) (string, time.Time, *Failure) {
	reply, f := c.deliver(ctx, d, message{method: http.MethodPost, url: d.URL, header: header})
	if f != nil {
		return "", time.Time{}, f
	}
	if !reply.ok() {
		return "", time.Time{}, reply.tusRefused()
	}
	at, e := d.resource(reply.url, reply.status, reply.header["Location"])
	if e != nil {
		return "", time.Time{}, &Failure{Err: describe(e, reply.url), Answer: reply.answer()}
	}
	return at, tusExpires(reply.header), nil
}

// tusMetadata says what the content is, unless the user does.
func (d *Upload) tusMetadata(h http.Header) http.Header {
	for _, u := range d.Headers {
		if http.CanonicalHeaderKey(u.Name) == "Upload-Metadata" {
			return h
		}
	}
	var pairs []string
	for _, p := range [][2]string{{"filename", d.Name}, {"filetype", d.mediaType()}} {
		if p[1] != "" {
			pairs = append(pairs, p[0]+" "+base64.StdEncoding.EncodeToString([]byte(p[1])))
		}
	}
	if len(pairs) > 0 {
		h.Set("Upload-Metadata", strings.Join(pairs, ","))
	}
	return h
}

func tusExpires(h http.Header) time.Time {
	// One that is no date says nothing.
	at, _ := http.ParseTime(h.Get("Upload-Expires"))
	return at
}

// tusRefused is the failure of an answer to a request that makes an upload, puts
// uploads together, or adds bytes to one.
func (r *uploadReply) tusRefused() *Failure {
	switch r.status {
	case http.StatusPreconditionFailed:
		return r.failed(transfer.CodeUploadProtocol, "the far side does not speak tus %s", tusVersion)
	case http.StatusLocked:
		return r.failed(transfer.CodeUploadLocked, "the far side still serves an earlier request for this upload")
	case statusChecksum:
		return r.failed(transfer.CodeUploadChecksum, "what arrived has another checksum than what was sent")
	}
	return r.refused()
}

// tusUpload is a resource at the far side that takes size bytes of the content,
// from base on.
type tusUpload struct {
	url        string
	base, size int64
	// override: PATCH is asked for with POST.
	override bool
}

// found asks how much an upload has. The answer says it.
func (u *tusUpload) found(ctx context.Context, c *Client, d *Upload) (int64, *uploadReply, *Failure) {
	r, f := c.deliver(ctx, d, message{method: http.MethodHead, url: u.url, header: tusHeader()})
	switch {
	case f != nil:
		return 0, nil, f
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		return 0, nil, r.forgotten()
	case r.status == http.StatusForbidden && r.header.Get("Tus-Resumable") != "":
		// From anything but the tus server itself it is about credentials.
		return 0, nil, r.forgotten()
	case !r.ok():
		return 0, nil, r.tusRefused()
	}
	offset, ok := digits(r.header.Get("Upload-Offset"))
	if !ok || offset > u.size {
		return 0, nil, r.failed(transfer.CodeUploadProtocol, "the far side does not say how much of the upload it has")
	}
	if size := r.header.Get("Upload-Length"); size != "" && size != strconv.FormatInt(u.size, 10) {
		return 0, nil, r.failed(transfer.CodeUploadProtocol, "the far side's upload is of another length than the content")
	}
	return offset, r, nil
}

func (tus) find(ctx context.Context, c *Client, d *Upload) (Found, *Failure) {
	u := tusUpload{url: d.Session.URL, size: d.Size}
	offset, r, f := u.found(ctx, c, d)
	if f != nil {
		return Found{}, f
	}
	found := Found{Offset: offset, Expires: tusExpires(r.header)}
	if offset == d.Size {
		found.Answer = r.answer()
	}
	return found, nil
}

func (tus) send(ctx context.Context, c *Client, d *Upload, from int64, p Progress) (*UploadAnswer, *Failure) {
	if d.Session.Concatenate {
		return concatenate(ctx, c, d, p)
	}
	u := tusUpload{url: d.Session.URL, size: d.Size}
	return u.send(ctx, c, d, from, p.Confirmed)
}

// send sends the content of an upload from byte from of it on. Of one that needs
// nothing more, such as an empty one, the answer is what it says of itself.
func (u *tusUpload) send(ctx context.Context, c *Client, d *Upload, from int64, confirmed func(int64, time.Time)) (*UploadAnswer, *Failure) {
	if from == u.size {
		offset, r, f := u.found(ctx, c, d)
		if f == nil && offset != u.size {
			f = r.failed(transfer.CodeUploadOffset, "the far side has %d bytes of %d", offset, u.size)
		}
		if f != nil {
			return nil, f
		}
		return r.answer(), nil
	}
	s := chunks{total: u.size, size: d.chunk(chunkSize), confirmed: confirmed}
	s.add = func(at, n int64) (added, *Failure) { return u.patch(ctx, c, d, at, n) }
	return s.send(d, from)
}

// patch adds n bytes from byte at of an upload on.
func (u *tusUpload) patch(ctx context.Context, c *Client, d *Upload, at, n int64) (added, *Failure) {
	header := tusHeader("Upload-Offset", strconv.FormatInt(at, 10), "Content-Type", tusContent)
	if f := u.checksum(ctx, d, header, at, n); f != nil {
		return added{}, f
	}
	r, f := u.deliver(ctx, c, d, message{
		method: http.MethodPatch, url: u.url, header: header, body: d.body(ctx, u.base+at, n), size: n,
		expect: d.Outgoing.Expect, keyless: true,
	})
	switch {
	case f != nil:
		return added{}, f
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		return added{}, r.forgotten()
	case r.status == http.StatusConflict:
		return added{}, r.failed(transfer.CodeUploadOffset, "the far side does not have %d bytes of the upload", at)
	case !r.ok():
		return added{}, r.tusRefused()
	}
	offset, ok := digits(r.header.Get("Upload-Offset"))
	if !ok {
		return added{}, r.failed(transfer.CodeUploadProtocol, "the far side does not say how much of the upload it has")
	}
	return added{offset: offset, expires: tusExpires(r.header), answer: r.answer(), complete: offset == u.size}, nil
}

// deliver asks with POST where PATCH is not let through.
func (u *tusUpload) deliver(ctx context.Context, c *Client, d *Upload, m message) (*uploadReply, *Failure) {
	if !u.override {
		r, f := c.deliver(ctx, d, m)
		if f != nil || r.status != http.StatusMethodNotAllowed {
			return r, f
		}
		u.override = true
	}
	m.header.Set("X-HTTP-Method-Override", m.method)
	m.method = http.MethodPost
	return c.deliver(ctx, d, m)
}

// checksum sets Upload-Checksum, for which what is sent is read once more.
func (u *tusUpload) checksum(ctx context.Context, d *Upload, header http.Header, at, n int64) *Failure {
	var h hash.Hash
	switch d.Session.Checksum {
	case "":
		return nil
	case "sha1":
		h = sha1.New() //nolint:gosec // see the import
	default:
		if sum, ok := d.wholeSum(u.base+at, n); ok {
			header.Set("Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(sum))
			return nil
		}
		h = sha256.New()
	}
	sum, f := d.sum(ctx, h, u.base+at, n)
	if f == nil {
		header.Set("Upload-Checksum", d.Session.Checksum+" "+base64.StdEncoding.EncodeToString(sum))
	}
	return f
}

// discard asks for termination, which not every server has.
func (tus) discard(ctx context.Context, c *Client, d *Upload, url string) *Failure {
	return c.erase(ctx, d, message{method: http.MethodDelete, url: url, header: tusHeader()})
}
