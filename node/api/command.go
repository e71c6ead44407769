package api

import (
	"context"
	"unicode/utf8"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// maxReason bounds the reason of a cancel in bytes.
const maxReason = 1024

// StartTransfer lets an idle transfer run.
func (s *service) StartTransfer(ctx context.Context, req *connect.Request[pb.StartTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.command(ctx, "start", req.Msg.GetId(), transfer.Start{}, "")
}

// PauseTransfer stops a transfer until it is resumed.
func (s *service) PauseTransfer(ctx context.Context, req *connect.Request[pb.PauseTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.command(ctx, "pause", req.Msg.GetId(), transfer.Pause{}, "")
}

// ResumeTransfer takes back a pause.
func (s *service) ResumeTransfer(ctx context.Context, req *connect.Request[pb.ResumeTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.command(ctx, "resume", req.Msg.GetId(), transfer.Resume{}, "")
}

// RetryTransfer runs a failed transfer again.
func (s *service) RetryTransfer(ctx context.Context, req *connect.Request[pb.RetryTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.command(ctx, "retry", req.Msg.GetId(), transfer.Retry{}, "")
}

// AcknowledgeTransfer says that the end of a transfer was noticed.
func (s *service) AcknowledgeTransfer(ctx context.Context, req *connect.Request[pb.AcknowledgeTransferRequest]) (*connect.Response[pb.Transfer], error) {
	return s.command(ctx, "acknowledge", req.Msg.GetId(), transfer.Acknowledge{}, "")
}

// DeleteTransfer removes a transfer that has ended; its result stays.
func (s *service) DeleteTransfer(ctx context.Context, req *connect.Request[pb.DeleteTransferRequest]) (*connect.Response[pb.DeleteTransferResponse], error) {
	if _, err := s.command(ctx, "delete", req.Msg.GetId(), transfer.Purge{}, ""); err != nil {
		return nil, err
	}
	return connect.NewResponse(&pb.DeleteTransferResponse{}), nil
}

// CancelTransfer ends a transfer for good.
func (s *service) CancelTransfer(ctx context.Context, req *connect.Request[pb.CancelTransferRequest]) (*connect.Response[pb.Transfer], error) {
	reason := req.Msg.GetReason()
	if len(reason) > maxReason || !utf8.ValidString(reason) {
		e := transfer.Errorf(transfer.CodeTooLarge, "a reason has at most %d bytes", maxReason)
		e.Field = "reason"
		return nil, s.fail(ctx, "cancel", e)
	}
	return s.command(ctx, "cancel", req.Msg.GetId(), transfer.Cancel{By: "api", Reason: reason}, "")
}

// UpdateTransfer changes what may change while a transfer is not running.
func (s *service) UpdateTransfer(ctx context.Context, req *connect.Request[pb.UpdateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	ev, e := toUpdate(req.Msg)
	if e != nil {
		return nil, s.fail(ctx, "update", e)
	}
	answer, err := s.command(ctx, "update", req.Msg.GetId(), ev, req.Msg.GetEtag())
	if err != nil || req.Msg.CompletionGroup == nil {
		return answer, err
	}
	return s.join(ctx, req.Msg.GetId(), req.Msg.GetCompletionGroup())
}

// join makes a transfer a member of a completion group, after all else has been
// changed: the group has a say in it.
func (s *service) join(ctx context.Context, id, group string) (*connect.Response[pb.Transfer], error) {
	if e := transfer.CheckCompletionID(group, "completionGroup"); e != nil {
		return nil, s.fail(ctx, "update", e)
	}
	if _, err := s.sets.AddToCompletion(ctx, group, []string{id}); err != nil {
		return nil, s.fail(ctx, "update", err)
	}
	snap, err := s.engine.Get(ctx, id)
	return s.answer(ctx, "update", snap, err)
}
