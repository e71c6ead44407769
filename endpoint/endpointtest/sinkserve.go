package endpointtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (s *Sink) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, Host: r.Host, Query: r.URL.RawQuery, Header: r.Header.Clone(),
		Proto: r.Proto, At: time.Now(),
	})
	s.mu.Unlock()
	t := &taking{s: s, w: w, r: r, path: r.URL.Path, fault: s.strike(r.Method, r.URL.Path)}
	if t.fault.Kind == FaultStatus && r.ContentLength == 0 || t.fault.Kind == FaultEarly && t.fault.At == 0 {
		t.fault.reply(w)
		return
	}
	query := r.URL.Query()
	switch {
	case query.Has("uploadId"):
		t.multipart(query.Get("uploadId"), query.Get("partNumber"))
	case query.Has("session"):
		t.session(query.Get("session"))
	case r.Method == http.MethodPost && r.Header.Get("X-Goog-Resumable") == "start":
		t.startSession()
	default:
		t.object()
	}
}

// object serves a path itself.
func (t *taking) object() {
	switch t.r.Method {
	case http.MethodHead, http.MethodGet:
		t.show()
	case http.MethodDelete:
		t.s.mu.Lock()
		_, ok := t.s.objects[t.path]
		delete(t.s.objects, t.path)
		t.s.mu.Unlock()
		t.done(map[bool]int{true: http.StatusNoContent, false: http.StatusNotFound}[ok])
	default:
		if value := t.r.Header.Get("Content-Range"); value != "" && !t.s.opts.IgnoreRanges {
			t.putRange(value)
			return
		}
		o := newStored(t.r.Header.Get("Content-Type"))
		if t.content(o.write) {
			t.s.store(t.path, o)
			t.done(http.StatusCreated)
		}
	}
}

// done answers a request that was carried out.
func (t *taking) done(status int) {
	if t.taken() {
		t.w.WriteHeader(status)
	}
}

func (t *taking) show() {
	o, ok := t.s.Object(t.path)
	switch {
	case !ok:
		t.done(http.StatusNotFound)
		return
	case t.r.Method == http.MethodHead && t.s.opts.NoHead:
		t.done(http.StatusMethodNotAllowed)
		return
	}
	t.s.mu.Lock()
	etag := t.s.objects[t.path].etag
	t.s.mu.Unlock()
	if etag != "" {
		t.w.Header()["ETag"] = []string{etag}
	}
	t.w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
	t.done(http.StatusOK)
	_, _ = t.w.Write(o.Data)
}

// putRange adds a range to what lies at a path. Bytes that are there already are
// not taken again, and there must be no gap.
func (t *taking) putRange(value string) {
	first, _, _, ok := sentRange(value)
	switch {
	case t.s.opts.NoRanges:
		t.done(http.StatusNotImplemented)
		return
	case !ok:
		t.done(http.StatusBadRequest)
		return
	}
	t.s.mu.Lock()
	o := t.s.objects[t.path]
	if o == nil || first == 0 {
		o = newStored(t.r.Header.Get("Content-Type"))
		o.writes = t.s.writes(t.path)
		t.s.objects[t.path] = o
	}
	t.s.mu.Unlock()
	if t.append(o, first) {
		t.done(http.StatusNoContent)
	}
}

// append takes content that begins at first into o. False means that the request
// was answered.
func (t *taking) append(o *stored, first int64) bool {
	t.s.mu.Lock()
	gap := first > o.size
	t.s.mu.Unlock()
	if gap {
		t.done(http.StatusRequestedRangeNotSatisfiable)
		return false
	}
	return t.content(func(p []byte) {
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if known := o.size - first; known < int64(len(p)) {
			o.write(p[max(known, 0):])
		}
		first += int64(len(p))
	})
}

// sentRange parses the Content-Range of a request: "bytes a-b/total", or
// "bytes */total" with a first of -1.
func sentRange(value string) (first, last, total int64, ok bool) {
	value, ok = strings.CutPrefix(value, "bytes ")
	span, all, found := strings.Cut(value, "/")
	total, err := strconv.ParseInt(all, 10, 64)
	if !ok || !found || err != nil {
		return 0, 0, 0, false
	}
	if span == "*" {
		return -1, -1, total, true
	}
	n, err := fmt.Sscanf(span, "%d-%d", &first, &last)
	return first, last, total, n == 2 && err == nil && first <= last && last < total
}
