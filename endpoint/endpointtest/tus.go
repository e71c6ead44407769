package endpointtest

import (
	"crypto/sha1" //nolint:gosec // tus wants it
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tusVersion = "1.0.0"

// TusExtensions are the extensions of tus that the server has.
var TusExtensions = []string{"creation", "expiration", "checksum", "termination", "concatenation"}

// NewTus starts a server of tus 1.0.0 that ends with the test.
func NewTus(tb testing.TB, opts ResumableOptions) *Resumable {
	tb.Helper()
	return newResumable(tb, opts, StartTus)
}

// StartTus starts a server of tus 1.0.0; the caller closes it.
func StartTus(opts ResumableOptions) (*Resumable, error) {
	if opts.Extensions == nil {
		opts.Extensions = TusExtensions
	}
	if opts.Algorithms == nil {
		opts.Algorithms = []string{"md5", "sha1", "sha256"}
	}
	return startResumable(opts, func(s *Resumable) http.HandlerFunc { return (&tusServer{s}).serve })
}

type tusServer struct{ *Resumable }

func (t *tusServer) has(extension string) bool { return slices.Contains(t.opts.Extensions, extension) }

func (t *tusServer) serve(w http.ResponseWriter, r *http.Request) {
	t.record(r)
	method := r.Method
	t.mu.Lock()
	refuses := t.faults.NoPatch && method == http.MethodPatch
	t.mu.Unlock()
	if over := r.Header.Get("X-Http-Method-Override"); over != "" {
		method = over
	}
	if method == http.MethodOptions {
		t.options(w)
		return
	}
	w.Header().Set("Tus-Resumable", tusVersion)
	switch {
	case t.strikes(w, method, r.ContentLength):
	case r.Header.Get("Tus-Resumable") != tusVersion:
		t.violated(r, "no Tus-Resumable")
		w.Header().Set("Tus-Version", tusVersion)
		w.WriteHeader(http.StatusPreconditionFailed)
	case refuses:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.URL.Path == Path && method == http.MethodPost:
		t.post(w, r)
	case r.URL.Path == Path:
		t.violated(r, "the method is not for this URL")
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		t.resource(w, r, method)
	}
}

func (t *tusServer) options(w http.ResponseWriter) {
	t.mu.Lock()
	status := t.faults.OptionsStatus
	t.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Tus-Resumable", tusVersion)
	w.Header().Set("Tus-Version", tusVersion+",0.2.2")
	if len(t.opts.Extensions) > 0 {
		w.Header().Set("Tus-Extension", strings.Join(t.opts.Extensions, ","))
	}
	if t.has("checksum") {
		w.Header().Set("Tus-Checksum-Algorithm", strings.Join(t.opts.Algorithms, ","))
	}
	if t.opts.MaxSize > 0 {
		w.Header().Set("Tus-Max-Size", strconv.FormatInt(t.opts.MaxSize, 10))
	}
	w.WriteHeader(http.StatusNoContent)
}

// post makes an upload, or puts uploads together.
func (t *tusServer) post(w http.ResponseWriter, r *http.Request) {
	concat := r.Header.Get("Upload-Concat")
	parts, final := strings.CutPrefix(concat, "final;")
	length, known := natural(r.Header, "Upload-Length")
	status := 0
	switch {
	case !t.has("creation"):
		status = http.StatusNotFound
	case concat != "" && !t.has("concatenation"):
		t.violated(r, "no concatenation was offered")
		status = http.StatusBadRequest
	case concat != "" && concat != "partial" && !final, final == (r.Header.Get("Upload-Length") != ""), !final && !known:
		t.violated(r, "Upload-Length and Upload-Concat do not fit")
		status = http.StatusBadRequest
	case !metadataIsValid(r.Header.Get("Upload-Metadata")):
		t.violated(r, "the metadata is malformed")
		status = http.StatusBadRequest
	case r.ContentLength != 0:
		t.violated(r, "no creation with upload was offered")
		status = http.StatusBadRequest
	case t.opts.MaxSize > 0 && length > t.opts.MaxSize:
		t.violated(r, "it is larger than Tus-Max-Size")
		status = http.StatusRequestEntityTooLarge
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if !final {
		parts = ""
	}
	t.create(w, r, length, strings.Fields(parts), final)
}

func (t *tusServer) create(w http.ResponseWriter, r *http.Request, length int64, parts []string, final bool) {
	joined, status := t.parts(r, parts)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	for _, p := range joined {
		length += p.length
	}
	u, err := t.make(length)
	if err != nil {
		http.Error(w, "no room", http.StatusInternalServerError)
		return
	}
	u.busy.Lock()
	u.concat, u.final, u.metadata = r.Header.Get("Upload-Concat"), final, r.Header.Get("Upload-Metadata")
	for _, p := range joined {
		u.copyOf(p)
	}
	t.mu.Lock() // parts looks at it
	u.partial, u.complete = u.concat == "partial", u.offset == u.length
	t.mu.Unlock()
	u.busy.Unlock()
	t.loses(http.MethodPost)
	w.Header().Set("Location", u.location())
	t.expires(w)
	w.WriteHeader(http.StatusCreated)
}

// parts finds the uploads that are to be put together.
func (t *tusServer) parts(r *http.Request, urls []string) (found []*upload, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, raw := range urls {
		u := t.uploads[pathOf(raw)]
		switch {
		case u == nil || u.gone != 0:
			return nil, http.StatusNotFound
		case !u.partial || !u.complete:
			t.violations = append(t.violations, r.Method+" "+r.URL.Path+": a part is not complete")
			return nil, http.StatusBadRequest
		}
		found = append(found, u)
	}
	return found, 0
}

// copyOf appends another upload.
func (u *upload) copyOf(p *upload) {
	p.busy.Lock()
	data, _ := io.ReadAll(p.content.reader(p.offset)) // what was written can be read
	p.busy.Unlock()
	if u.content.write(data, u.offset) == nil {
		u.offset += int64(len(data))
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	if u.s.faults.ForgetParts {
		p.gone = http.StatusNotFound
	}
}

func (t *tusServer) expires(w http.ResponseWriter) {
	if t.opts.Expires > 0 {
		w.Header().Set("Upload-Expires", time.Now().Add(t.opts.Expires).UTC().Format(http.TimeFormat))
	}
}

// resource answers requests to an upload.
func (t *tusServer) resource(w http.ResponseWriter, r *http.Request, method string) {
	u, ok := t.take(w, r)
	if !ok {
		return
	}
	defer u.release()
	switch {
	case method == http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
		w.Header().Set("Upload-Length", strconv.FormatInt(u.length, 10))
		w.Header().Set("Cache-Control", "no-store")
		if u.concat != "" {
			w.Header().Set("Upload-Concat", u.concat)
		}
		t.expires(w)
		w.WriteHeader(http.StatusOK)
	case method == http.MethodPatch:
		t.patch(w, r, u)
	case method == http.MethodDelete && t.has("termination"):
		u.forget()
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (t *tusServer) patch(w http.ResponseWriter, r *http.Request, u *upload) {
	offset, ok := natural(r.Header, "Upload-Offset")
	status := 0
	switch {
	case u.final:
		t.violated(r, "the upload was put together")
		status = http.StatusForbidden
	case r.Header.Get("Content-Type") != "application/offset+octet-stream":
		t.violated(r, "the content type is wrong")
		status = http.StatusUnsupportedMediaType
	case !ok:
		t.violated(r, "no Upload-Offset")
		status = http.StatusBadRequest
	case offset != u.offset:
		t.mu.Lock()
		t.conflicts++
		t.mu.Unlock()
		status = http.StatusConflict
	}
	sum, bad := t.checksum(r)
	if bad {
		status = http.StatusBadRequest
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if !t.append(w, r, u, sum) {
		return
	}
	t.loses(http.MethodPatch)
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.lied(), 10))
	t.expires(w)
	w.WriteHeader(http.StatusNoContent)
}

// append takes the body; a chunk with a checksum whole or not at all.
func (t *tusServer) append(w http.ResponseWriter, r *http.Request, u *upload, sum *checksum) bool {
	before := u.offset
	whole := false
	defer func() {
		if sum != nil && !whole {
			u.offset = before
		}
		t.mu.Lock() // parts looks at it
		u.complete = u.offset == u.length
		t.mu.Unlock()
	}()
	err := u.receive(r, func(int64) {})
	switch {
	case errors.Is(err, errTooMuch):
		t.violated(r, "it sends more than Upload-Length")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return false
	case err != nil:
		return false
	case sum != nil && !sum.fits(io.NewSectionReader(readerAt{u.content}, before, u.offset-before)):
		w.WriteHeader(460)
		return false
	}
	whole = true
	return true
}

// checksum is a parsed Upload-Checksum.
type checksum struct {
	hash hash.Hash
	want []byte
}

func (c *checksum) fits(r io.Reader) bool {
	// Reading what was written does not fail.
	_, _ = io.Copy(c.hash, r)
	return slices.Equal(c.hash.Sum(nil), c.want)
}

func (t *tusServer) checksum(r *http.Request) (sum *checksum, bad bool) {
	value := r.Header.Get("Upload-Checksum")
	if value == "" {
		return nil, false
	}
	name, encoded, _ := strings.Cut(value, " ")
	want, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !t.has("checksum") || !slices.Contains(t.opts.Algorithms, name) {
		t.violated(r, "Upload-Checksum is malformed or was not offered")
		return nil, true
	}
	switch name {
	case "sha1":
		return &checksum{sha1.New(), want}, false //nolint:gosec // see the import
	case "sha256":
		return &checksum{sha256.New(), want}, false
	}
	return nil, true
}

// readerAt reads content from anywhere.
type readerAt struct{ *bytesHeld }

// ReadAt implements io.ReaderAt.
func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if r.file != nil {
		return r.file.ReadAt(p, off)
	}
	if off >= int64(len(r.mem)) {
		return 0, io.EOF
	}
	n := copy(p, r.mem[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// metadataIsValid checks keys and values of an Upload-Metadata.
func metadataIsValid(value string) bool {
	if value == "" {
		return true
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(value, ",") {
		key, encoded, _ := strings.Cut(pair, " ")
		if _, err := base64.StdEncoding.DecodeString(encoded); err != nil || key == "" || seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}
