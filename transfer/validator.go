package transfer

import (
	"strings"
	"time"
)

// strongAge is how much older than its answer a Last-Modified date must be to
// tell versions apart (RFC 9110, section 8.8.2.2): two changes within a second
// have the same date.
const strongAge = 60 * time.Second

// Empty tells that the far side sent nothing to tell versions apart.
func (v Validator) Empty() bool { return v.ETag == "" && v.LastModified == "" }

// Same tells whether answers with these validators may be of one version of
// the content. Equal strong tags settle it, different tags as well; otherwise
// the dates must agree too. What is absent on one side contradicts nothing:
// whether answers may be joined at all is for [Validator.Strong] to say.
func (v Validator) Same(w Validator) bool {
	if v.ETag != "" && w.ETag != "" {
		if strongTag(v.ETag) && strongTag(w.ETag) {
			return v.ETag == w.ETag
		}
		if opaque(v.ETag) != opaque(w.ETag) {
			return false
		}
	}
	return v.LastModified == "" || w.LastModified == "" || sameDate(v.LastModified, w.LastModified)
}

// Strong tells whether two answers with this validator are equal byte for byte
// (RFC 9110, section 8.8.1): it has a strong tag, or a date well before the
// answer was made.
func (v Validator) Strong() bool {
	return strongTag(v.ETag) || v.strongDate()
}

// IfRange is the value of an If-Range header, or "" when none may be sent
// (RFC 9110, section 13.1.5): never a weak tag, and a date only without a tag.
func (v Validator) IfRange() string {
	switch {
	case strongTag(v.ETag):
		return v.ETag
	case v.ETag == "" && v.strongDate():
		return v.LastModified
	}
	return ""
}

func (v Validator) strongDate() bool {
	modified, ok := parseHTTPDate(v.LastModified)
	return ok && !v.Date.IsZero() && v.Date.Sub(modified) >= strongAge
}

// strongTag tells whether an entity tag is well-formed and not weak.
func strongTag(tag string) bool {
	return len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"'
}

// opaque is the tag without its weakness.
func opaque(tag string) string { return strings.TrimPrefix(tag, "W/") }

// sameDate compares dates as sent, and as instants when they are written in
// different forms.
func sameDate(a, b string) bool {
	if a == b {
		return true
	}
	x, okX := parseHTTPDate(a)
	y, okY := parseHTTPDate(b)
	return okX && okY && x.Equal(y)
}

// parseHTTPDate reads the three forms of RFC 9110, section 5.6.7.
func parseHTTPDate(s string) (time.Time, bool) {
	for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
