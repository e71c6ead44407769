package s3test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
)

const headerCRC = "X-Amz-Checksum-Crc64nvme"

// metadata are the request headers that are kept with an object.
func metadata(h http.Header) http.Header {
	kept := make(http.Header)
	for k, v := range h {
		if strings.HasPrefix(k, "X-Amz-Meta-") || k == "Content-Type" {
			kept[k] = v
		}
	}
	return kept
}

// store builds an object from a request body, checking its checksum.
func (f *Fake) store(req *request) (*object, *failure) {
	o := &object{size: req.size, meta: metadata(req.Header), modified: f.now()}
	if f.discard {
		o.etag = f.nextID("etag")
		return o, nil
	}
	o.body = req.body
	o.crc = crc64nvme.Checksum(req.body)
	sum := md5.Sum(req.body)
	o.etag = hex.EncodeToString(sum[:])
	if want := req.Header.Get(headerCRC); want != "" && want != encodeCRC(o.crc) {
		return nil, &failure{http.StatusBadRequest, "BadDigest"}
	}
	return o, nil
}

func encodeCRC(crc uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc))
}

func (f *Fake) putObject(req *request) (answer, *failure) {
	if failed := f.check(req); failed != nil {
		return answer{}, failed
	}
	o, failed := f.store(req)
	if failed != nil {
		return answer{}, failed
	}
	f.objects[req.name()] = o
	return answer{header: http.Header{"Etag": {quote(o.etag)}}}, nil
}

func (f *Fake) getObject(req *request) (answer, *failure) {
	o := f.objects[req.name()]
	if o == nil {
		return answer{}, &failure{http.StatusNotFound, "NoSuchKey"}
	}
	a := answer{header: maps.Clone(o.meta), body: o.body, status: http.StatusOK}
	a.header.Set("ETag", quote(o.etag))
	a.header.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	if o.checked {
		a.header.Set(headerCRC, encodeCRC(o.crc))
		a.header.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	if from, ok := strings.CutPrefix(f.condition(req, "Range"), "bytes="); ok {
		offset, err := strconv.ParseInt(strings.TrimSuffix(from, "-"), 10, 64)
		if err != nil || offset >= o.size {
			return answer{}, &failure{http.StatusRequestedRangeNotSatisfiable, "InvalidRange"}
		}
		a.status, a.body = http.StatusPartialContent, o.body[offset:]
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, o.size-1, o.size))
	}
	a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	return a, nil
}

func (f *Fake) deleteObject(req *request) (answer, *failure) {
	if failed := f.check(req); failed != nil {
		return answer{}, failed
	}
	delete(f.objects, req.name())
	return answer{status: http.StatusNoContent}, nil
}

func (f *Fake) headBucket(*request) (answer, *failure) { return answer{}, nil }

func (f *Fake) listObjects(req *request) (answer, *failure) {
	type entry struct {
		Key          string
		LastModified string
		ETag         string
		Size         int64
	}
	type listing struct {
		XMLName               struct{} `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []entry
	}
	q := req.URL.Query()
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	limit := count(q.Get("max-keys"))
	var page listing
	for _, name := range slices.Sorted(maps.Keys(f.objects)) {
		key, ok := strings.CutPrefix(name, req.bucket+"/")
		if !ok || !strings.HasPrefix(key, q.Get("prefix")) || key <= after {
			continue
		}
		if len(page.Contents) == limit {
			page.IsTruncated, page.NextContinuationToken = true, page.Contents[limit-1].Key
			break
		}
		o := f.objects[name]
		page.Contents = append(page.Contents, entry{key, stamp(o.modified), quote(o.etag), o.size})
	}
	return reply(page), nil
}

// count reads a page size; S3's default and most is 1000.
func count(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 1000
	}
	return n
}
