package endpoint

import (
	"context"
	"crypto/tls"
	"net"
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
	// failed, the connection in use, and how many informational answers came.
	handshakeFailed atomic.Bool
	conn            atomic.Pointer[net.Conn]
	informational   atomic.Int32
	// wrote: the request's header was written. informed is told of informational
	// answers of an upload, which may come often then.
	wrote    atomic.Bool
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
		GotConn:      func(info httptrace.GotConnInfo) { x.conn.Store(&info.Conn) },
		WroteHeaders: func() { x.wrote.Store(true) },
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

// explain turns an error of this exchange into a *transfer.Error.
func (x *exchange) explain(err error) *transfer.Error {
	f := failure{err: err, cause: context.Cause(x.ctx), handshake: x.handshakeFailed.Load()}
	if c := x.conn.Load(); c != nil {
		f.ended = hasEnded(*c)
	}
	return f.classify()
}
