package api

import (
	"context"
	"errors"
	"io"
	"slices"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// maxWatched bounds how many transfers one watch may name.
const maxWatched = 10000

// WatchTransfers streams transfers as they change, until all that were named
// are terminal or the node stops.
func (s *service) WatchTransfers(ctx context.Context, req *connect.Request[pb.WatchTransfersRequest], stream *connect.ServerStream[pb.WatchTransfersResponse]) error {
	ids, e := watched(req.Msg.GetIds())
	if e != nil {
		return s.fail(ctx, "watch", e)
	}
	ctx, cancel := s.untilClosing(ctx)
	defer cancel()
	// The client learns at once that it is connected.
	if err := stream.Send(nil); err != nil {
		return err
	}
	watch := s.engine.Watch(ctx, ids)
	defer watch.Close()
	for {
		snap, err := watch.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.fail(ctx, "watch", stopped(ctx, err))
		}
		if err := stream.Send(&pb.WatchTransfersResponse{Transfer: toMessage(snap)}); err != nil {
			return err
		}
	}
}

// watched checks the ids of a watch and takes each once.
func watched(ids []string) ([]string, *transfer.Error) {
	if len(ids) > maxWatched {
		return nil, &transfer.Error{Code: transfer.CodeFilter, Field: "ids", Message: "a watch names at most 10000 transfers"}
	}
	for _, id := range ids {
		if e := transfer.CheckID(id); e != nil {
			return nil, e
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(ids))), nil
}

// errClosing is why a stream's context ended when the node stops.
var errClosing = transfer.Errorf(transfer.CodeShuttingDown, "the node is stopping; call again")

// untilClosing derives a context that also ends, with errClosing as cause,
// when the node stops.
func (s *service) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-s.closing:
			cancel(errClosing)
		case <-done:
		}
	}()
	return ctx, func() { close(done); cancel(nil) }
}

// stopped replaces the error of a stream that ended because the node stops.
func stopped(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errClosing) {
		return errClosing
	}
	return err
}
