package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serveDiscardFlag makes this program the S3 server that discards.
const serveDiscardFlag = "serve-discard-s3"

// discardAddrVariable names the address that the discarding server listens on.
const discardAddrVariable = "BENCH_DISCARD_ADDR"

// discard is an S3 server that keeps the sizes and metadata of objects and
// drops their bytes: it costs as little as a server can, so that what is
// measured is the client. It checks no signature and no checksum, and obeys
// If-None-Match.
type discard struct {
	mu sync.Mutex // guards all below
	// objects is by "/bucket/key", uploads by id.
	objects map[string]stored
	uploads map[string]*pending
	serial  int
}

// stored is what is kept of an object.
type stored struct {
	size   int64
	etag   string
	meta   http.Header
	landed time.Time
}

// pending is a multipart upload: sizes by part number.
type pending struct {
	meta  http.Header
	parts map[string]int64
}

func newDiscard() *discard {
	return &discard{objects: make(map[string]stored), uploads: make(map[string]*pending)}
}

// serveDiscard runs the server until the context ends.
func serveDiscard(ctx context.Context) error {
	l, err := net.Listen("tcp", os.Getenv(discardAddrVariable))
	if err != nil {
		return fmt.Errorf("serve S3: %w", err)
	}
	s := &http.Server{Handler: newDiscard(), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { s.Close() }) //nolint:errcheck // the process ends
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve S3: %w", err)
	}
	return nil
}

// ServeHTTP implements http.Handler for the calls that uploading takes.
func (d *discard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client went away; nothing happened
	}
	if declared, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		size = declared // the body came in signed chunks
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	query := r.URL.Query()
	switch id := query.Get("uploadId"); {
	case r.Method == http.MethodPost && query.Has("uploads"):
		d.create(w, r)
	case r.Method == http.MethodPut && id != "":
		d.part(w, id, query.Get("partNumber"), size)
	case r.Method == http.MethodPost && id != "":
		d.complete(w, r, id)
	case r.Method == http.MethodDelete && id != "":
		delete(d.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		d.publish(w, r, stored{size: size, meta: metadata(r.Header)}, nil)
	case r.Method == http.MethodDelete:
		delete(d.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodHead && isBucket(r.URL.Path):
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodHead:
		d.head(w, r)
	case r.Method == http.MethodGet && isBucket(r.URL.Path):
		reply(w, struct{}{}, "ListBucketResult")
	default:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	}
}

func isBucket(path string) bool { return strings.Count(strings.Trim(path, "/"), "/") == 0 }

// metadata are the headers that are kept with an object.
func metadata(h http.Header) http.Header {
	kept := make(http.Header)
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") || name == "Content-Type" {
			kept[name] = values
		}
	}
	return kept
}

// next returns a name that was not used before.
func (d *discard) next(kind string) string {
	d.serial++
	return kind + strconv.Itoa(d.serial)
}

func (d *discard) create(w http.ResponseWriter, r *http.Request) {
	id := d.next("upload")
	d.uploads[id] = &pending{meta: metadata(r.Header), parts: make(map[string]int64)}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	reply(w, struct{ Bucket, Key, UploadId string }{bucket, key, id}, "InitiateMultipartUploadResult")
}

func (d *discard) part(w http.ResponseWriter, id, number string, size int64) {
	u := d.uploads[id]
	if u == nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	u.parts[number] = size
	w.Header().Set("ETag", `"`+d.next("part")+`"`)
}

func (d *discard) complete(w http.ResponseWriter, r *http.Request, id string) {
	u := d.uploads[id]
	if u == nil {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	o := stored{meta: u.meta}
	for _, size := range u.parts {
		o.size += size
	}
	d.publish(w, r, o, func() {
		delete(d.uploads, id)
		reply(w, struct{ ETag string }{d.objects[r.URL.Path].etag}, "CompleteMultipartUploadResult")
	})
}

// publish makes an object visible, unless its condition forbids it.
func (d *discard) publish(w http.ResponseWriter, r *http.Request, o stored, done func()) {
	if _, exists := d.objects[r.URL.Path]; exists && r.Header.Get("If-None-Match") == "*" {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	o.etag, o.landed = `"`+d.next("object")+`"`, time.Now()
	d.objects[r.URL.Path] = o
	w.Header().Set("ETag", o.etag)
	if done != nil {
		done()
	}
}

func (d *discard) head(w http.ResponseWriter, r *http.Request) {
	o, exists := d.objects[r.URL.Path]
	if !exists {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	for name, values := range o.meta {
		w.Header()[name] = values
	}
	w.Header().Set("ETag", o.etag)
	w.Header().Set("Last-Modified", o.landed.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.FormatInt(o.size, 10))
}

// reply writes a value as an XML document of that name.
func reply(w http.ResponseWriter, value any, name string) {
	w.Header().Set("Content-Type", "application/xml")
	start := xml.StartElement{Name: xml.Name{Local: name}}
	if err := xml.NewEncoder(w).EncodeElement(value, start); err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}
