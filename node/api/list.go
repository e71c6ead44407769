package api

import (
	"context"

	"connectrpc.com/connect"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// Page sizes of lists, in transfers.
const (
	defaultPage = 100
	maxPage     = 1000
)

// ListTransfers answers with one page of the transfers that match all filters.
func (s *service) ListTransfers(ctx context.Context, req *connect.Request[pb.ListTransfersRequest]) (*connect.Response[pb.ListTransfersResponse], error) {
	query, err := s.query(req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "list", err)
	}
	page, err := s.engine.List(ctx, query)
	if err != nil {
		return nil, s.fail(ctx, "list", err)
	}
	out := &pb.ListTransfersResponse{Transfers: make([]*pb.Transfer, len(page.Transfers))}
	for i, snap := range page.Transfers {
		out.Transfers[i] = toMessage(snap)
	}
	if page.Next != nil {
		out.NextPageToken = s.pages.encode(*page.Next, req.Msg)
	}
	return connect.NewResponse(out), nil
}

// query translates a request, or refuses it.
func (s *service) query(req *pb.ListTransfersRequest) (actors.Query, error) {
	q := actors.Query{
		Labels: req.GetLabels(), Limit: int(req.GetPageSize()),
		Group: req.GetGroup(), CompletionGroup: req.GetCompletionGroup(), Unacknowledged: req.GetUnacknowledged(),
	}
	switch {
	case q.Limit == 0:
		q.Limit = defaultPage
	case q.Limit < 0 || q.Limit > maxPage:
		return q, &transfer.Error{Code: transfer.CodePageSize, Field: "pageSize", Message: "a page has 1 to 1000 transfers"}
	}
	for _, status := range req.GetStatuses() {
		if !named(status) {
			return q, &transfer.Error{Code: transfer.CodeFilter, Field: "statuses", Message: "unknown status"}
		}
		q.Statuses = append(q.Statuses, status.String())
	}
	if d := req.GetDirection(); d != pb.Transfer_DIRECTION_UNSPECIFIED {
		if !named(d) {
			return q, &transfer.Error{Code: transfer.CodeFilter, Field: "direction", Message: "unknown direction"}
		}
		q.Direction = transfer.Direction(d.String())
	}
	after, err := s.pages.decode(req)
	q.After = after
	return q, err
}
