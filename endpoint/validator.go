package endpoint

import (
	"net/http"

	"godwit/transfer"
)

// validatorOf reads the validator of an answer.
func validatorOf(h http.Header) transfer.Validator {
	v := transfer.Validator{ETag: h.Get("ETag"), LastModified: h.Get("Last-Modified")}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		v.Date = d
	}
	return v
}

// differs tells that a partial answer with validator got is not known to be of
// the content that want identifies. One that lost the validator differs: a 206
// has to carry what a 200 would (RFC 9110, section 15.3.7).
func differs(want, got transfer.Validator) bool {
	if want.ETag != "" {
		return got.ETag == "" || !want.Same(got)
	}
	return want.LastModified != "" && got.LastModified == "" || !want.Same(got)
}
