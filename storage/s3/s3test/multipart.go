package s3test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/crc64nvme"
)

// minPart is the least size in bytes of every part but the last.
const minPart = 5 << 20

// stamp is the date format of S3 listings.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (f *Fake) createUpload(req *request) (answer, *failure) {
	type created struct {
		XMLName               struct{} `xml:"InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string   //nolint:revive // as S3 spells it
	}
	id := f.nextID("upload")
	f.uploads[id] = &upload{
		name: req.name(), meta: metadata(req.Header), initiated: f.now(),
		checked: f.condition(req, "X-Amz-Checksum-Algorithm") != "", parts: make(map[int]*object),
	}
	return reply(created{Bucket: req.bucket, Key: req.key, UploadId: id}), nil
}

// find returns the upload that a request names.
func (f *Fake) find(req *request) (*upload, *failure) {
	u := f.uploads[req.URL.Query().Get("uploadId")]
	if u == nil || u.name != req.name() {
		return nil, &failure{http.StatusNotFound, "NoSuchUpload"}
	}
	return u, nil
}

func (f *Fake) uploadPart(req *request) (answer, *failure) {
	u, failed := f.find(req)
	if failed != nil {
		return answer{}, failed
	}
	number, err := strconv.Atoi(req.URL.Query().Get("partNumber"))
	if err != nil || number < 1 || number > 10000 {
		return answer{}, &failure{http.StatusBadRequest, "InvalidArgument"}
	}
	o, failed := f.store(req)
	if failed != nil {
		return answer{}, failed
	}
	u.parts[number] = o
	header := http.Header{"Etag": {quote(o.etag)}}
	if u.checked && !f.discard {
		header.Set(headerCRC, encodeCRC(o.crc))
	}
	return answer{header: header}, nil
}

func (f *Fake) listParts(req *request) (answer, *failure) {
	type entry struct {
		PartNumber        int
		ETag              string
		Size              int64
		ChecksumCRC64NVME string `xml:",omitempty"`
	}
	type listing struct {
		XMLName              struct{} `xml:"ListPartsResult"`
		IsTruncated          bool
		NextPartNumberMarker int
		Part                 []entry
	}
	u, failed := f.find(req)
	if failed != nil {
		return answer{}, failed
	}
	q := req.URL.Query()
	marker, _ := strconv.Atoi(q.Get("part-number-marker"))
	limit := count(q.Get("max-parts"))
	var page listing
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		if number <= marker {
			continue
		}
		if len(page.Part) == limit {
			page.IsTruncated, page.NextPartNumberMarker = true, page.Part[limit-1].PartNumber
			break
		}
		p := u.parts[number]
		e := entry{PartNumber: number, ETag: quote(p.etag), Size: p.size}
		if u.checked {
			e.ChecksumCRC64NVME = encodeCRC(p.crc)
		}
		page.Part = append(page.Part, e)
	}
	return reply(page), nil
}

func (f *Fake) listUploads(req *request) (answer, *failure) {
	type entry struct {
		Key, UploadId, Initiated string //nolint:revive // as S3 spells it
	}
	type listing struct {
		XMLName struct{} `xml:"ListMultipartUploadsResult"`
		Upload  []entry
	}
	var page listing
	for _, id := range slices.Sorted(maps.Keys(f.uploads)) {
		u := f.uploads[id]
		key, ok := strings.CutPrefix(u.name, req.bucket+"/")
		if ok && strings.HasPrefix(key, req.URL.Query().Get("prefix")) {
			page.Upload = append(page.Upload, entry{key, id, stamp(u.initiated)})
		}
	}
	return reply(page), nil
}

// chosen is one part that a CompleteMultipartUpload names.
type chosen struct {
	PartNumber        int
	ETag              string
	ChecksumCRC64NVME string
}

func (f *Fake) completeUpload(req *request) (answer, *failure) {
	type completed struct {
		XMLName           struct{} `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}
	u, failed := f.find(req)
	if failed != nil {
		return answer{}, failed
	}
	var list struct{ Part []chosen }
	if err := xml.Unmarshal(req.body, &list); err != nil || len(list.Part) == 0 {
		return answer{}, &failure{http.StatusBadRequest, "MalformedXML"}
	}
	if failed := f.check(req); failed != nil {
		return answer{}, failed
	}
	o, failed := u.assemble(list.Part)
	if failed != nil {
		return answer{}, failed
	}
	if want := req.Header.Get(headerCRC); u.checked && !f.discard && want != "" && want != encodeCRC(o.crc) {
		return answer{}, &failure{http.StatusBadRequest, "BadDigest"}
	}
	o.modified = f.now()
	f.objects[req.name()] = o
	delete(f.uploads, req.URL.Query().Get("uploadId"))
	return reply(completed{Bucket: req.bucket, Key: req.key, ETag: quote(o.etag)}), nil
}

// assemble joins the chosen parts, as strict as AWS is.
func (u *upload) assemble(list []chosen) (*object, *failure) {
	whole := &object{meta: u.meta, checked: u.checked}
	var body bytes.Buffer
	sums := md5.New()
	for i, c := range list {
		p := u.parts[c.PartNumber]
		switch {
		case i > 0 && c.PartNumber <= list[i-1].PartNumber:
			return nil, &failure{http.StatusBadRequest, "InvalidPartOrder"}
		case p == nil, strings.Trim(c.ETag, `"`) != p.etag,
			!u.checked && c.ChecksumCRC64NVME != "":
			return nil, &failure{http.StatusBadRequest, "InvalidPart"}
		case p.size < minPart && i < len(list)-1:
			return nil, &failure{http.StatusBadRequest, "EntityTooSmall"}
		}
		body.Write(p.body)
		whole.size += p.size
		raw, _ := hex.DecodeString(p.etag)
		sums.Write(raw)
	}
	whole.body = body.Bytes()
	whole.crc = crc64nvme.Checksum(whole.body)
	whole.etag = fmt.Sprintf("%x-%d", sums.Sum(nil), len(list))
	return whole, nil
}

func (f *Fake) abortUpload(req *request) (answer, *failure) {
	if _, failed := f.find(req); failed != nil {
		return answer{}, failed
	}
	delete(f.uploads, req.URL.Query().Get("uploadId"))
	return answer{status: http.StatusNoContent}, nil
}
