package client

import (
	"context"
	"time"

	"connectrpc.com/connect"
)

// method is one call of a service, as a method expression.
type method[Req, Res any] func(*server, context.Context, *connect.Request[Req]) (*connect.Response[Res], error)

// operation describes a call for errors and for failing over.
type operation struct {
	name, id string
	// once: doing it a second time is not the same as doing it once, so it is
	// repeated on another server only when it certainly was not done.
	once bool
	// long: the answer may take as long as it likes.
	long bool
}

// call tries each server once, beginning with the one that last answered, and
// begins again a few times, or as long as the configuration's patience allows.
func call[Req, Res any](ctx context.Context, c *Client, op operation, m method[Req, Res], req *Req) (*Res, error) {
	r := newReconnect(c)
	for {
		res, waited, err := try(ctx, c, r.next(), op, m, req)
		if err == nil {
			r.ok()
			return res, nil
		}
		if waited {
			r.begin() // it was being answered until now
		}
		failure := translate(ctx, op.name, op.id, err)
		if !movesOn(failure, op.once) {
			return nil, failure
		}
		if round := r.fail(failure); !round {
			continue
		}
		if final := r.again(ctx, failure); final != nil {
			return nil, final
		}
	}
}

// try also tells whether a server had the request of a long call for longer
// than others may take.
func try[Req, Res any](
	ctx context.Context, c *Client, s *server, op operation, m method[Req, Res], req *Req,
) (res *Res, waited bool, err error) {
	began := time.Now()
	if !op.long {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.CallTimeout)
		defer cancel()
	}
	answer, err := m(s, ctx, connect.NewRequest(req))
	if err != nil {
		return nil, op.long && time.Since(began) >= c.cfg.CallTimeout, err
	}
	return answer.Msg, false, nil
}

// movesOn decides whether the same may be asked for again: of a server that has
// done nothing always; after an unknown outcome unless doing it twice matters.
func movesOn(failure *Error, once bool) bool {
	if failure.Code == CodeUnreachable || failure.Code == codeNodeUnreachable {
		return !once || neverSent(failure.Err)
	}
	return failure.nothingDone()
}
