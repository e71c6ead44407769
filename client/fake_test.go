package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// fake is a server whose answers a test writes down. Fields are set before it
// starts; calls counts what arrived.
type fake struct {
	godwitv1connect.UnimplementedTransferServiceHandler
	godwitv1connect.UnimplementedClusterServiceHandler
	transfers map[string]*pb.Transfer
	create    func(*pb.CreateTransferRequest) (*pb.Transfer, error)
	list      func(*pb.ListTransfersRequest) (*pb.ListTransfersResponse, error)
	retry     func(id string) (*pb.Transfer, error)
	// acknowledge answers updates too.
	acknowledge func(id string) (*pb.Transfer, error)
	remove      func(id string) error
	watch       func(ctx context.Context, ids []string, send func(*pb.Transfer)) error
	read        func(ctx context.Context, offset int64, send func([]byte)) error
	spool       func(content []byte) (*pb.SpoolSourceResponse, error)
	nodes       []*pb.Node
	drain       func(ctx context.Context, name string) (*pb.Node, error)
	cordon      func(name string, cordoned bool) (*pb.Node, error)

	mu    sync.Mutex
	calls map[string]int
}

func (f *fake) count(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[name]++
}

func (f *fake) counted(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[name]
}

func (f *fake) GetTransfer(_ context.Context, r *connect.Request[pb.GetTransferRequest]) (*connect.Response[pb.Transfer], error) {
	f.count("get")
	if t := f.transfers[r.Msg.GetId()]; t != nil {
		return connect.NewResponse(t), nil
	}
	return nil, refusal(connect.CodeNotFound, "transfer.not_found", "there is no transfer "+r.Msg.GetId(), false)
}

func (f *fake) CreateTransfer(_ context.Context, r *connect.Request[pb.CreateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	f.count("create")
	return answer(f.create(r.Msg))
}

func (f *fake) ListTransfers(_ context.Context, r *connect.Request[pb.ListTransfersRequest]) (*connect.Response[pb.ListTransfersResponse], error) {
	f.count("list")
	return answer(f.list(r.Msg))
}

func (f *fake) RetryTransfer(_ context.Context, r *connect.Request[pb.RetryTransferRequest]) (*connect.Response[pb.Transfer], error) {
	f.count("retry")
	return answer(f.retry(r.Msg.GetId()))
}

func (f *fake) AcknowledgeTransfer(_ context.Context, r *connect.Request[pb.AcknowledgeTransferRequest]) (*connect.Response[pb.Transfer], error) {
	f.count("acknowledge")
	return answer(f.acknowledge(r.Msg.GetId()))
}

func (f *fake) DeleteTransfer(_ context.Context, r *connect.Request[pb.DeleteTransferRequest]) (*connect.Response[pb.DeleteTransferResponse], error) {
	f.count("delete")
	return answer(&pb.DeleteTransferResponse{}, f.remove(r.Msg.GetId()))
}

func (f *fake) UpdateTransfer(_ context.Context, r *connect.Request[pb.UpdateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	f.count("update")
	return answer(f.acknowledge(r.Msg.GetId()))
}

func (f *fake) WatchTransfers(ctx context.Context, r *connect.Request[pb.WatchTransfersRequest], s *connect.ServerStream[pb.WatchTransfersResponse]) error {
	f.count("watch")
	return f.watch(ctx, r.Msg.GetIds(), func(t *pb.Transfer) { _ = s.Send(&pb.WatchTransfersResponse{Transfer: t}) })
}

func (f *fake) ReadTransfer(ctx context.Context, r *connect.Request[pb.ReadTransferRequest], s *connect.ServerStream[pb.ReadTransferResponse]) error {
	f.count("read")
	return f.read(ctx, r.Msg.GetOffset(), func(b []byte) { _ = s.Send(&pb.ReadTransferResponse{Data: b}) })
}

func (f *fake) SpoolSource(_ context.Context, s *connect.ClientStream[pb.SpoolSourceRequest]) (*connect.Response[pb.SpoolSourceResponse], error) {
	f.count("spool")
	var content []byte
	for s.Receive() {
		content = append(content, s.Msg().GetData()...)
	}
	if err := s.Err(); err != nil {
		f.count("spool cut")
		return nil, err
	}
	return answer(f.spool(content))
}

func (f *fake) ListNodes(context.Context, *connect.Request[pb.ListNodesRequest]) (*connect.Response[pb.ListNodesResponse], error) {
	f.count("nodes")
	return connect.NewResponse(&pb.ListNodesResponse{Nodes: f.nodes}), nil
}

func (f *fake) GetNode(_ context.Context, r *connect.Request[pb.GetNodeRequest]) (*connect.Response[pb.Node], error) {
	f.count("node")
	for _, n := range f.nodes {
		if n.GetName() == r.Msg.GetName() {
			return connect.NewResponse(n), nil
		}
	}
	return nil, refusal(connect.CodeNotFound, "node.not_found", "there is no node "+r.Msg.GetName(), false)
}

func (f *fake) DrainNode(ctx context.Context, r *connect.Request[pb.DrainNodeRequest]) (*connect.Response[pb.Node], error) {
	f.count("drain")
	return answer(f.drain(ctx, r.Msg.GetName()))
}

func (f *fake) CordonNode(_ context.Context, r *connect.Request[pb.CordonNodeRequest]) (*connect.Response[pb.Node], error) {
	f.count("cordon")
	return answer(f.cordon(r.Msg.GetName(), true))
}

func (f *fake) UncordonNode(_ context.Context, r *connect.Request[pb.UncordonNodeRequest]) (*connect.Response[pb.Node], error) {
	f.count("uncordon")
	return answer(f.cordon(r.Msg.GetName(), false))
}

func answer[T any](m *T, err error) (*connect.Response[T], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(m), nil
}

// refusal is an error as a server makes it.
func refusal(c connect.Code, code, message string, retryable bool) error {
	e := connect.NewError(c, errors.New(message))
	d, err := connect.NewErrorDetail(&pb.Error{Code: code, Message: message, Field: "f", Retryable: retryable})
	if err != nil {
		panic(err)
	}
	e.AddDetail(d)
	return e
}

// cut breaks the connection under the answer instead of ending it.
func cut() error { panic(http.ErrAbortHandler) }

func serve(t *testing.T, f *fake) string {
	t.Helper()
	s := httptest.NewServer(handler(f))
	t.Cleanup(s.Close)
	return s.URL
}

func handler(f *fake) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(godwitv1connect.NewTransferServiceHandler(f))
	mux.Handle(godwitv1connect.NewClusterServiceHandler(f))
	return mux
}

// dead is the address of a server that is gone.
func dead(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

func connectTo(t *testing.T, servers ...string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Servers: servers, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func state(id string, s pb.Transfer_Status, done int64) *pb.Transfer {
	return &pb.Transfer{Id: id, Status: s, Progress: &pb.Progress{BytesDone: done}}
}
