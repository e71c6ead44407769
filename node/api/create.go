package api

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// CreateTransfer makes a transfer, or answers with the one of the same id and
// the same spec.
func (s *service) CreateTransfer(ctx context.Context, req *connect.Request[pb.CreateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	spec, e := toSpec(req.Msg.GetTransfer())
	if e != nil {
		return nil, s.fail(ctx, "create", e)
	}
	if spec.Notifications, e = s.toNotifications(req.Msg.GetTransfer().GetNotifications(), "transfer.notifications"); e != nil {
		return nil, s.fail(ctx, "create", e)
	}
	if spec.ID == "" {
		spec.ID = ulid.Make().String()
	}
	made := ""
	if spec.Resolver.URL != "" && spec.Resolver.Secret == "" {
		made = s.secretOf("resolver of transfer " + spec.ID)
		spec.Resolver.Secret = made
	}
	spec, e = transfer.Normalize(spec)
	if e != nil {
		return nil, s.fail(ctx, "create", withField(e, "transfer."))
	}
	start := req.Msg.Start == nil || req.Msg.GetStart()
	snap, _, err := s.engine.Create(ctx, spec, start)
	if errors.As(err, &e) {
		err = withField(e, "transfer.")
	}
	answer, err := s.answer(ctx, "create", snap, err)
	if err == nil && made != "" {
		// Shown to whoever had it made, and never again.
		answer.Msg.Resolver.Secret = made
	}
	return answer, err
}
