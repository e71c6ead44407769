package api

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// readChunk is the most bytes one message of a read carries. It is what one
// stream holds in memory, twice.
const readChunk = 256 << 10

// ReadTransfer streams the result from an offset, following the writer.
func (s *service) ReadTransfer(ctx context.Context, req *connect.Request[pb.ReadTransferRequest], stream *connect.ServerStream[pb.ReadTransferResponse]) error {
	if e := transfer.CheckID(req.Msg.GetId()); e != nil {
		return s.fail(ctx, "read", e)
	}
	if req.Msg.GetOffset() < 0 {
		return s.fail(ctx, "read", &transfer.Error{
			Code: transfer.CodeSizeInvalid, Field: "offset",
			Message: "an offset is 0 or more bytes",
		})
	}
	ctx, cancel := s.untilClosing(ctx)
	defer cancel()
	body, err := s.engine.Open(ctx, req.Msg.GetId(), req.Msg.GetOffset())
	if err != nil {
		return s.fail(ctx, "read", stopped(ctx, err))
	}
	err = sendAll(body, stream)
	// Nothing was written to it: an error of Close changes nothing.
	_ = body.Close()
	var gone *connect.Error
	if err == nil || errors.As(err, &gone) {
		return err
	}
	return s.fail(ctx, "read", stopped(ctx, err))
}

// sendAll copies body to the stream, each read at once so that a follower sees
// bytes as they are written.
func sendAll(body io.Reader, stream *connect.ServerStream[pb.ReadTransferResponse]) error {
	buf := make([]byte, readChunk)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if sendErr := stream.Send(&pb.ReadTransferResponse{Data: buf[:n]}); sendErr != nil {
				return sendErr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
