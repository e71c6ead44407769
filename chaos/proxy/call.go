package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"hash"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"google.golang.org/protobuf/proto"

	"godwit/chaos/history"
	recordv1 "godwit/protos/godwit/record/v1"
)

// call is one request taken apart.
type call struct {
	node string
	r    *http.Request
	seen history.Store
	// began and answered are times of the run.
	began, answered time.Duration
	// told is how many bytes of the answer's body the client was given.
	told int64

	mu sync.Mutex // guards what follows: the body may still be read after the answer
	// sum is that of the body that was sent so far, sent its length in bytes.
	sum  hash.Hash64
	sent int64
}

// read takes a request apart.
func (p *Proxy) read(node string, r *http.Request) *call {
	c := &call{node: node, r: r, began: p.opts.Clock(), sum: crc64nvme.New()}
	c.seen.Size = max(r.ContentLength, 0)
	if p.opts.Plain {
		c.seen.Op, c.seen.Key = strings.ToLower(r.Method), r.URL.Path
		return c
	}
	q := r.URL.Query()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.seen.Op = operation(r, key)
	if key == "" {
		key = q.Get("prefix")
	}
	name := bucket + "/" + key
	c.seen.Key = name
	if below, ok := strings.CutPrefix(name, p.opts.State+"/"); ok && p.opts.State != "" {
		c.seen.Key, c.seen.Record = below, true
	}
	c.seen.Upload = q.Get("uploadId")
	c.seen.Part, _ = strconv.Atoi(q.Get("partNumber"))
	c.seen.IfMatch = strings.Trim(r.Header.Get("If-Match"), `"`)
	c.seen.IfNoneMatch = strings.Trim(r.Header.Get("If-None-Match"), `"`)
	return c
}

// operation is the word of history.Store for what a request asks for.
func operation(r *http.Request, key string) string {
	q := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodHead:
		return "head"
	case key == "" && q.Has("uploads"):
		return "upload.list"
	case key == "":
		return "list"
	case q.Has("uploads"):
		return "upload.create"
	case r.Method == http.MethodPost:
		return "upload.complete"
	case q.Has("uploadId") && r.Method == http.MethodPut:
		return "upload.part"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "upload.abort"
	case q.Has("uploadId"):
		return "upload.list"
	}
	return strings.ToLower(r.Method)
}

// whole tells whether the bodies of a call are small and looked into.
func (c *call) whole() bool {
	switch c.seen.Op {
	case "put", "get":
		return c.seen.Record
	case "upload.create", "upload.complete":
		return true
	}
	return false
}

// Read implements [io.Reader]: it is the body of the request, counted and summed
// on its way.
func (c *call) Read(b []byte) (int, error) {
	n, err := c.r.Body.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent += int64(n)
	c.sum.Write(b[:n]) //nolint:errcheck // a hash takes everything
	return n, err
}

// digest is that of the body, once it was read.
func (c *call) digest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent == 0 {
		return ""
	}
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, c.sum.Sum64()))
}

// note reads the envelope of a record; what is none says nothing.
func (c *call) note(body []byte) {
	var e recordv1.Envelope
	if len(body) == 0 || proto.Unmarshal(body, &e) != nil || e.GetFormat() == 0 || xxhash.Sum64(e.GetBody()) != e.GetChecksum() {
		return
	}
	c.seen.Epoch, c.seen.Sequence = e.GetEpoch(), e.GetSequence()
	c.seen.Owner, c.seen.Incarnation = e.GetOwner().GetNode(), e.GetOwner().GetIncarnation()
}

// noteUpload reads the answer to who begins an upload.
func (c *call) noteUpload(body []byte) {
	var begun struct{ UploadId string } //nolint:revive // the name is S3's
	if xml.Unmarshal(body, &begun) == nil {
		c.seen.Upload = begun.UploadId
	}
}

// event is what is written down of a call; nil is nothing.
func (c *call) event(p *Proxy) *history.Event {
	e := &history.Event{At: c.began, End: c.answered, Node: c.node, Life: p.opts.Life(c.node)}
	if !p.opts.Plain {
		c.seen.Digest = c.digest()
		e.Store = &c.seen
		return e
	}
	if c.seen.Op != "get" {
		return nil
	}
	e.Serve = &history.Serve{ID: path.Base(c.r.URL.Path), Bytes: c.told, Status: c.seen.Told, Fault: c.seen.Fault}
	if from, ok := strings.CutPrefix(c.r.Header.Get("Range"), "bytes="); ok {
		from, _, _ = strings.Cut(from, "-")
		e.Serve.Offset, _ = strconv.ParseInt(from, 10, 64)
	}
	return e
}

// throttle is a reader of so many bytes a second.
type throttle struct {
	io.Reader
	rate int64
	wait func(time.Duration)
}

// throttlePiece is how many parts of a second pass at once.
const throttlePiece = 20

func (t *throttle) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b[:min(int64(len(b)), max(t.rate/throttlePiece, 1))])
	t.wait(time.Duration(int64(n) * int64(time.Second) / t.rate))
	return n, err
}
