package endpoint

import (
	"context"
	"io"
	"time"

	"godwit/transfer"
)

// Upload is one upload, as the protocols see it.
type Upload struct {
	// URL is canonical. It may carry a secret query.
	URL string
	// Method is that of the protocols that send everything in one request.
	Method string
	// Headers are the user's; they are sent to the exact origin of URL only.
	Headers []transfer.Header
	// ContentType is that of the content, unless Headers have one; Name is what
	// it may be called at the far side, "" for nothing.
	ContentType, Name string
	// Size of the content in bytes.
	Size int64
	// SHA256 of the content in hex; "" when it is not known.
	SHA256 string
	// Outgoing is what the user wants of the protocol.
	Outgoing transfer.Outgoing
	// PartSize is the wanted number of bytes of one request, 0 for the
	// protocol's own; Connections how many there may be at a time, 0 for the
	// protocol's own; Share is how many of these there are for now, 0 for all.
	PartSize           int64
	Connections, Share int
	// Session is what is known so far.
	Session transfer.Session
	// Open delivers length bytes of the content from offset on. A
	// *transfer.Error of it is what the call fails with.
	Open func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// Finishing tells that no further request with content is to be begun; nil
	// for never. Send then fails with server.stopping.
	Finishing func() bool
}

// Progress is told how an upload gets on. Its functions may be called by several
// goroutines.
type Progress struct {
	// Confirmed says that the far side has the first offset bytes.
	Confirmed func(offset int64, expires time.Time)
	// PartSent says that it has one part more; its CRC64 is not set.
	PartSent func(transfer.SessionPart)
}

// Choice is the protocol that a far side speaks, and how that was found out.
type Choice struct {
	Protocol transfer.Protocol
	Reason   string
}

// Found is what a far side has of an upload.
type Found struct {
	Offset  int64
	Expires time.Time
	// Answer is set when the upload is complete.
	Answer *UploadAnswer
}

// UploadAnswer is what a far side said to an upload.
type UploadAnswer struct {
	// Shown is the part that is safe to show.
	Shown transfer.Response
	// Body is the beginning of the answer's body, at most MaxAnswer bytes; Size
	// is how long it was, or transfer.UnknownSize.
	Body []byte
	Size int64
}

// Failure is why a request of an upload did not do.
type Failure struct {
	Err *transfer.Error
	// Unknown: the far side may have carried it out. Lost: it has forgotten the
	// session. Sent: some of the content was sent.
	Unknown, Lost, Sent bool
	// Answer is what the far side said, nil if nothing.
	Answer *UploadAnswer
}

// protocol is one way to upload. It holds no state: everything is in the
// Upload. A nil Failure is success.
type protocol interface {
	// open makes the session of a protocol that has them.
	open(ctx context.Context, c *Client, d *Upload) (transfer.Session, *Failure)
	// find asks what the far side has of Upload.Session.
	find(ctx context.Context, c *Client, d *Upload) (Found, *Failure)
	// send sends the content from byte from on, or the parts that the session
	// does not have.
	send(ctx context.Context, c *Client, d *Upload, from int64, p Progress) (*UploadAnswer, *Failure)
	// discard asks the far side to forget the upload at url. One that is gone, or
	// cannot be deleted, is no failure.
	discard(ctx context.Context, c *Client, d *Upload, url string) *Failure
}

// protocols has a row for every protocol but auto.
var protocols = map[transfer.Protocol]protocol{
	transfer.ProtocolPut:   whole{},
	transfer.ProtocolPost:  whole{},
	transfer.ProtocolRange: ranged{},
	transfer.ProtocolGCS:   gcs{},
	transfer.ProtocolS3:    presigned{},
	transfer.ProtocolTus:   tus{},
	transfer.ProtocolIETF:  ietf{},
}

func protocolOf(p transfer.Protocol) (protocol, *Failure) {
	if impl, ok := protocols[p]; ok {
		return impl, nil
	}
	return nil, &Failure{Err: transfer.Errorf(transfer.CodeInternal, "there is no protocol %q", p)}
}

// OpenSession makes a resource for an upload at the far side.
func (c *Client) OpenSession(ctx context.Context, d *Upload) (transfer.Session, *Failure) {
	impl, f := protocolOf(d.Session.Protocol)
	if f != nil {
		return transfer.Session{}, f
	}
	return impl.open(ctx, c, d)
}

// FindSession asks what the far side has.
func (c *Client) FindSession(ctx context.Context, d *Upload) (Found, *Failure) {
	impl, f := protocolOf(d.Session.Protocol)
	if f != nil {
		return Found{}, f
	}
	return impl.find(ctx, c, d)
}

// Send sends the content from byte from on, or the parts that the session does
// not have, and returns the far side's last answer.
func (c *Client) Send(ctx context.Context, d *Upload, from int64, p Progress) (*UploadAnswer, *Failure) {
	impl, f := protocolOf(d.Session.Protocol)
	if f != nil {
		return nil, f
	}
	return impl.send(ctx, c, d, from, p)
}

// Discard asks the far side to forget an upload that is not wanted any more.
func (c *Client) Discard(ctx context.Context, d *Upload, url string) *transfer.Error {
	impl, f := protocolOf(d.Session.Protocol)
	if f == nil {
		f = impl.discard(ctx, c, d, url)
	}
	if f == nil {
		return nil
	}
	return f.Err
}
