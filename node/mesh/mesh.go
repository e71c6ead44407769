package mesh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// The side that connects asks when it has heard nothing for keepaliveTime, and
// ends the connection when there is no answer in keepaliveTimeout: a paused
// process or a cut cable says nothing by itself. keepaliveLeast is how often
// others may ask. The other side only clears up, so it takes more time.
const (
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 3 * time.Second
	keepaliveLeast   = 2 * time.Second
	idleTime         = 30 * time.Second
	idleTimeout      = 30 * time.Second
)

// Mesh is a node's end of the connections with others. Its methods are safe for
// concurrent use.
type Mesh struct {
	cfg         Config
	incarnation atomic.Pointer[string]
	calls       *calls
	wire        *wire
	server      *grpc.Server
	// self is where answers go.
	self *actor.PID

	// base is the context of all handlers, slots bound them, and running counts
	// them and the goroutine that serves.
	base    context.Context
	cancel  context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup
	closing sync.Once

	// began is when this end did, and paces are those of the others.
	began time.Time
	paces paces
}

// Start listens, and answers and asks from now on. A port that is taken is an
// error, as is a configuration that would trust everybody without saying so.
func Start(cfg Config) (*Mesh, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	server, client, err := peerCredentials(cfg.TLS)
	if err != nil {
		return nil, err
	}
	listener, addr, err := listen(cfg)
	if err != nil {
		return nil, err
	}
	m := newMesh(cfg, addr)
	config := remote.Configure("", 0,
		remote.WithEndpointWriterBatchSize(batchCount), remote.WithEndpointWriterQueueSize(queueSize),
		remote.WithDialOptions(m.wire.dialOptions(client)...))
	config.MaxRetryCount = 1 // with more, connections that failed are never closed
	var service remote.RemotingServer
	m.wire.remote, service, err = startRemote(m.wire.system, addr, config)
	if err != nil {
		m.cancel()
		listener.Close()
		return nil, err
	}
	m.wire.watch()
	m.serve(listener, server, service)
	return m, nil
}

func newMesh(cfg Config, addr string) *Mesh {
	system := actor.NewActorSystem(
		actor.WithDeadLetterThrottleInterval(time.Millisecond), // a goroutine lives on for so long
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(warnings{cfg.Logger.Handler()}).With(slog.String("component", "remote"))
		}))
	m := &Mesh{cfg: cfg, began: time.Now(), calls: newCalls(), self: actor.NewPID(addr, replyName), slots: make(chan struct{}, cfg.MaxHandlers)}
	m.wire = &wire{addr: addr, system: system, dialTimeout: cfg.DialTimeout, maxQueued: maxQueued, lost: m.calls.lost, links: make(map[string]*link)}
	m.base, m.cancel = context.WithCancel(context.Background())
	m.incarnation.Store(&cfg.Incarnation)
	system.ProcessRegistry.Add(gate{m}, gateName)
	system.ProcessRegistry.Add(reply{m.calls}, replyName)
	return m
}

// dialOptions are all there are: the library's own are replaced by them.
func (w *wire) dialOptions(client credentials.TransportCredentials) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(client),
		grpc.WithStreamInterceptor(w.connect),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: w.dialTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithDisableRetry(), // a request is sent once
		grpc.WithNoProxy(),      // nodes are reached as they say, whatever the environment does for other hosts
	}
}

func (m *Mesh) serve(listener net.Listener, creds credentials.TransportCredentials, service remote.RemotingServer) {
	m.server = grpc.NewServer(
		grpc.Creds(creds),
		grpc.MaxRecvMsgSize(m.cfg.receive),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveLeast, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: idleTime, Timeout: idleTimeout}),
		grpc.ConnectionTimeout(m.cfg.DialTimeout),
		grpc.ChainStreamInterceptor(streamGuard(m.wire.addr, m.cfg.Logger)),
		grpc.ChainUnaryInterceptor(unaryGuard),
		grpc.WaitForHandlers(true))
	remote.RegisterRemotingServer(m.server, service)
	m.running.Go(func() {
		if err := m.server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			m.cfg.Logger.Error("the mesh accepts no connections any more", slog.Any("error", err))
		}
	})
}

// Addr is host:port by which others reach this node, with the port that was
// chosen where 0 was configured.
func (m *Mesh) Addr() string { return m.wire.addr }

// SetIncarnation begins another life: requests that were meant for the one
// before are refused from now on. Those that are being carried out go on.
func (m *Mesh) SetIncarnation(incarnation string) { m.incarnation.Store(&incarnation) }

// Forget ends the connection with an address: the member there is gone, or has
// another incarnation. Calls that wait for its answer end with ErrUnreachable.
func (m *Mesh) Forget(addr string) {
	if l := m.wire.linkTo(addr); l != nil {
		m.wire.cut(l, errCut)
	}
}

// Close ends all connections, calls and handlers, and waits for them. Handlers
// are told by their context. A second Close waits too and does nothing.
func (m *Mesh) Close() {
	m.closing.Do(func() {
		m.wire.shut()
		m.cancel()
		m.calls.fail(ErrClosed, func(waiter) bool { return true })
		m.wire.cutAll()
		m.server.Stop()
		m.wire.uses.Wait()
		m.running.Wait()
		stopActors(m.wire.system)
	})
}
