package endpoint

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"

	"godwit/transfer"
)

// completion is the body of CompleteMultipartUpload.
type completion struct {
	XMLName xml.Name         `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
	Parts   []completionPart `xml:"Part"`
}

type completionPart struct {
	PartNumber int
	ETag       string
}

// complete makes the object of the parts. Sent tells that some of them were sent
// in this try.
func (p presigned) complete(ctx context.Context, c *Client, d *Upload, parts []transfer.SessionPart, sent bool) (*UploadAnswer, *Failure) {
	var list completion
	for _, part := range parts {
		list.Parts = append(list.Parts, completionPart{part.Number, `"` + strings.Trim(part.Ref, `"`) + `"`})
	}
	body, err := xml.Marshal(list)
	if err != nil {
		return nil, &Failure{Err: transfer.Errorf(transfer.CodeInternal, "the list of parts cannot be written")}
	}
	r, f := c.deliver(ctx, d, message{
		method: http.MethodPost, url: d.Outgoing.Presigned.CompleteURL, named: true, keyless: true,
		size: int64(len(body)), contentType: "application/xml",
		body: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	})
	if f != nil {
		return nil, f
	}
	root, code := s3Result(r.body)
	switch {
	case r.status == http.StatusNotFound || code == "NoSuchUpload":
		return p.forgotten(ctx, c, d, parts, sent, r)
	case !r.ok():
		return nil, r.refusedS3()
	case root == "Error":
		return nil, r.failedLate(code)
	case r.broken:
		// The service answers 200 before it knows.
		e := transfer.Errorf(transfer.CodeReset, "the far side's answer did not come whole")
		return nil, &Failure{Err: about(e, r.url), Unknown: true, Sent: true, Answer: r.answer()}
	case root == "" && d.Outgoing.Presigned.ObjectURL != "":
		// Whoever says so is not the service.
		f = r.failed(transfer.CodeUploadProtocol, "the far side's answer to the completion of the upload is none of S3")
		if _, f = p.object(ctx, c, d, parts, f); f != nil {
			return nil, f
		}
	}
	return r.answer(), nil
}

// s3Result is the name of the element that a body of S3 is, and the code of an
// error. Both are "" for anything else.
func s3Result(body []byte) (root, code string) {
	var e struct {
		XMLName xml.Name
		Code    string
	}
	if xml.Unmarshal(body, &e) != nil {
		return "", ""
	}
	// Only a known form is repeated in messages.
	if strings.Trim(e.Code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" || len(e.Code) > 64 {
		e.Code = ""
	}
	return e.XMLName.Local, e.Code
}

// failedLate is the failure of an answer 200 whose body is an error.
func (r *uploadReply) failedLate(code string) *Failure {
	f := &Failure{Sent: true, Answer: r.answer(), Err: about(&transfer.Error{
		Code: transfer.CodeStatus, Status: r.status, Message: "the far side could not complete the upload: " + code,
	}, r.url)}
	switch code {
	case "InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted", "RequestTimeout", "":
		f.Err.Code, f.Unknown = transfer.CodeStatusRetry, true
	}
	return f
}

// forgotten decides what it means that the far side does not know the upload: an
// earlier try may have completed it. Sent tells that this one has sent parts.
func (p presigned) forgotten(ctx context.Context, c *Client, d *Upload, parts []transfer.SessionPart, sent bool, r *uploadReply) (*UploadAnswer, *Failure) {
	e := &transfer.Error{Code: transfer.CodeStatus, Status: http.StatusNotFound, Message: "the far side does not know the multipart upload"}
	gone := &Failure{Err: about(e, r.url), Sent: true, Answer: r.answer()}
	switch {
	case d.Outgoing.Presigned.ObjectURL != "":
		return p.object(ctx, c, d, parts, gone)
	case !sent:
		e.Code, gone.Unknown = transfer.CodeMaybeDuplicate, true
		e.Message = "the far side does not know the multipart upload any more, and nobody knows whether it was completed"
	}
	return nil, gone
}

// object looks whether the object is there that the parts make, and fails as is
// said otherwise.
func (presigned) object(ctx context.Context, c *Client, d *Upload, parts []transfer.SessionPart, otherwise *Failure) (*UploadAnswer, *Failure) {
	object, f := c.deliver(ctx, d, message{method: http.MethodHead, url: d.Outgoing.Presigned.ObjectURL, named: true})
	switch {
	case f != nil:
		return nil, f
	case object.status >= http.StatusInternalServerError, object.status == http.StatusTooManyRequests:
		return nil, object.refused()
	}
	if n, ok := object.length(); !ok || n != d.Size || !madeOf(object.header.Get("Etag"), parts) {
		return nil, otherwise
	}
	return object.answer(), nil
}

// madeOf tells whether an object's ETag may be that of these parts: where all are
// of the usual form, it is the MD5 of theirs, and their number. An MD5 alone is
// that of an object which was sent in one request.
func madeOf(etag string, parts []transfer.SessionPart) bool {
	sum, _, _ := strings.Cut(strings.Trim(etag, `"`), "-")
	if _, ok := md5Of(sum); !ok {
		return true
	}
	all := md5.New()
	for _, part := range parts {
		one, ok := md5Of(strings.Trim(part.Ref, `"`))
		if !ok {
			return true
		}
		all.Write(one) //nolint:errcheck // a hash never fails
	}
	return strings.EqualFold(strings.Trim(etag, `"`), fmt.Sprintf("%x-%d", all.Sum(nil), len(parts)))
}

func md5Of(s string) ([]byte, bool) {
	sum, err := hex.DecodeString(s)
	return sum, err == nil && len(sum) == md5.Size
}
