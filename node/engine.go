package node

import (
	"context"
	"io"
	"sync/atomic"

	"godwit/actors"
	"godwit/node/api"
	"godwit/transfer"
)

// lateEngine is the actors system as the API sees it: the API listens before
// the system is there, so that a node with many transfers shows signs of life
// while it loads them. Until then every call is asked to come back.
type lateEngine struct {
	system atomic.Pointer[actors.System]
	// admit refuses specs that this node never runs.
	admit func(transfer.Spec) *transfer.Error
	// admitWebhook refuses receivers that this node never delivers to.
	admitWebhook func(url string) *transfer.Error
}

var (
	_ api.Engine  = (*lateEngine)(nil)
	_ api.Cluster = (*lateEngine)(nil)
	_ api.Spooler = (*lateEngine)(nil)
)

func (e *lateEngine) get() (*actors.System, error) {
	if s := e.system.Load(); s != nil {
		return s, nil
	}
	return nil, errStarting
}

func (e *lateEngine) Create(ctx context.Context, spec transfer.Spec, start bool) (actors.Snapshot, bool, error) {
	s, err := e.get()
	if err != nil {
		return actors.Snapshot{}, false, err
	}
	if e := e.admit(spec); e != nil {
		return actors.Snapshot{}, false, e
	}
	return s.Create(ctx, spec, start)
}

func (e *lateEngine) Command(ctx context.Context, id string, ev transfer.Event, etag string) (actors.Snapshot, error) {
	s, err := e.get()
	if err != nil {
		return actors.Snapshot{}, err
	}
	return s.Command(ctx, id, ev, etag)
}

func (e *lateEngine) Get(ctx context.Context, id string) (actors.Snapshot, error) {
	s, err := e.get()
	if err != nil {
		return actors.Snapshot{}, err
	}
	return s.Get(ctx, id)
}

func (e *lateEngine) List(ctx context.Context, q actors.Query) (actors.Page, error) {
	s, err := e.get()
	if err != nil {
		return actors.Page{}, err
	}
	return s.List(ctx, q)
}

func (e *lateEngine) Explain(ctx context.Context, id string) (actors.Snapshot, []string, error) {
	s, err := e.get()
	if err != nil {
		return actors.Snapshot{}, nil, err
	}
	return s.Explain(ctx, id)
}

func (e *lateEngine) Open(ctx context.Context, id string, offset int64) (io.ReadCloser, error) {
	s, err := e.get()
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, id, offset)
}

func (e *lateEngine) Watch(ctx context.Context, ids []string) api.Watch {
	s, err := e.get()
	if err != nil {
		return failedWatch{err}
	}
	return s.Watch(ctx, ids)
}

func (e *lateEngine) Spool(ctx context.Context, r io.Reader) (string, int64, error) {
	s, err := e.get()
	if err != nil {
		return "", 0, err
	}
	return s.Spool(ctx, r)
}

func (e *lateEngine) Nodes(ctx context.Context) ([]actors.NodeStatus, error) {
	s, err := e.get()
	if err != nil {
		return nil, err
	}
	return s.Nodes(ctx)
}

func (e *lateEngine) Drain(ctx context.Context, name string) (actors.NodeStatus, error) {
	s, err := e.get()
	if err != nil {
		return actors.NodeStatus{}, err
	}
	return s.Drain(ctx, name)
}

func (e *lateEngine) Cordon(ctx context.Context, name string, cordoned bool) (actors.NodeStatus, error) {
	s, err := e.get()
	if err != nil {
		return actors.NodeStatus{}, err
	}
	return s.Cordon(ctx, name, cordoned)
}

// failedWatch is a watch that could not begin.
type failedWatch struct{ err error }

func (w failedWatch) Next(context.Context) (actors.Snapshot, error) { return actors.Snapshot{}, w.err }
func (failedWatch) Close()                                          {}
