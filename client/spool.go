package client

import (
	"context"
	"errors"
	"io"

	pb "godwit/protos/godwit/v1"
)

// spoolChunk is how much of a source one message carries in bytes.
const spoolChunk = 256 << 10

// Spool sends what r delivers to the server, which keeps it as the source of an
// upload that is to be created with upload.spooled. It returns the source's URL
// and its size in bytes. As r can be read but once, another server is tried only
// while r was read no further than the first 256 KiB.
func (c *Client) Spool(ctx context.Context, r io.Reader) (url string, size int64, err error) {
	src := &spoolSource{r: r}
	first, err := src.read(make([]byte, spoolChunk))
	if err != nil {
		return "", 0, err
	}
	beginning := src.ended
	retry := newReconnect(c)
	for {
		res, err := spool(ctx, retry.next(), first, src)
		if err == nil {
			retry.ok()
			return res.GetUrl(), res.GetSize(), nil
		}
		failure := asFailure(ctx, err)
		if src.ended = beginning; src.gone || src.err != nil || !movesOn(failure, false) {
			return "", 0, failure
		}
		if round := retry.fail(failure); !round {
			continue
		}
		if final := retry.again(ctx, failure); final != nil {
			return "", 0, final
		}
	}
}

func asFailure(ctx context.Context, err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	return translate(ctx, "spool source", "", err)
}

// spoolSource delivers a source in pieces.
type spoolSource struct {
	r io.Reader
	// ended: the piece read last was the last one; gone: more was read than the
	// first piece.
	ended, gone bool
	err         *Error
}

func (s *spoolSource) read(into []byte) ([]byte, error) {
	n, err := io.ReadFull(s.r, into)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.ended = true
	case err != nil:
		s.err = &Error{Op: "spool source", Code: CodeInvalid, Message: "the source cannot be read", Err: err}
		return nil, s.err
	}
	return into[:n], nil
}

// spool makes one try. A source that fails ends the stream without its end, so
// that the server keeps nothing of it.
func spool(ctx context.Context, s *server, first []byte, src *spoolSource) (*pb.SpoolSourceResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := s.SpoolSource(ctx)
	piece, buffer := first, make([]byte, len(first))
	for {
		if err := stream.Send(&pb.SpoolSourceRequest{Data: piece}); err != nil || src.ended {
			break // the answer says why
		}
		src.gone = true
		var err error
		if piece, err = src.read(buffer); err != nil {
			cancel()
			_, _ = stream.CloseAndReceive() // of a canceled stream nothing comes
			return nil, err
		}
	}
	answer, err := stream.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}
