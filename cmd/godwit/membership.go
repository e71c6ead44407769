package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
)

// embeddedURL stands for whoever runs the node on the data folder; requests to
// it are sent where that one listens.
const embeddedURL = "http://godwit.embedded"

// attachment is a process's part in the node of a data folder: it runs it, or
// speaks to the process that does.
type attachment interface {
	HTTPClient() *http.Client
	BaseURL() string
	// Closed is closed when the process that runs the node has ended.
	Closed() <-chan struct{}
	Close(ctx context.Context) error
}

// joiner takes part in the node of a data folder.
type joiner func(ctx context.Context, dataDir string, log *slog.Logger) (attachment, error)

// membership keeps taking part: when the process that ran the node ends, the
// next request joins again, which may make this process the one that runs it.
// It is safe for concurrent use.
type membership struct {
	join func(ctx context.Context) (attachment, error)

	mu   sync.Mutex // guards what follows, held while joining
	at   attachment
	left bool
}

// current returns a live attachment, joining if need be.
func (m *membership) current(ctx context.Context) (attachment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left {
		return nil, http.ErrServerClosed
	}
	if m.at != nil {
		select {
		case <-m.at.Closed():
			_ = m.at.Close(ctx) // it has ended; there is nothing to record
			m.at = nil
		default:
			return m.at, nil
		}
	}
	at, err := m.join(ctx)
	if err != nil {
		return nil, err
	}
	m.at = at
	return at, nil
}

// Do sends a request to whoever runs the node now.
func (m *membership) Do(r *http.Request) (*http.Response, error) {
	at, err := m.current(r.Context())
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(at.BaseURL())
	if err != nil {
		return nil, err
	}
	r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
	r.Host = ""
	return at.HTTPClient().Do(r)
}

// leave ends this process's part. If it runs the node, running transfers are
// halted and recorded.
func (m *membership) leave(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = true
	if m.at == nil {
		return nil
	}
	// Otherwise the node would wait for these connections to notice.
	m.at.HTTPClient().CloseIdleConnections()
	return m.at.Close(ctx)
}
