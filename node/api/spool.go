package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// maxSpooled bounds the content that one call spools, in bytes.
const maxSpooled = 1 << 40

// Spooler keeps content for uploads that are to be created. Spool reads r to its
// end and returns the source under which it lies, and its size in bytes. Its
// errors are as those of [Engine]; one that r returned is wrapped.
type Spooler interface {
	Spool(ctx context.Context, r io.Reader) (url string, size int64, err error)
}

// SpoolSource keeps the content of an upload that is to be created.
func (s *service) SpoolSource(ctx context.Context, stream *connect.ClientStream[pb.SpoolSourceRequest]) (*connect.Response[pb.SpoolSourceResponse], error) {
	ctx, cancel := s.untilClosing(ctx)
	defer cancel()
	content := &spooled{stream: stream}
	url, size, err := s.spooler.Spool(ctx, content)
	switch {
	case content.err != nil:
		return nil, s.fail(ctx, "spool", stopped(ctx, content.err))
	case err != nil:
		return nil, s.fail(ctx, "spool", stopped(ctx, err))
	}
	return connect.NewResponse(&pb.SpoolSourceResponse{Url: url, Size: size}), nil
}

// spooled reads the messages of a call as one content. It holds one message at a
// time.
type spooled struct {
	stream *connect.ClientStream[pb.SpoolSourceRequest]
	rest   []byte
	size   int64
	// err is why the content cannot be had in full.
	err error
}

// Read implements [io.Reader].
func (r *spooled) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		if !r.stream.Receive() {
			r.err = broken(r.stream.Err())
			if r.err == nil {
				return 0, io.EOF
			}
			break
		}
		r.take(r.stream.Msg().GetData())
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *spooled) take(data []byte) {
	r.rest = data
	if r.size += int64(len(data)); r.size > maxSpooled {
		r.err = transfer.Errorf(transfer.CodeTooLarge, "at most %d bytes are spooled at a time", int64(maxSpooled))
	}
}

// broken is why a stream of a client ended before its time; nil if it did not.
func broken(err error) error {
	var known *transfer.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case connect.CodeOf(err) == connect.CodeResourceExhausted:
		return transfer.Errorf(transfer.CodeTooLarge, "a message has at most %d bytes", MaxRequest)
	}
	return &transfer.Error{Code: transfer.CodeJSON, Message: "the body broke off, or did not go on in time", Err: err}
}

// patientBuffer is how much is read at once, in bytes: time-outs are not free.
const patientBuffer = 64 << 10

// patient serves a call whose body is a stream of messages: it may take as long
// as it likes, but every piece must come in time.
func patient(next http.Handler, w http.ResponseWriter, r *http.Request) {
	body := &patientBody{body: r.Body, deadline: http.NewResponseController(w)}
	// The server's own request keeps its body: by that it sees that the body was
	// not read to its end, and leaves the client time to read why.
	r = r.WithContext(r.Context())
	r.Body = struct {
		io.Reader
		io.Closer
	}{bufio.NewReaderSize(body, patientBuffer), r.Body}
	withStatus(next, w, r)
}

type patientBody struct {
	body     io.Reader
	deadline *http.ResponseController
}

// Read implements [io.Reader]. The time during which nobody reads does not count.
func (b *patientBody) Read(p []byte) (int, error) {
	// A connection without deadlines exists in tests only.
	_ = b.deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	n, err := b.body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		_ = b.deadline.SetReadDeadline(time.Time{})
	}
	return n, err
}
