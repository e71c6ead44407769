package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// readOnly is a service with transfers that do not change; the token, if one is
// sent, must be "sesame".
type readOnly struct {
	shelf
	order []string
}

// scriptAPI starts a server for scripts, with nodes, groups and tasks besides.
func scriptAPI(nodes *scriptNodes) (url string, stop func()) {
	size := int64(10)
	s := &readOnly{shelf: shelf{on: map[string]*pb.Transfer{}}}
	for _, t := range []*pb.Transfer{
		{Id: "done", Status: pb.Transfer_COMPLETED, Labels: map[string]string{"result": "there"}, Checksums: &pb.Checksums{Sha256: "00ff"}},
		{Id: "broken", Status: pb.Transfer_FAILED, Error: &pb.Error{Code: "http.status", Message: "the server answered 404"}},
		{Id: "wrong", Status: pb.Transfer_FAILED, Error: &pb.Error{Code: "checksum.mismatch", Message: "the content is another"}},
		{Id: "stopped", Status: pb.Transfer_CANCELED, CancelReason: "not needed"},
		{Id: "waiting", Status: pb.Transfer_PAUSED, Owner: &pb.Owner{Node: "n1", Epoch: 3}, PauseReasons: []pb.Transfer_PauseReason{pb.Transfer_APPLICATION}},
	} {
		t.Source = &pb.Endpoint{Url: "https://origin.example/" + t.GetId()}
		t.Destination = &pb.Endpoint{Url: "file:///srv/" + t.GetId()}
		t.Progress = &pb.Progress{BytesDone: 10, BytesTotal: &size}
		s.on[t.GetId()] = t
		s.order = append(s.order, t.GetId())
	}
	handler := http.NewServeMux()
	handler.Handle(godwitv1connect.NewTransferServiceHandler(s))
	handler.Handle(godwitv1connect.NewClusterServiceHandler(nodes))
	sets := newScriptSets()
	handler.Handle(godwitv1connect.NewCompletionServiceHandler(sets))
	handler.Handle(godwitv1connect.NewGroupServiceHandler(sets))
	handler.Handle(godwitv1connect.NewTaskServiceHandler(sets))
	handler.HandleFunc("GET /readyz", nodes.serveReady)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" && token != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	return server.URL, server.Close
}

func (s *readOnly) GetTransfer(_ context.Context, r *connect.Request[pb.GetTransferRequest]) (*connect.Response[pb.Transfer], error) {
	if t := s.on[r.Msg.GetId()]; t != nil {
		return connect.NewResponse(t), nil
	}
	return nil, shelfError(connect.CodeNotFound, "transfer.not_found")
}

// ListTransfers has pages of two, whatever is asked for.
func (s *readOnly) ListTransfers(_ context.Context, r *connect.Request[pb.ListTransfersRequest]) (*connect.Response[pb.ListTransfersResponse], error) {
	page := &pb.ListTransfersResponse{}
	passed := r.Msg.GetPageToken() == ""
	for _, id := range s.order {
		t := s.on[id]
		if len(page.GetTransfers()) == 2 {
			page.NextPageToken = page.GetTransfers()[1].GetId()
			break
		}
		if passed && matches(t, r.Msg.GetStatuses()) && (t.GetAcknowledgeTime() == nil || !r.Msg.GetUnacknowledged()) {
			page.Transfers = append(page.Transfers, t)
		}
		passed = passed || id == r.Msg.GetPageToken()
	}
	return connect.NewResponse(page), nil
}

func matches(t *pb.Transfer, statuses []pb.Transfer_Status) bool {
	for _, s := range statuses {
		if s == t.GetStatus() {
			return true
		}
	}
	return len(statuses) == 0
}

func (s *readOnly) UpdateTransfer(_ context.Context, r *connect.Request[pb.UpdateTransferRequest]) (*connect.Response[pb.Transfer], error) {
	t := s.on[r.Msg.GetId()]
	t.LimitRate = r.Msg.GetLimitRate()
	if r.Msg.Group != nil {
		t.Group = r.Msg.GetGroup()
	}
	if r.Msg.CompletionGroup != nil {
		t.CompletionGroup = r.Msg.GetCompletionGroup()
	}
	return connect.NewResponse(t), nil
}

func (s *readOnly) AcknowledgeTransfer(_ context.Context, r *connect.Request[pb.AcknowledgeTransferRequest]) (*connect.Response[pb.Transfer], error) {
	t := s.on[r.Msg.GetId()]
	if !client.Terminal(t.GetStatus()) {
		return nil, shelfError(connect.CodeFailedPrecondition, "state.conflict")
	}
	t.AcknowledgeTime = timestamppb.New(time.Unix(1_800_000_000, 0))
	return connect.NewResponse(t), nil
}

func (s *readOnly) DeleteTransfer(_ context.Context, r *connect.Request[pb.DeleteTransferRequest]) (*connect.Response[pb.DeleteTransferResponse], error) {
	if _, ok := s.on[r.Msg.GetId()]; !ok {
		return nil, shelfError(connect.CodeNotFound, "transfer.not_found")
	}
	delete(s.on, r.Msg.GetId())
	s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == r.Msg.GetId() })
	return connect.NewResponse(&pb.DeleteTransferResponse{}), nil
}

func (s *readOnly) ExplainTransfer(_ context.Context, r *connect.Request[pb.ExplainTransferRequest]) (*connect.Response[pb.ExplainTransferResponse], error) {
	return connect.NewResponse(&pb.ExplainTransferResponse{Transfer: s.on[r.Msg.GetId()], Reasons: []string{"You paused it."}}), nil
}

// WatchTransfers does not end while something named is not terminal.
func (s *readOnly) WatchTransfers(ctx context.Context, r *connect.Request[pb.WatchTransfersRequest], out *connect.ServerStream[pb.WatchTransfersResponse]) error {
	wait := false
	for _, id := range r.Msg.GetIds() {
		t := s.on[id]
		if t == nil {
			return shelfError(connect.CodeNotFound, "transfer.not_found")
		}
		wait = wait || t.GetStatus() == pb.Transfer_PAUSED
		if err := out.Send(&pb.WatchTransfersResponse{Transfer: t}); err != nil {
			return err
		}
	}
	if wait {
		<-ctx.Done()
	}
	return nil
}
