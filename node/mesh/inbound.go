package mesh

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// The types of messages that come from others, as they are called there.
var (
	requestType  = string(proto.MessageName(&clusterpb.Request{}))
	responseType = string(proto.MessageName(&clusterpb.Response{}))
)

// inbound is a connection of another node. The library gets no message from it
// that it was not made for.
type inbound struct {
	grpc.ServerStream
	addr string
}

// RecvMsg returns messages that are in order; the first other one ends the
// connection.
func (s *inbound) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	if why := inspect(message.(*remote.RemoteMessage), s.addr); why != "" {
		return status.Error(codes.InvalidArgument, why)
	}
	return nil
}

// inspect says why a message is refused, or "". It directs the others to addr:
// by which name the other side knows this node is of no account, and nothing is
// passed on.
func inspect(message *remote.RemoteMessage, addr string) string {
	batch := message.GetMessageBatch()
	switch {
	case message.GetConnectRequest().GetServerConnection() != nil:
		return ""
	case batch == nil:
		return "neither a greeting nor a batch"
	}
	for _, target := range batch.Targets {
		target.Address, target.RequestId = addr, 0
	}
	for _, sender := range batch.Senders {
		if sender.Id != replyName || checkAddr(sender.Address) != nil {
			return "a sender that takes no answers"
		}
	}
	for _, envelope := range batch.Envelopes {
		if why := refuse(batch, envelope); why != "" {
			return why
		}
	}
	return ""
}

// refuse says why a message of a batch is refused, or "".
func refuse(batch *remote.MessageBatch, e *remote.MessageEnvelope) string {
	switch {
	case e.SerializerId != 0 || e.MessageHeader != nil || e.TargetRequestId != 0 || e.SenderRequestId != 0:
		return "an envelope of another kind"
	case !within(e.TypeId, len(batch.TypeNames)) || !within(e.Target, len(batch.Targets)) || !within(e.Sender, len(batch.Senders)+1):
		return "an index without a value"
	}
	switch name, target := batch.TypeNames[e.TypeId], batch.Targets[e.Target].Id; {
	case name == requestType && target == gateName && e.Sender > 0:
		return ""
	case name == responseType && target == replyName && e.Sender == 0:
		return ""
	default:
		return "neither a request nor an answer"
	}
}

func within(index int32, length int) bool { return 0 <= index && int(index) < length }

// guard keeps a panic from ending the process: gRPC does not. It is a bug, since
// what a connection brings was inspected.
func guard(log *slog.Logger, err *error) {
	if p := recover(); p != nil {
		log.Error("a connection panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		*err = status.Error(codes.Internal, "internal error")
	}
}

func streamGuard(addr string, log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer guard(log, &err)
		return next(srv, &inbound{ServerStream: stream, addr: addr})
	}
}

// unaryGuard refuses all: the library answers them with a panic.
func unaryGuard(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
	return nil, status.Error(codes.Unimplemented, "not served")
}
