package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// nature says what a failed request could have changed.
type nature int

const (
	read   nature = iota // changes nothing
	write                // may have happened although it failed
	create               // a write under If-None-Match: *
	swap                 // a write under If-Match
)

// reply is what is known about a failed request.
type reply struct {
	// status is the HTTP status, 0 when no answer came. It may be 200: some
	// calls report failure in the body.
	status int
	// code is the S3 error code, or the status line when the body held none.
	code string
	// sent tells that the request's header had left this process.
	sent bool
}

// classify maps a failed request to the kind of error it is. The S3 code
// decides where it is specific, as a proxy or a 200 with an error body makes
// the status alone unreliable (S3 API reference, "Error responses").
//
// A write is ErrUnavailable only if it certainly was not executed: it never
// left, or the server said that it throttles. Any other 5xx may come from a
// proxy that gave up waiting, or from a quorum that was reached in part.
func classify(n nature, r reply) storage.Kind {
	if kind, ok := codeKinds[r.code]; ok {
		return kind
	}
	if strings.HasPrefix(r.code, keyServicePrefix) {
		return storage.ErrDenied
	}
	switch r.status {
	case http.StatusPreconditionFailed:
		if n == create {
			return storage.ErrExists
		}
		return storage.ErrMismatch
	case http.StatusNotFound, http.StatusGone:
		return storage.ErrNotFound
	case http.StatusConflict:
		return storage.ErrConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return storage.ErrDenied
	case http.StatusInsufficientStorage:
		return storage.ErrFull
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return storage.ErrUnsupported
	case http.StatusTooManyRequests:
		return storage.ErrUnavailable
	}
	if r.status >= 400 && r.status < 500 && r.status != http.StatusRequestTimeout && r.status != statusClientGone {
		return storage.ErrInvalid
	}
	if r.sent && n != read {
		return storage.ErrUnknown
	}
	return storage.ErrUnavailable
}

// statusClientGone is nginx's status for a request whose client went away.
const statusClientGone = 499

// codeKinds are the S3 codes that mean one thing whatever the status.
var codeKinds = map[string]storage.Kind{
	minio.NoSuchUpload: storage.ErrNoUpload,
	"InvalidPart":      storage.ErrPartLost,
	// No part is planned too small: a late write, which was cut short, has taken the
	// place of one that was whole.
	"EntityTooSmall":                 storage.ErrPartLost,
	"InvalidPartOrder":               storage.ErrInvalid,
	"EntityTooLarge":                 storage.ErrInvalid,
	"KeyTooLongError":                storage.ErrInvalid,
	"ObjectParentIsFile":             storage.ErrInvalid,
	"ExistingObjectIsDirectory":      storage.ErrInvalid,
	"XMinioInvalidObjectName":        storage.ErrInvalid,
	"BadDigest":                      storage.ErrCorrupt,
	"XAmzContentSHA256Mismatch":      storage.ErrCorrupt,
	"XAmzContentChecksumMismatch":    storage.ErrCorrupt,
	"ConditionalRequestConflict":     storage.ErrConflict,
	"OperationAborted":               storage.ErrConflict,
	"AccessDenied":                   storage.ErrDenied,
	"SignatureDoesNotMatch":          storage.ErrDenied,
	"InvalidAccessKeyId":             storage.ErrDenied,
	"ExpiredToken":                   storage.ErrDenied,
	"InvalidToken":                   storage.ErrDenied,
	codeClockSkew:                    storage.ErrDenied,
	"XMinioStorageFull":              storage.ErrFull,
	"QuotaExceeded":                  storage.ErrFull,
	"XMinioAdminBucketQuotaExceeded": storage.ErrFull,
	"NotImplemented":                 storage.ErrUnsupported,
	"SlowDown":                       storage.ErrUnavailable,
	"SlowDownRead":                   storage.ErrUnavailable,
	"Throttling":                     storage.ErrUnavailable,
	"ThrottlingException":            storage.ErrUnavailable,
	"RequestThrottled":               storage.ErrUnavailable,
	"RequestLimitExceeded":           storage.ErrUnavailable,
	"TooManyRequests":                storage.ErrUnavailable,
}

// keyServicePrefix begins the codes of a bucket whose key cannot be used: it is
// disabled, gone, or not for us. They come with status 400.
const keyServicePrefix = "KMS."

const codeClockSkew = "RequestTimeTooSkewed"

// ResponseError is the cause of an error that the server answered with. It
// holds the code, not the message, which may echo the request.
type ResponseError struct {
	// Status is the HTTP status and Code the S3 error code.
	Status int
	Code   string
	// RequestID is the server's own id of the request, for its operator.
	RequestID string
}

func (e *ResponseError) Error() string {
	text := fmt.Sprintf("status %d, code %s", e.Status, e.Code)
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	if e.Code == codeClockSkew {
		text += "; the clock of this machine and the store's differ too much"
	}
	return text
}

// fail turns what minio-go returned into a storage error. It must see err as
// it was returned: minio.ToErrorResponse does not look through wrapping.
func (t *trip) fail(op, name string, n nature, err error) error {
	resp := minio.ToErrorResponse(err)
	r := reply{status: resp.StatusCode, code: resp.Code, sent: t.wasSent()}
	if resp.StatusCode == 0 && resp.Code == "" {
		return &storage.Error{Op: op, Name: name, Kind: classify(n, r), Err: t.cause(err)}
	}
	return &storage.Error{Op: op, Name: name, Kind: classify(n, r), Err: &ResponseError{
		Status: resp.StatusCode, Code: printable(resp.Code), RequestID: printable(resp.RequestID),
	}}
}

// cause is the failure of the transport, without the URL that net/http puts
// into its errors.
func (t *trip) cause(err error) error {
	if raw := t.lastError(); raw != nil {
		return raw
	}
	if ctxErr := context.Cause(t.ctx); ctxErr != nil {
		return ctxErr
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// printable cuts what a server sent down to something safe in a log line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 80)]
}
