package api

import (
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"godwit/node/openapi"
	"godwit/protos/godwit/v1/godwitv1connect"
)

// Limits of what a client may send, in bytes. A body of 1 MiB in Base64 fits.
const (
	MaxRequest = 3 << 19
	MaxHeader  = 64 << 10
)

// Config says what a handler serves.
type Config struct {
	Engine  Engine
	Cluster Cluster
	Sets    Sets
	Spooler Spooler
	// Commands and Channels tell which names this node's configuration has for
	// commands that tasks run and for channels of notifications; nil for none.
	// The channel "log" is always there.
	Commands, Channels func(name string) bool
	// Tokens are required of clients; nil lets everybody in.
	Tokens *Tokens
	// Certificates are required of clients too. The server has verified those that
	// are shown.
	Certificates bool
	// LoopbackHosts accepts only requests whose Host names this machine. It
	// defends an API without tokens against web pages that rebind their name
	// to a loopback address.
	LoopbackHosts bool
	// PageKey authenticates page tokens; nodes of one cluster share it.
	PageKey []byte
	// Ready returns why the node cannot serve, or nil.
	Ready func() error
	// Closing ends streams when it is closed, so that the server can stop.
	Closing <-chan struct{}
	// Metrics serves /metrics; nil leaves it out.
	Metrics http.Handler
	// Attach serves [AttachPath]: see there.
	Attach bool
	Logger *slog.Logger
}

// New returns the handler for everything a node serves on its API address.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	svc := &service{
		engine: cfg.Engine, cluster: cfg.Cluster, sets: cfg.Sets, spooler: cfg.Spooler, pages: pageTokens{key: cfg.PageKey},
		commands: cfg.Commands, channels: cfg.Channels,
		closing: cfg.Closing, log: cfg.Logger,
	}
	options := connect.WithHandlerOptions(
		connect.WithCodec(jsonCodec{name: "json"}),
		connect.WithCodec(jsonCodec{name: "json; charset=utf-8"}),
		connect.WithReadMaxBytes(MaxRequest),
		connect.WithRecover(svc.recovered),
	)
	open := http.NewServeMux()
	open.HandleFunc("GET /livez", serveLive)
	open.Handle("GET /readyz", readiness(cfg.Ready))

	closed := http.NewServeMux()
	serve := func(path string, rpc http.Handler) { closed.Handle(path, checkRequest(rpc)) }
	serve(godwitv1connect.NewTransferServiceHandler(svc, options))
	serve(godwitv1connect.NewClusterServiceHandler(svc, options))
	serve(godwitv1connect.NewCompletionServiceHandler(svc, options))
	serve(godwitv1connect.NewGroupServiceHandler(svc, options))
	serve(godwitv1connect.NewTaskServiceHandler(svc, options))
	closed.HandleFunc("GET /openapi.yaml", serveDescription)
	if cfg.Metrics != nil {
		closed.Handle("GET /metrics", cfg.Metrics)
	}
	if cfg.Attach {
		closed.Handle("GET "+AttachPath, attachment(cfg.Closing))
	}
	open.Handle("/", requireCertificate(cfg.Certificates, requireToken(cfg.Tokens, closed)))
	return endAfterChunks(guardBrowser(cfg.LoopbackHosts, open))
}

func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openapi.Document)
}
