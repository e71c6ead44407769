package s3test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"slices"
	"strings"
)

// failure is an S3 error before it is an answer.
type failure struct {
	status int
	code   string
}

// request is one S3 request taken apart.
type request struct {
	*http.Request
	op     string
	bucket string
	key    string
	body   []byte
	// size is the length of a body that was discarded.
	size int64
}

func (r *request) name() string { return r.bucket + "/" + r.key }

// answer is what will be sent, gathered first so that it can be withheld.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// operations are the S3 operations by name.
var operations = map[string]func(*Fake, *request) (answer, *failure){
	"PutObject": (*Fake).putObject, "GetObject": (*Fake).getObject, "HeadObject": (*Fake).getObject,
	"DeleteObject": (*Fake).deleteObject, "ListObjectsV2": (*Fake).listObjects, "HeadBucket": (*Fake).headBucket,
	"CreateMultipartUpload": (*Fake).createUpload, "UploadPart": (*Fake).uploadPart,
	"ListParts": (*Fake).listParts, "ListMultipartUploads": (*Fake).listUploads,
	"CompleteMultipartUpload": (*Fake).completeUpload, "AbortMultipartUpload": (*Fake).abortUpload,
}

// operation names what a request asks for.
func operation(r *http.Request, key string) string {
	q := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodHead:
		return "HeadBucket"
	case key == "" && q.Has("uploads"):
		return "ListMultipartUploads"
	case key == "":
		return "ListObjectsV2"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case q.Has("uploadId") && r.Method == http.MethodPut:
		return "UploadPart"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "AbortMultipartUpload"
	case q.Has("uploadId"):
		return "ListParts"
	}
	return map[string]string{
		http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
		http.MethodHead: "HeadObject", http.MethodGet: "GetObject",
	}[r.Method]
}

// ServeHTTP implements [http.Handler].
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{Request: r}
	req.bucket, req.key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	req.op = operation(r, req.key)
	fault := f.fault(req)
	if err := req.receive(f.discarding(req.op)); err != nil {
		return // the client went away; nothing happened
	}
	if fault.Wait != nil {
		select {
		case <-fault.Wait:
		case <-r.Context().Done():
			return
		}
	}
	failing := fault.Status != 0 || fault.Drop
	var a answer
	if !failing || fault.Apply {
		a = f.perform(req)
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Status != 0 && fault.Raw != "":
		a = answer{status: fault.Status, body: []byte(fault.Raw)}
	case fault.Status != 0:
		a = refuse(&failure{fault.Status, fault.Code})
	}
	f.send(w, req, a, fault.Header)
}

// send writes an answer out.
func (f *Fake) send(w http.ResponseWriter, req *request, a answer, extra http.Header) {
	f.mu.Lock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	f.mu.Unlock()
	for _, header := range []http.Header{a.header, extra} {
		for k, v := range header {
			w.Header()[k] = v
		}
	}
	w.WriteHeader(a.status)
	if req.Method != http.MethodHead {
		w.Write(a.body) //nolint:errcheck // the client may have gone
	}
}

// fault counts the call and asks what goes wrong with it.
func (f *Fake) fault(req *request) Fault {
	f.mu.Lock()
	f.calls[req.op]++
	n, faults := f.calls[req.op], f.faults
	f.mu.Unlock()
	if faults == nil {
		return Fault{}
	}
	return faults(Call{Op: req.op, Name: req.name(), N: n, Header: req.Header})
}

func (f *Fake) discarding(op string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.discard && (op == "UploadPart" || op == "PutObject")
}

// receive reads the body whole: a cut body changes nothing, as in S3.
func (req *request) receive(discard bool) (err error) {
	if discard {
		req.size, err = io.Copy(io.Discard, req.Body)
		return err
	}
	req.body, err = io.ReadAll(req.Body)
	req.size = int64(len(req.body))
	return err
}

// perform carries a request out under the lock.
func (f *Fake) perform(req *request) answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	do := operations[req.op]
	if do == nil || strings.HasPrefix(req.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return refuse(&failure{http.StatusNotImplemented, "NotImplemented"})
	}
	a, failed := do(f, req)
	if failed != nil {
		return refuse(failed)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

// condition returns a request header unless the fake ignores it.
func (f *Fake) condition(req *request, header string) string {
	if slices.Contains(f.ignores, header) {
		return ""
	}
	return req.Header.Get(header)
}

// check obeys If-None-Match and If-Match as AWS does.
func (f *Fake) check(req *request) *failure {
	o := f.objects[req.name()]
	if f.condition(req, "If-None-Match") == "*" && o != nil {
		return &failure{http.StatusPreconditionFailed, "PreconditionFailed"}
	}
	match := f.condition(req, "If-Match")
	switch {
	case match == "":
		return nil
	case o == nil:
		return &failure{http.StatusNotFound, "NoSuchKey"}
	case match != "*" && match != quote(o.etag):
		return &failure{http.StatusPreconditionFailed, "PreconditionFailed"}
	}
	return nil
}

func quote(etag string) string { return `"` + etag + `"` }

// refuse builds an S3 error answer.
func refuse(failed *failure) answer {
	type errorBody struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	a := reply(errorBody{Code: failed.code, Message: "a fake refuses"})
	a.status = failed.status
	return a
}

// reply builds an answer from a value.
func reply(v any) answer {
	var buf bytes.Buffer
	buf.WriteString(xml.Header)
	if err := xml.NewEncoder(&buf).Encode(v); err != nil {
		panic(err) // a bug of this package: its own types always encode
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: buf.Bytes()}
}
