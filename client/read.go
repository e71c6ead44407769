package client

import (
	"context"
	"io"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
)

// Read streams the result from offset (in bytes) to its end, following a
// transfer that is still under way. After a break it goes on where it was, on
// another server if need be; if the transfer began again meanwhile, so that what
// was read is not the beginning of what follows, it fails with "source.changed".
// The reader must be closed; it fails with *[Error].
func (c *Client) Read(ctx context.Context, id string, offset int64) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	return &reader{c: c, ctx: ctx, cancel: cancel, id: id, offset: offset, restarts: unknown, retry: newReconnect(c)}
}

// unknown is how often a transfer began again of which nothing was read.
const unknown = -1

// reader is an io.ReadCloser for one goroutine.
type reader struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	id     string
	// offset is where rest begins in the result.
	offset int64
	rest   []byte
	stream *connect.ServerStreamForClient[pb.ReadTransferResponse]
	// same: the stream was found to go on with what was read before.
	same bool
	// restarts is how often the transfer had begun again when it was read.
	restarts int32
	retry    *reconnect
	// err is what every further Read returns.
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if failure := r.receive(); failure != nil {
			r.drop()
			if final := r.retry.wait(r.ctx, failure); final != nil {
				r.err = final
			}
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.offset += int64(n)
	return n, nil
}

// receive fetches the next piece, opening a stream if there is none.
func (r *reader) receive() *Error {
	if r.stream == nil {
		s, err := r.retry.next().ReadTransfer(r.ctx, connect.NewRequest(&pb.ReadTransferRequest{Id: r.id, Offset: r.offset}))
		if err != nil {
			return r.failure(err)
		}
		r.stream, r.same = s, false
	}
	if r.stream.Receive() {
		piece := r.stream.Msg().GetData()
		if !r.same && len(piece) > 0 {
			if failure := r.sameContent(); failure != nil {
				return failure
			}
		}
		r.retry.ok()
		r.rest = piece
		return nil
	}
	if err := r.stream.Err(); err != nil {
		return r.failure(err)
	}
	r.err = io.EOF
	return nil
}

// sameContent makes sure that a stream goes on with what an earlier one began:
// within one, the server does. It asks that server, after the first piece came,
// so that what it learns is not older than the piece.
func (r *reader) sameContent() *Error {
	at := r.c.servers[r.retry.at]
	t, _, err := try(r.ctx, r.c, at, operation{}, (*server).GetTransfer, &pb.GetTransferRequest{Id: r.id})
	if err != nil {
		return r.failure(err)
	}
	now := t.GetProgress().GetRestarts()
	if r.restarts != unknown && r.restarts != now {
		return beganAgain(r.id)
	}
	r.restarts, r.same = now, true
	return nil
}

// failure translates. The code that the content is another one is final: the
// transfer may go on, what was read does not.
func (r *reader) failure(err error) *Error {
	failure := translate(r.ctx, "read transfer", r.id, err)
	if failure.Code == codeOffset && r.restarts != unknown {
		return beganAgain(r.id) // what was read is longer than what there is now
	}
	if failure.Code == codeSourceChanged {
		failure.Retryable = false
	}
	return failure
}

func beganAgain(id string) *Error {
	return &Error{Op: "read transfer", ID: id, Code: codeSourceChanged, Message: "the transfer began again after bytes of it were read"}
}

func (r *reader) drop() {
	if r.stream != nil {
		_ = r.stream.Close() // it failed already
		r.stream = nil
	}
}

// Close ends the stream. It never fails.
func (r *reader) Close() error {
	r.cancel()
	r.drop()
	return nil
}
