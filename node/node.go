package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/oklog/run"
	"github.com/oklog/ulid/v2"

	"godwit/actors"
	"godwit/endpoint"
	"godwit/node/api"
	"godwit/storage"
)

// Stopping takes at most the sum of these.
const (
	// haltTimeout is for parts in flight to finish or be dropped and for
	// records to be written and released.
	haltTimeout = 20 * time.Second
	// handoverGrace is for parts in flight of one transfer to finish.
	handoverGrace = 1500 * time.Millisecond
	// closeTimeout is for API calls and streams to end.
	closeTimeout = 5 * time.Second
)

// Limits of the API's connections.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	pingAfter         = 30 * time.Second
)

// Node is one process's share of godwit. New opens everything, Run serves.
type Node struct {
	cfg       Config
	role      role
	state     stateStore
	sealer    *Sealer
	metrics   *metrics
	tokens    *api.Tokens
	cert      *certificate
	engine    *lateEngine
	objects   map[string]storage.ObjectStore
	source    *endpoint.Client
	webhooks  *endpoint.Webhooks
	outlets   outlets
	admitted  admission
	gossipKey []byte
	// member is the place in a cluster; nil for a node that has none.
	member *member
	// records is opened with the actors system; nil until then.
	records storage.RecordStore

	server    *http.Server
	readiness *readiness
	// closing is closed when streams must end.
	closing chan struct{}
}

// role is how a node is reached and for whom it works.
type role struct {
	listener net.Listener
	// foreground is the node of a person at a terminal, who may reach with it
	// what that person may reach anyway.
	foreground bool
	// lock is released when everything else has ended; nil if it is not ours.
	lock io.Closer
}

// New validates the configuration, opens stores and keys and begins to listen.
// The caller must call Run, which also releases everything.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.Validate()
	if err != nil {
		return nil, err
	}
	lock, err := lockDataDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.APIAddr)
	if err != nil {
		return nil, errors.Join(&ConfigError{Key: "api-addr", Message: "cannot be listened on", Err: err}, lock.Close())
	}
	n, err := newNode(cfg, role{listener: listener, lock: lock})
	if err != nil {
		return nil, errors.Join(err, listener.Close(), lock.Close())
	}
	return n, nil
}

// newNode takes a validated configuration.
func newNode(cfg Config, r role) (*Node, error) {
	n := &Node{
		cfg: cfg, role: r, readiness: newReadiness(), closing: make(chan struct{}),
		metrics: newMetrics(cfg.Version),
	}
	for _, open := range []func() error{n.openSecrets, n.openStores, n.openSource, n.openOutlets, n.openAPI} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) openSecrets() (err error) {
	if n.sealer, err = loadSealer(n.cfg.SecretsKeyFile, n.cfg.DataDir); err != nil {
		return err
	}
	if n.cert, err = loadCertificate(n.cfg); err != nil {
		return err
	}
	if n.cfg.GossipKeyFile != "" {
		if n.gossipKey, err = readKey(n.cfg.GossipKeyFile); err != nil {
			return &ConfigError{Key: "gossip-key-file", Message: "cannot be used", Err: err}
		}
	}
	if n.cfg.APITokenFile == "" {
		return nil
	}
	content, err := readPrivate(n.cfg.APITokenFile, othersRead)
	if err == nil {
		n.tokens, err = api.NewTokens(content)
	}
	if err != nil {
		return &ConfigError{Key: "api-token-file", Message: "cannot be used", Err: err}
	}
	return nil
}

func (n *Node) openSource() error {
	n.admitted = admission{
		policy: endpoint.ForegroundPolicy(), anyFile: n.role.foreground, roots: n.cfg.FileRoots, spool: n.state.spool(),
	}
	if !n.role.foreground {
		allow, err := prefixes(n.cfg.EgressAllow)
		if err != nil {
			return err
		}
		n.admitted.policy = endpoint.ServerPolicy(allow, n.self())
	}
	config := endpoint.Config{Policy: n.admitted.policy, UserAgent: "godwit/" + n.cfg.Version}
	var err error
	if n.source, err = endpoint.New(config); err != nil {
		return err
	}
	n.webhooks, err = endpoint.NewWebhooks(config)
	return err
}

// self are the node's own listeners, which no transfer may call.
func (n *Node) self() []netip.AddrPort {
	if tcp, ok := n.role.listener.Addr().(*net.TCPAddr); ok {
		return []netip.AddrPort{tcp.AddrPort()}
	}
	return nil
}

func (n *Node) openAPI() error {
	n.engine = &lateEngine{admit: n.admitted.check, admitWebhook: n.admitted.checkWebhook}
	handler := api.New(api.Config{
		Engine:        n.engine,
		Cluster:       n.engine,
		Sets:          n.engine,
		Spooler:       n.engine,
		Commands:      n.outlets.commands.Has,
		Channels:      n.outlets.hasChannel,
		Tokens:        n.tokens,
		Certificates:  n.cert != nil && n.cfg.TLSCA != "",
		LoopbackHosts: n.tokens == nil && (n.role.foreground || isLoopback(n.Addr())),
		PageKey:       n.sealer.pages,
		Ready:         n.readiness.check,
		Closing:       n.closing,
		Metrics:       n.metrics.handler(),
		Attach:        n.role.foreground,
		Logger:        n.cfg.Logger,
	})
	n.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    api.MaxHeader,
		Protocols:         new(http.Protocols),
		HTTP2:             &http.HTTP2Config{SendPingTimeout: pingAfter},
		ErrorLog:          slog.NewLogLogger(n.cfg.Logger.Handler(), slog.LevelDebug),
	}
	n.server.Protocols.SetHTTP1(true)
	if n.cert == nil {
		n.server.Protocols.SetUnencryptedHTTP2(true)
		return nil
	}
	n.server.Protocols.SetHTTP2(true)
	config, err := n.cert.serverConfig()
	n.server.TLSConfig = config
	return err
}

// Addr is the address of the API, with the port that was chosen where 0 was
// configured.
func (n *Node) Addr() string { return n.role.listener.Addr().String() }

// Run serves until ctx ends or the node cannot go on, and then stops in good
// order: not ready any more, transfers halted, records released, API closed.
// It may be called once.
func (n *Node) Run(ctx context.Context) error {
	aux, cancelAux := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelAux()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hangup, ignoreHangup := n.notifyHangup()
	defer ignoreHangup()
	halted := make(chan struct{})
	var g run.Group
	g.Add(func() error {
		defer close(halted)
		return n.runSystem(ctx)
	}, func(error) { cancel() })
	g.Add(n.serve, func(error) {
		<-halted
		n.closeAPI(aux)
	})
	g.Add(func() error { return n.watchdog(aux) }, func(error) { cancelAux() })
	g.Add(func() error { return n.reloadOn(aux, hangup) }, func(error) { cancelAux() })
	err := g.Run()
	n.source.Close()
	if closer, ok := n.records.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}
	if n.role.lock != nil {
		err = errors.Join(err, n.role.lock.Close())
	}
	return err
}

// runSystem is the life of the actors system.
func (n *Node) runSystem(ctx context.Context) error {
	began := time.Now()
	system, err := n.startSystem(ctx)
	switch {
	case ctx.Err() != nil && err != nil:
		// Asked to stop while it was starting.
		return nil
	case err != nil:
		return err
	}
	n.engine.system.Store(system)
	n.readiness.ready()
	notify(daemon.SdNotifyReady)
	n.cfg.Logger.InfoContext(ctx, "node is ready", slog.String("node", n.cfg.Name), slog.String("api", n.Addr()),
		slog.String("store", n.state.shown()), slog.Duration("after", time.Since(began)))
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-system.Failed():
	case failure = <-n.member.failed():
	}
	n.readiness.stopping()
	notify(daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), haltTimeout)
	defer cancel()
	return errors.Join(failure, n.stopSystem(ctx, system))
}

// startSystem opens the state store, makes sure that it can be relied on, starts
// the actors on it and joins the cluster.
func (n *Node) startSystem(ctx context.Context) (*actors.System, error) {
	records, err := n.state.openRecords()
	if err != nil {
		return nil, fmt.Errorf("open the state store: %w", err)
	}
	n.records = records
	if n.role.foreground {
		err = checkStoreOnce(ctx, records, n.cfg, n.state)
	} else {
		err = checkStore(ctx, records)
	}
	if err != nil {
		return nil, err
	}
	clusterID, err := actors.CheckCluster(ctx, records)
	if err != nil {
		return nil, err
	}
	cfg := actors.Config{
		Node: n.cfg.Name, Incarnation: ulid.Make().String(), Version: n.cfg.Version,
		Records: poisonRecords(futureRecords(recordHistory(pointRecords(records), n.cfg.Name))), Objects: pointObjects(n.objects), Source: n.source, Uploads: n.source, Resolver: n.webhooks,
		Sealer: n.sealer, Meter: n.metrics, Logger: n.cfg.Logger, Slots: n.cfg.Slots, Retention: n.cfg.Retention, Brief: n.role.foreground,
		Outlets: n.outlets.forTasks(clusterID), Reached: failpoint(), SpoolURL: n.state.spool(),
		APIAddr: n.cfg.advertised(n.Addr()), GossipAddr: n.cfg.advertised(n.cfg.GossipAddr),
	}
	if n.member, err = n.openMember(cfg.Incarnation); err != nil {
		return nil, err
	}
	if n.member == nil {
		n.metrics.members.WithLabelValues("ALIVE").Set(1)
		return actors.Start(ctx, cfg)
	}
	cfg.HandoverGrace = handoverGrace
	cfg.Peers, cfg.Became, cfg.Refuses, cfg.RemoteAddr = n.member, n.member.became, refuses, n.member.mesh.Addr()
	return n.startMember(ctx, cfg, clusterID)
}

// startMember joins the cluster and then starts the system.
func (n *Node) startMember(ctx context.Context, cfg actors.Config, clusterID string) (*actors.System, error) {
	epoch, err := actors.NextEpoch(ctx, cfg.Records, cfg.Node)
	if err == nil {
		err = n.member.join(ctx, clusterID, actors.Self{Incarnation: cfg.Incarnation, Epoch: epoch})
	}
	var system *actors.System
	if err == nil {
		system, err = actors.Start(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, n.member.close(ctx))
	}
	n.member.admit(system)
	if err := system.AwaitLoaded(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), haltTimeout)
		defer cancel()
		return nil, errors.Join(err, n.stopSystem(stop, system))
	}
	return system, nil
}

// stopSystem gives away what the node has, and leaves.
func (n *Node) stopSystem(ctx context.Context, system *actors.System) error {
	if n.member == nil {
		return system.Stop(ctx)
	}
	n.member.leave()
	return errors.Join(system.Stop(ctx), n.member.close(ctx))
}

// serve is the life of the API.
func (n *Node) serve() error {
	var err error
	if n.cert != nil {
		err = n.server.ServeTLS(n.role.listener, "", "")
	} else {
		err = n.server.Serve(n.role.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the API: %w", err)
}

// closeAPI ends streams, waits for calls, and cuts what is left.
func (n *Node) closeAPI(ctx context.Context) {
	close(n.closing)
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if n.server.Shutdown(ctx) != nil {
		// Clients that did not leave in time lose their connection.
		_ = n.server.Close()
	}
}
