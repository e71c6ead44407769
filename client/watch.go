package client

import (
	"context"
	"iter"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
)

// Watch yields each of the transfers as it is, then again whenever it changed,
// and ends when all are terminal. Without ids it watches everything and does
// not end. It survives broken streams: after a break it goes on, on another
// server if need be, and yields the current state again. A slow consumer gets
// fewer states, never old ones after new ones. How a transfer ended is yielded
// once, whatever breaks; again only if it went on in between. An error is the
// last thing it yields.
func (c *Client) Watch(ctx context.Context, ids ...string) iter.Seq2[*pb.Transfer, error] {
	return func(yield func(*pb.Transfer, error) bool) {
		w := &watch{all: len(ids) == 0, pending: make(map[string]bool, len(ids)), retry: newReconnect(c)}
		for _, id := range ids {
			w.pending[id] = true
		}
		for w.all || len(w.pending) > 0 {
			failure, more := w.stream(ctx, ids, yield)
			if !more {
				return
			}
			if failure == nil {
				continue
			}
			if final := w.retry.wait(ctx, failure); final != nil {
				yield(nil, final)
				return
			}
		}
	}
}

// watch is one call of Watch; pending are the ids not seen terminal yet.
type watch struct {
	all     bool
	pending map[string]bool
	ended   ends
	retry   *reconnect
}

// stream follows one server. More is false when the consumer has had enough.
// A stream that ends in order although something is pending was ended by a
// server that stops, which is a failure like a break.
func (w *watch) stream(ctx context.Context, ids []string, yield func(*pb.Transfer, error) bool) (failure *Error, more bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := w.retry.next().WatchTransfers(ctx, connect.NewRequest(&pb.WatchTransfersRequest{Ids: w.remaining(ids)}))
	if err != nil {
		return translate(ctx, "watch transfers", "", err), true
	}
	defer s.Close()
	for s.Receive() {
		w.retry.ok()
		if t := s.Msg().GetTransfer(); w.take(t) && !yield(t, nil) {
			return nil, false
		}
	}
	if err := s.Err(); err != nil {
		return translate(ctx, "watch transfers", "", err), true
	}
	if !w.all && len(w.pending) == 0 {
		return nil, true
	}
	return &Error{Op: "watch transfers", Code: CodeUnreachable, Message: "the server ended the stream", Retryable: true}, true
}

// take notes a state and tells whether it is news. One that is not terminal
// comes after the end only if the transfer was retried.
func (w *watch) take(t *pb.Transfer) bool {
	if Terminal(t.GetStatus()) {
		delete(w.pending, t.GetId())
		return w.ended.add(t)
	}
	w.ended.remove(t.GetId())
	if !w.all {
		w.pending[t.GetId()] = true
	}
	return true
}

// remaining keeps the caller's order.
func (w *watch) remaining(ids []string) []string {
	var left []string
	for _, id := range ids {
		if w.pending[id] {
			left = append(left, id)
		}
	}
	return left
}
