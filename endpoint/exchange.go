package endpoint

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"

	"godwit/transfer"
)

// exchange is one request and its answer. Its context lives until the body is
// closed; canceling it is how a time-out reaches a blocked read.
type exchange struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// response is nil until there is one.
	response *http.Response
	// The transport's own goroutines set what follows: whether a handshake
	// failed, the connection in use, how many bytes were written to it before
	// this, and how many informational answers came.
	handshakeFailed atomic.Bool
	conn            atomic.Pointer[endConn]
	before          atomic.Int64
	informational   atomic.Int32
	// informed is told of informational answers of an upload, which may come
	// often then.
	informed func(status int, header http.Header)
}

func newExchange(ctx context.Context) *exchange {
	x := &exchange{}
	ctx, x.cancel = context.WithCancelCause(ctx)
	x.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				x.handshakeFailed.Store(true)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) { x.took(innermost(info.Conn)) },
		Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			most := int32(maxInformational)
			if x.informed != nil {
				most = maxProgressAnswers
				x.informed(status, http.Header(header))
			}
			if x.informational.Add(1) <= most {
				return nil
			}
			return transfer.Errorf(transfer.CodeProtocol, "the far side sent more than %d informational answers", most)
		},
	})
	return x
}

func (x *exchange) took(c *endConn) {
	if c != nil {
		x.before.Store(c.written.Load())
		x.conn.Store(c)
	}
}

// wrote tells that some of the request was written, so that the far side may
// have carried it out.
func (x *exchange) wrote() bool {
	c := x.conn.Load()
	return c != nil && c.written.Load() > x.before.Load()
}

// explain turns an error of this exchange into a *transfer.Error.
func (x *exchange) explain(err error) *transfer.Error {
	f := failure{err: err, cause: context.Cause(x.ctx), handshake: x.handshakeFailed.Load()}
	if c := x.conn.Load(); c != nil {
		f.ended = c.ended.Load()
	}
	return f.classify()
}
