package endpointtest

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// session is a resumable upload of Google Cloud Storage.
type session struct {
	path string
	o    *stored
	// canceled: it was deleted.
	canceled bool
}

// multipart is an S3 multipart upload.
type multipart struct {
	path  string
	parts map[int][]byte
}

// NewUpload begins an S3 multipart upload of the object at path and returns its
// id. Its URLs are those of path with the queries "partNumber=N&uploadId=ID", and
// "uploadId=ID" to complete or abort it.
func (s *Sink) NewUpload(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := "upload-" + strconv.Itoa(s.serial)
	s.uploads[id] = &multipart{path: path, parts: map[int][]byte{}}
	return id
}

// Parts are the numbers of the parts that an upload has; ok is false once it is
// completed or aborted.
func (s *Sink) Parts(id string) (numbers []int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.uploads[id]
	if !ok {
		return nil, false
	}
	for n := range u.parts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, true
}

func (t *taking) startSession() {
	t.s.mu.Lock()
	t.s.serial++
	id := "session-" + strconv.Itoa(t.s.serial)
	t.s.sessions[id] = &session{path: t.path, o: newStored(t.r.Header.Get("X-Upload-Content-Type"))}
	t.s.mu.Unlock()
	t.w.Header().Set("Location", t.s.URL(t.path)+"?session="+id)
	t.done(http.StatusOK)
}

// session serves a session's URI: a chunk, a question how far it is, or a
// cancellation.
func (t *taking) session(id string) {
	t.s.mu.Lock()
	u := t.s.sessions[id]
	if u != nil && t.r.Method == http.MethodDelete {
		u.canceled = true
	}
	gone := u != nil && u.canceled
	t.s.mu.Unlock()
	switch {
	case u == nil:
		t.done(http.StatusNotFound)
		return
	case gone:
		t.done(499)
		return
	}
	first, last, total, ok := sentRange(t.r.Header.Get("Content-Range"))
	if !ok || first >= 0 && last+1 != total && (last+1-first)%(256<<10) != 0 {
		t.done(http.StatusBadRequest)
		return
	}
	if first >= 0 && !t.append(u.o, first) {
		return
	}
	t.s.mu.Lock()
	has := u.o.size
	t.s.mu.Unlock()
	if has == total {
		if t.s.objectOf(u.path) != u.o {
			t.s.store(u.path, u.o)
		}
		t.done(http.StatusOK)
		return
	}
	if has > 0 {
		t.w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", has-1))
	}
	t.done(http.StatusPermanentRedirect)
}

func (s *Sink) objectOf(path string) *stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// multipart serves the parts of an S3 upload, its completion and its abortion.
func (t *taking) multipart(id, number string) {
	t.s.mu.Lock()
	u := t.s.uploads[id]
	t.s.mu.Unlock()
	switch {
	case u == nil:
		t.s3Error(http.StatusNotFound, "NoSuchUpload")
	case t.r.Method == http.MethodDelete:
		t.s.drop(id)
		t.done(http.StatusNoContent)
	case t.r.Method == http.MethodPost:
		t.complete(id, u)
	default:
		t.part(u, number)
	}
}

func (s *Sink) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, id)
}

func (t *taking) part(u *multipart, number string) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		t.s3Error(http.StatusBadRequest, "InvalidArgument")
		return
	}
	var data []byte
	if !t.content(func(p []byte) { data = append(data, p...) }) {
		return
	}
	t.s.mu.Lock()
	u.parts[n] = data
	t.s.mu.Unlock()
	t.w.Header()["ETag"] = []string{fmt.Sprintf(`"%x"`, md5.Sum(data))}
	t.done(http.StatusOK)
}

// complete makes the object of the parts that the request lists, in order.
func (t *taking) complete(id string, u *multipart) {
	body, err := io.ReadAll(io.LimitReader(t.r.Body, 4<<20))
	var list struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Part    []struct {
			PartNumber int
			ETag       string
		}
	}
	if err != nil || xml.Unmarshal(body, &list) != nil || len(list.Part) == 0 {
		t.s3Error(http.StatusBadRequest, "MalformedXML")
		return
	}
	if t.fault.Kind == FaultStatus {
		t.fault.reply(t.w)
		return
	}
	o, sums := newStored(""), md5.New()
	t.s.mu.Lock()
	for i, p := range list.Part {
		data, ok := u.parts[p.PartNumber]
		sum := md5.Sum(data)
		if !ok || p.ETag != fmt.Sprintf(`"%x"`, sum) || i > 0 && list.Part[i-1].PartNumber >= p.PartNumber {
			t.s.mu.Unlock()
			t.s3Error(http.StatusBadRequest, "InvalidPart")
			return
		}
		o.write(data)
		_, _ = sums.Write(sum[:]) // a hash never fails
	}
	t.s.mu.Unlock()
	o.etag = fmt.Sprintf(`"%x-%d"`, sums.Sum(nil), len(list.Part))
	t.s.store(u.path, o)
	t.s.drop(id)
	if t.taken() {
		_, _ = fmt.Fprintf(t.w, `<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>`, o.etag)
	}
}

func (t *taking) s3Error(status int, code string) {
	t.w.WriteHeader(status)
	_, _ = fmt.Fprintf(t.w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code></Error>`, code)
}
