package node

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"godwit/node/api"
)

// lockFile and socketFile lie in the data dir of an embedded node.
const (
	lockFile   = "node.lock"
	socketFile = "node.sock"
)

// attachPause is how long Attach waits before it looks again, while another
// process is about to serve or about to end.
const attachPause = 50 * time.Millisecond

// embeddedName is the node name of all processes that share a data dir: each
// continues what the one before left.
const embeddedName = "local"

// EmbedConfig says which data dir to share, and how the node in it works if
// this process is the one to run it.
type EmbedConfig struct {
	// DataDir holds state, key, lock and socket. Required.
	DataDir string
	// Version is shown to users; Logger may be nil.
	Version string
	Logger  *slog.Logger
	// Slots and MemoryBudget are as in [Config].
	Slots        int
	MemoryBudget ByteSize
}

// Attachment is the way to the node of a data dir, in this process or another.
type Attachment struct {
	client *http.Client
	closed chan struct{}
	// stop ends the node, or only our interest in it.
	stop context.CancelFunc
	// err is why the node in this process ended; set before closed is.
	err error
}

// Attach returns the way to the one node that all processes on a data dir
// share. The first runs it; the others use it through a socket. When the process
// that runs it ends, Closed tells, and whoever calls Attach first is next.
//
// It waits, within ctx, for a node that is starting or ending.
func Attach(ctx context.Context, cfg EmbedConfig) (*Attachment, error) {
	full, err := Config{
		Name: embeddedName, DataDir: cfg.DataDir, Version: cfg.Version, Logger: cfg.Logger,
		Slots: cfg.Slots, MemoryBudget: cfg.MemoryBudget,
	}.Validate()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(full.DataDir, 0o700); err != nil {
		return nil, &ConfigError{Key: "data-dir", Message: "cannot be made", Err: err}
	}
	socket, err := socketPath(full.DataDir)
	if err != nil {
		return nil, err
	}
	timer := time.NewTicker(attachPause)
	defer timer.Stop()
	for {
		lock, err := tryLock(filepath.Join(full.DataDir, lockFile))
		if err == nil {
			return host(ctx, full, socket, lock)
		}
		if !errors.Is(err, errLocked) {
			return nil, &ConfigError{Key: "data-dir", Message: "cannot be locked", Err: err}
		}
		if a, err := join(ctx, socket); err == nil {
			return a, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// host runs the node in this process. It takes over lock.
func host(ctx context.Context, cfg Config, socket string, lock io.Closer) (*Attachment, error) {
	listener, err := listenPrivate(socket)
	if err != nil {
		return nil, errors.Join(&ConfigError{Key: "data-dir", Message: "has no room for a socket", Err: err}, lock.Close())
	}
	n, err := newNode(cfg, role{listener: listener, foreground: true})
	if err != nil {
		return nil, errors.Join(err, listener.Close(), lock.Close())
	}
	if err := clearSpool(n.state.spoolDir()); err != nil {
		n.cfg.Logger.WarnContext(ctx, "partly spooled sources are left behind", slog.Any("error", err))
	}
	// The node outlives the call, and ends by Close.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	a := &Attachment{client: socketClient(socket), closed: make(chan struct{}), stop: stop}
	go func() {
		defer close(a.closed)
		// The lock goes last: who gets it finds all records released.
		a.err = errors.Join(n.Run(life), lock.Close())
	}()
	select {
	case <-n.readiness.became:
		return a, nil
	case <-a.closed:
		stop()
		return nil, a.err
	case <-ctx.Done():
		stop()
		<-a.closed
		return nil, context.Cause(ctx)
	}
}

// clearSpool removes what a process that was killed had spooled in part. Whoever has
// the lock is the only one who spools there.
func clearSpool(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		// Whole sources have names without a dot.
		if strings.HasPrefix(entry.Name(), ".") {
			err = errors.Join(err, os.Remove(filepath.Join(folder, entry.Name())))
		}
	}
	return err
}

// join uses the node of another process, if it is ready.
func join(ctx context.Context, socket string) (*Attachment, error) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	a := &Attachment{client: socketClient(socket), closed: make(chan struct{}), stop: stop}
	// Of this connection only its end is of interest.
	stream, err := a.call(life, api.AttachPath)
	if err == nil {
		err = a.ready(ctx)
	}
	if err != nil {
		stop()
		return nil, err
	}
	go func() {
		defer close(a.closed)
		defer func() { _ = stream.Close() }()
		_, _ = io.Copy(io.Discard, stream)
	}()
	return a, nil
}

// ready fails unless the node serves.
func (a *Attachment) ready(ctx context.Context) error {
	body, err := a.call(ctx, "/readyz")
	if err != nil {
		return err
	}
	return body.Close()
}

func (a *Attachment) call(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.BaseURL()+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(errStarting, resp.Body.Close())
	}
	return resp.Body, nil
}

// HTTPClient sends requests for BaseURL to the node.
func (a *Attachment) HTTPClient() *http.Client { return a.client }

// BaseURL is the URL of the node's API for HTTPClient.
func (a *Attachment) BaseURL() string { return "http://localhost" }

// Closed is closed when the node has ended, in good order or not.
func (a *Attachment) Closed() <-chan struct{} { return a.closed }

// Close ends the node when it runs in this process, halting and recording its
// transfers; others take over. Otherwise it only lets go. It returns why the
// node failed, or ctx's error when the node did not end in time.
func (a *Attachment) Close(ctx context.Context) error {
	a.stop()
	select {
	case <-a.closed:
		a.client.CloseIdleConnections()
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// socketConnections is how many idle connections to the node a process keeps.
const socketConnections = 32

// socketClient sends requests through a socket, with HTTP/1.1: a server ends its
// idle connections at once when it stops, whereas HTTP/2 waits a second for
// streams that might be on their way, which every command would wait for.
func socketClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: socketConnections,
		DisableCompression:  true,
	}}
}
