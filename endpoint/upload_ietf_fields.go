package endpoint

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"godwit/transfer"
)

// fieldInteger is the value of an Item field that is a non-negative Integer (RFC
// 9651, section 3.3.1). Any other is ignored, as the draft says.
func fieldInteger(h http.Header, name string) (int64, bool) {
	item, err := httpsfv.UnmarshalItem(h.Values(name))
	if err != nil {
		return 0, false
	}
	n, ok := item.Value.(int64)
	return n, ok && n >= 0
}

// fieldTrue tells that an Item field is the Boolean true.
func fieldTrue(h http.Header, name string) bool {
	item, err := httpsfv.UnmarshalItem(h.Values(name))
	if err != nil {
		return false
	}
	yes, ok := item.Value.(bool)
	return ok && yes
}

// uploadLimit is an Upload-Limit: bytes, or transfer.UnknownSize where nothing is
// said.
type uploadLimit struct {
	maxSize, minSize, maxAppend, minAppend int64
	// maxAge is how many seconds the upload will be kept.
	maxAge int64
}

func noLimit() uploadLimit {
	const no = transfer.UnknownSize
	return uploadLimit{maxSize: no, minSize: no, maxAppend: no, minAppend: no, maxAge: no}
}

// limitOf reads an Upload-Limit. One with a member of the wrong type is ignored
// as a whole; members that nobody knows are ignored alone.
func limitOf(h http.Header) (uploadLimit, bool) {
	values := h.Values("Upload-Limit")
	if len(values) == 0 {
		return noLimit(), false
	}
	members, err := httpsfv.UnmarshalDictionary(values)
	if err != nil {
		return noLimit(), false
	}
	limit := noLimit()
	for name, into := range map[string]*int64{
		"max-size": &limit.maxSize, "min-size": &limit.minSize, "max-append-size": &limit.maxAppend,
		"min-append-size": &limit.minAppend, "max-age": &limit.maxAge,
	} {
		member, ok := members.Get(name)
		if !ok {
			continue
		}
		item, ok := member.(httpsfv.Item)
		n, isInteger := item.Value.(int64)
		if !ok || !isInteger || n < 0 {
			return noLimit(), false
		}
		*into = n
	}
	return limit, true
}

// expires is when an upload ends whose limit was said now.
func (l *uploadLimit) expires(now time.Time) time.Time {
	// Beyond a century it is no date any more that everybody can write.
	if l.maxAge < 0 || l.maxAge > 100*365*24*3600 {
		return time.Time{}
	}
	return now.Add(time.Duration(l.maxAge) * time.Second)
}

// refuses tells why content of size bytes cannot be sent within the limit.
func (l *uploadLimit) refuses(size int64) *transfer.Error {
	switch {
	case l.maxSize >= 0 && size > l.maxSize:
		return transfer.Errorf(transfer.CodeUploadTooLarge, "the far side takes %d bytes, the content has %d", l.maxSize, size)
	case l.maxAppend == 0 && size > 0, l.maxAppend > 0 && l.minAppend > l.maxAppend:
		return transfer.Errorf(transfer.CodeUploadProtocol, "no request is within the limits that the far side sets")
	}
	return nil
}

// problem is the type of a problem document (RFC 9457) without what comes before
// its fragment, "" for any other answer.
func (r *uploadReply) problem() string {
	if kind, _, err := mime.ParseMediaType(r.header.Get("Content-Type")); err != nil || kind != "application/problem+json" {
		return ""
	}
	var document struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(r.body, &document) != nil {
		return ""
	}
	_, name, _ := strings.Cut(document.Type, "#")
	return name
}
