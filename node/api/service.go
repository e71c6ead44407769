package api

import (
	"context"
	"log/slog"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
	"godwit/transfer"
)

// service implements TransferService on an Engine, ClusterService on a Cluster,
// and the services of groups and tasks on Sets. It is used by many goroutines and
// holds no state of its own.
type service struct {
	engine  Engine
	cluster Cluster
	sets    Sets
	spooler Spooler
	pages   pageTokens
	// commands and channels are those of Config.
	commands, channels func(name string) bool
	closing            <-chan struct{}
	log                *slog.Logger
}

var _ godwitv1connect.TransferServiceHandler = (*service)(nil)

// answer turns the outcome of an engine call into that of an API call.
func (s *service) answer(ctx context.Context, procedure string, snap actors.Snapshot, err error) (*connect.Response[pb.Transfer], error) {
	if err != nil {
		return nil, s.fail(ctx, procedure, err)
	}
	return connect.NewResponse(toMessage(snap)), nil
}

// GetTransfer answers with one transfer.
func (s *service) GetTransfer(ctx context.Context, req *connect.Request[pb.GetTransferRequest]) (*connect.Response[pb.Transfer], error) {
	if e := transfer.CheckID(req.Msg.GetId()); e != nil {
		return nil, s.fail(ctx, "get", e)
	}
	snap, err := s.engine.Get(ctx, req.Msg.GetId())
	return s.answer(ctx, "get", snap, err)
}

// ExplainTransfer answers with a transfer and why it does not run.
func (s *service) ExplainTransfer(ctx context.Context, req *connect.Request[pb.ExplainTransferRequest]) (*connect.Response[pb.ExplainTransferResponse], error) {
	if e := transfer.CheckID(req.Msg.GetId()); e != nil {
		return nil, s.fail(ctx, "explain", e)
	}
	snap, reasons, err := s.engine.Explain(ctx, req.Msg.GetId())
	if err != nil {
		return nil, s.fail(ctx, "explain", err)
	}
	return connect.NewResponse(&pb.ExplainTransferResponse{Transfer: toMessage(snap), Reasons: reasons}), nil
}

// command is the shape of all calls that give one transfer an event.
func (s *service) command(ctx context.Context, procedure, id string, ev transfer.Event, etag string) (*connect.Response[pb.Transfer], error) {
	if e := transfer.CheckID(id); e != nil {
		return nil, s.fail(ctx, procedure, e)
	}
	snap, err := s.engine.Command(ctx, id, ev, etag)
	return s.answer(ctx, procedure, snap, err)
}
