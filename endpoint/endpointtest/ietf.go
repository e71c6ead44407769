package endpointtest

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// interopVersion is that of the draft that the server speaks.
const interopVersion = "8"

// tellEvery is how many bytes pass between two informational answers.
const tellEvery = 256 << 10

// NewIETF starts a server of resumable uploads for HTTP
// (draft-ietf-httpbis-resumable-upload) that ends with the test.
func NewIETF(tb testing.TB, opts ResumableOptions) *Resumable {
	tb.Helper()
	return newResumable(tb, opts, StartIETF)
}

// StartIETF starts the same; the caller closes it.
func StartIETF(opts ResumableOptions) (*Resumable, error) {
	return startResumable(opts, func(s *Resumable) http.HandlerFunc { return (&ietfServer{s}).serve })
}

type ietfServer struct{ *Resumable }

func (t *ietfServer) serve(w http.ResponseWriter, r *http.Request) {
	t.record(r)
	if r.Header.Get("Upload-Draft-Interop-Version") != interopVersion {
		t.violated(r, "the interop version is missing or another")
	}
	switch {
	case r.Method == http.MethodOptions:
		t.options(w)
	case t.strikes(w, r.Method, r.ContentLength):
	case r.URL.Path == Path && (r.Method == http.MethodPost || r.Method == http.MethodPut):
		t.create(w, r)
	case r.URL.Path == Path:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		t.resource(w, r)
	}
}

func (t *ietfServer) options(w http.ResponseWriter) {
	t.mu.Lock()
	status := t.faults.OptionsStatus
	t.mu.Unlock()
	if status == 0 {
		status = http.StatusNoContent
		t.limit(w)
	}
	w.WriteHeader(status)
}

// limit says what is allowed.
func (t *ietfServer) limit(w http.ResponseWriter) {
	var all []string
	for _, l := range []struct {
		name  string
		value int64
	}{
		{"max-size", t.opts.MaxSize},
		{"max-append-size", t.opts.MaxAppend},
		{"min-append-size", t.opts.MinAppend},
		{"max-age", int64(t.opts.Expires.Seconds())},
	} {
		if l.value > 0 {
			all = append(all, fmt.Sprintf("%s=%d", l.name, l.value))
		}
	}
	if len(all) == 0 {
		all = []string{"min-size=0"}
	}
	w.Header().Set("Upload-Limit", strings.Join(all, ", "))
}

// boolean reads a header that must be ?0 or ?1.
func boolean(h http.Header, name string) (value, ok bool) {
	v := h.Values(name)
	return len(v) == 1 && v[0] == "?1", len(v) == 1 && (v[0] == "?0" || v[0] == "?1")
}

func (t *ietfServer) create(w http.ResponseWriter, r *http.Request) {
	complete, ok := boolean(r.Header, "Upload-Complete")
	length, known := natural(r.Header, "Upload-Length")
	switch {
	case !ok:
		t.violated(r, "no Upload-Complete")
		w.WriteHeader(http.StatusBadRequest)
		return
	case !known:
		t.violated(r, "the length is known and not told")
		length = r.ContentLength
	case t.opts.MaxSize > 0 && length > t.opts.MaxSize:
		t.limit(w)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	u, err := t.make(length)
	if err != nil {
		http.Error(w, "no room", http.StatusInternalServerError)
		return
	}
	u.busy.Lock()
	u.media, u.metadata = r.Header.Get("Content-Type"), r.Header.Get("Content-Disposition")
	u.reprDigest = r.Header.Get("Repr-Digest")
	u.busy.Unlock()
	w.Header().Set("Location", u.location())
	t.limit(w)
	if t.interim() {
		w.WriteHeader(104)
	}
	t.loses(r.Method)
	if r.ContentLength != 0 || complete {
		r.URL.Path = u.path
		if u, ok := t.take(w, r); ok {
			defer u.release()
			t.append(w, r, u, complete)
		}
		return
	}
	w.Header().Set("Upload-Complete", "?0")
	w.WriteHeader(http.StatusCreated)
}

func (t *ietfServer) interim() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.faults.NoInterim
}

func (t *ietfServer) resource(w http.ResponseWriter, r *http.Request) {
	u, ok := t.take(w, r)
	if !ok {
		return
	}
	defer u.release()
	switch r.Method {
	case http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
		w.Header().Set("Upload-Length", strconv.FormatInt(u.length, 10))
		w.Header().Set("Upload-Complete", "?0")
		if u.complete {
			w.Header().Set("Upload-Complete", "?1")
		}
		w.Header().Set("Cache-Control", "no-store")
		t.limit(w)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		t.patch(w, r, u)
	case http.MethodDelete:
		u.forget()
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (t *ietfServer) patch(w http.ResponseWriter, r *http.Request, u *upload) {
	offset, told := natural(r.Header, "Upload-Offset")
	complete, ok := boolean(r.Header, "Upload-Complete")
	status := 0
	switch {
	case r.Header.Get("Content-Type") != "application/partial-upload":
		t.violated(r, "the content type is wrong")
		status = http.StatusUnsupportedMediaType
	case !told || !ok:
		t.violated(r, "no Upload-Offset or no Upload-Complete")
		status = http.StatusBadRequest
	case t.opts.MaxAppend > 0 && r.ContentLength > t.opts.MaxAppend:
		t.violated(r, "it is larger than max-append-size")
		status = http.StatusRequestEntityTooLarge
	case !complete && r.ContentLength < max(t.opts.MinAppend, 1):
		t.violated(r, "it is smaller than min-append-size")
		status = http.StatusBadRequest
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if offset != u.offset || u.complete {
		t.mu.Lock()
		t.conflicts++
		t.mu.Unlock()
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
		problem(w, http.StatusConflict, "mismatching-upload-offset")
		return
	}
	if complete && offset+r.ContentLength != u.length {
		t.violated(r, "its length is another than that of the upload")
		problem(w, http.StatusBadRequest, "inconsistent-upload-length")
		return
	}
	t.append(w, r, u, complete)
}

func problem(w http.ResponseWriter, status int, name string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Upload-Complete", "?0")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"https://iana.org/assignments/http-problem-types#%s","title":"refused"}`, name)
}

// append takes the body and answers.
func (t *ietfServer) append(w http.ResponseWriter, r *http.Request, u *upload, complete bool) {
	before, last := u.offset, u.offset
	digest := r.Header.Get("Content-Digest")
	// What is damaged or cut is not kept if it has a digest: nobody could tell.
	kept := digest == ""
	interim := t.interim() && kept && r.Method == http.MethodPatch
	defer func() {
		if !kept {
			u.offset = before
		}
	}()
	err := u.receive(r, func(offset int64) {
		if interim && offset-last >= tellEvery {
			last = offset
			w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
			w.WriteHeader(104)
			w.Header().Del("Upload-Offset")
		}
	})
	switch {
	case errors.Is(err, errTooMuch):
		t.violated(r, "it sends more than the upload's length")
		problem(w, http.StatusBadRequest, "inconsistent-upload-length")
		return
	case err != nil:
		return
	case digest != "" && digest != field(io.NewSectionReader(readerAt{u.content}, before, u.offset-before)):
		problem(w, http.StatusBadRequest, "digest-mismatching-values")
		return
	}
	kept = true
	t.answer(w, r, u, complete && u.offset == u.length)
}

// field is the value of a Content-Digest or Repr-Digest.
func field(r io.Reader) string {
	h := sha256.New()
	// Reading what was written does not fail.
	_, _ = io.Copy(h, r)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ":"
}

func (t *ietfServer) answer(w http.ResponseWriter, r *http.Request, u *upload, complete bool) {
	t.mu.Lock()
	u.complete = u.complete || complete
	result, silent := t.faults.ResultStatus, t.faults.NoComplete
	t.mu.Unlock()
	t.loses(r.Method)
	if !silent {
		w.Header().Set("Upload-Complete", map[bool]string{true: "?1", false: "?0"}[complete])
	}
	if !complete {
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.lied(), 10))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if u.reprDigest != "" && u.reprDigest != field(u.content.reader(u.offset)) {
		t.violated(r, "Repr-Digest is not that of the content")
	}
	if result != 0 {
		w.WriteHeader(result)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"size":%d}`, u.offset)
}
