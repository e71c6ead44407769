package client

import (
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"godwit/protos/godwit/v1/godwitv1connect"
)

// server is one base URL with the services behind it.
type server struct {
	base string
	godwitv1connect.TransferServiceClient
	godwitv1connect.ClusterServiceClient
	godwitv1connect.CompletionServiceClient
	godwitv1connect.GroupServiceClient
	godwitv1connect.TaskServiceClient
}

func newServer(client connect.HTTPClient, base string) *server {
	options := connect.WithClientOptions(
		// Results are usually compressed already: do not spend CPU on it.
		connect.WithAcceptCompression("gzip", nil, nil),
		connect.WithReadMaxBytes(maxMessage),
	)
	return &server{
		base:                    base,
		TransferServiceClient:   godwitv1connect.NewTransferServiceClient(client, base, options),
		ClusterServiceClient:    godwitv1connect.NewClusterServiceClient(client, base, options),
		CompletionServiceClient: godwitv1connect.NewCompletionServiceClient(client, base, options),
		GroupServiceClient:      godwitv1connect.NewGroupServiceClient(client, base, options),
		TaskServiceClient:       godwitv1connect.NewTaskServiceClient(client, base, options),
	}
}

// failures are the latest ones of each server, by its index; nil where it was
// not tried.
type failures []*Error

// starting tells that a server is there that will soon take the request, or
// that another one has taken over from.
func (f failures) starting() bool {
	for _, e := range f {
		if e != nil && e.nothingDone() {
			return true
		}
	}
	return false
}

// sum is one error that names all servers tried, with the code of the first
// one that said anything at all.
func (f failures) sum(servers []*server) *Error {
	var out Error
	var said []string
	var causes []error
	for i, e := range f {
		if e == nil {
			continue
		}
		if len(said) == 0 || out.Code == CodeUnreachable {
			out = *e
		}
		said = append(said, servers[i].base+": "+e.Message)
		causes = append(causes, e.Err)
	}
	out.Message = strings.Join(said, "; ")
	if len(said) > 1 {
		out.Message = fmt.Sprintf("none of %d servers can be used: %s", len(said), out.Message)
	}
	out.Err = errors.Join(causes...)
	return &out
}
