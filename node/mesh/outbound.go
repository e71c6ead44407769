package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

var (
	errTimeout  = errors.New("it was not connected in time")
	errGreeting = errors.New("the other side does not greet as a node does")
	errLeaving  = errors.New("the node ends the connection")
)

// outbound is the library's end of a link. It never fails: a connection that did
// not come about looks to the library like one that ends at once, and every end
// reaches it by the event that wire publishes, not by an error.
type outbound struct {
	// ClientStream is nil when no connection came about.
	grpc.ClientStream
	wire *wire
	link *link
	// timeout ends the link unless the greeting comes in time.
	timeout *time.Timer
	greeted bool
	// err is why the link ends, nil as long as it does not.
	err error
}

// connect is the interceptor that makes the stream of a link. It runs in the
// library's goroutine for this connection and may wait.
func (w *wire) connect(_ context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	l := w.linkTo(conn.Target())
	if l == nil {
		return nil, fmt.Errorf("no link to %s", conn.Target())
	}
	out := &outbound{wire: w, link: l, timeout: time.AfterFunc(w.dialTimeout, func() { l.cancel(errTimeout) })}
	stream, err := streamer(l.ctx, desc, conn, method, opts...)
	if err != nil {
		out.err = err
	} else {
		out.ClientStream = stream
	}
	w.uses.Add(1)
	return out, nil
}

// SendMsg sends the parts of a batch. Its errors show in RecvMsg too.
func (s *outbound) SendMsg(message any) error {
	if s.ClientStream == nil {
		return nil
	}
	for _, part := range split(message.(*remote.RemoteMessage)) {
		if s.ClientStream.SendMsg(part) != nil {
			break
		}
		for _, e := range part.GetMessageBatch().GetEnvelopes() {
			s.link.queued.Add(-int64(len(e.MessageData)))
		}
	}
	return nil
}

// RecvMsg returns a greeting, and then io.EOF when the link has been cut. The
// library reads first in the goroutine that sends, and then in another one.
func (s *outbound) RecvMsg(message any) error {
	in := message.(*remote.RemoteMessage)
	if !s.greeted {
		s.greeted = true
		s.greet(in)
		return nil
	}
	for s.err == nil {
		s.receive(in)
	}
	s.wire.cut(s.link, s.err)
	s.wire.uses.Done()
	return io.EOF
}

func (s *outbound) greet(in *remote.RemoteMessage) {
	if s.err == nil {
		s.err = s.ClientStream.RecvMsg(in)
	}
	s.timeout.Stop()
	if s.err == nil && in.GetConnectResponse() == nil {
		s.err = errGreeting
	}
	in.MessageType = &remote.RemoteMessage_ConnectResponse{ConnectResponse: &remote.ConnectResponse{}}
}

// receive waits for the end: nothing else comes in this direction.
func (s *outbound) receive(in *remote.RemoteMessage) {
	proto.Reset(in)
	s.err = s.ClientStream.RecvMsg(in)
	if s.err == nil && in.GetDisconnectRequest() != nil {
		s.err = errLeaving
	}
}

// CloseSend ends the link if the library does so on its own account.
func (s *outbound) CloseSend() error {
	s.link.cancel(errCut)
	return nil
}

// split makes batches of at most about maxBatch, so that many large messages at
// a time do not reach the receiver's limit. A message is never taken apart.
func split(message *remote.RemoteMessage) []*remote.RemoteMessage {
	batch := message.GetMessageBatch()
	if batch == nil {
		return []*remote.RemoteMessage{message}
	}
	var parts []*remote.RemoteMessage
	first, size := 0, 0
	for i, envelope := range batch.Envelopes {
		if size += len(envelope.MessageData); size > maxBatch && i > first {
			parts = append(parts, portion(batch, first, i))
			first, size = i, len(envelope.MessageData)
		}
	}
	return append(parts, portion(batch, first, len(batch.Envelopes)))
}

func portion(batch *remote.MessageBatch, from, to int) *remote.RemoteMessage {
	return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: &remote.MessageBatch{
		TypeNames: batch.TypeNames, Targets: batch.Targets, Senders: batch.Senders, Envelopes: batch.Envelopes[from:to],
	}}}
}
