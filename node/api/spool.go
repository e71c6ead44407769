package api

import (
	"context"

	"connectrpc.com/connect"

	pb "godwit/protos/godwit/v1"
)

// SpoolSource keeps the content of an upload that is to be created.
func (s *service) SpoolSource(context.Context, *connect.ClientStream[pb.SpoolSourceRequest]) (*connect.Response[pb.SpoolSourceResponse], error) {
	return nil, connect.NewError(connect.CodeUnimplemented, nil)
}
