package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxReason bounds what is read of the reason why a server is not ready, in bytes.
const maxReason = 1 << 10

// Health is whether one server serves.
type Health struct {
	// Server is its base URL.
	Server string
	// Err is nil when it does; [CodeNotReady] with the server's reason when it
	// starts, drains or stops, [CodeUnreachable] when it does not answer.
	Err *Error
}

// Health asks every server, not only one that answers, whether it is ready, and
// returns the answers in the order of Config.Servers. Bound the wait with ctx:
// a server that has not answered then is unreachable.
func (c *Client) Health(ctx context.Context) []Health {
	found := make([]Health, len(c.servers))
	var all sync.WaitGroup
	for i, s := range c.servers {
		all.Go(func() { found[i] = Health{Server: s.base, Err: c.askReady(ctx, s.base)} })
	}
	all.Wait()
	return found
}

func (c *Client) askReady(ctx context.Context, base string) *Error {
	failed := func(code, message string, err error) *Error {
		return &Error{Op: "ask for health", Code: code, Message: message, Retryable: code != CodeIncompatible, Err: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return failed(CodeInvalid, "the server's URL cannot be used", err)
	}
	resp, err := c.cfg.HTTPClient.Do(r)
	if err != nil {
		// The library begins with method and URL, which the caller knows.
		if within := (*url.Error)(nil); errors.As(err, &within) {
			err = within.Err
		}
		return failed(CodeUnreachable, err.Error(), err)
	}
	defer resp.Body.Close()
	reason, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode != http.StatusServiceUnavailable:
		return failed(CodeIncompatible, fmt.Sprintf("the server answered %d", resp.StatusCode), nil)
	case err != nil || len(reason) == 0:
		return failed(CodeNotReady, "not ready", err)
	}
	return failed(CodeNotReady, strings.TrimSpace(string(reason)), nil)
}
