package mesh

import (
	"bytes"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// Peer is the node that is meant.
type Peer struct {
	// Name and Incarnation must be those that the node at Addr has.
	Name, Incarnation string
	// Addr is host:port of its mesh, as it advertises it.
	Addr string
}

// Call asks another node and waits for the answer, until ctx ends, or for the
// configured time when ctx has no deadline. The request is sent once, and carried
// out once at most. Errors: those of this package, and ctx's. The body is not to
// be changed any more, not even when Call has returned: it may still be sent.
//
// The receiver begins nothing later than Config.ClockSkew after the deadline.
func (m *Mesh) Call(ctx context.Context, to Peer, kind string, topologyVersion uint64, body []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.cfg.Timeout)
		defer cancel()
	}
	res, err := m.call(ctx, to, m.request(ctx, to, kind, topologyVersion, body))
	if err == nil {
		body, err = outcome(res)
	}
	if err != nil {
		return nil, fmt.Errorf("ask node %q at %q for %q: %w", to.Name, to.Addr, kind, err)
	}
	return body, nil
}

func (m *Mesh) request(ctx context.Context, to Peer, kind string, topologyVersion uint64, body []byte) *clusterpb.Request {
	deadline, _ := ctx.Deadline()
	return &clusterpb.Request{
		Id: m.calls.next(), Kind: kind, Body: body, DeadlineUnixMs: deadline.UnixMilli(), TopologyVersion: topologyVersion,
		TimeoutMs: max(time.Until(deadline).Milliseconds(), 1), SentMs: time.Since(m.began).Milliseconds(),
		From: m.cfg.Name, FromIncarnation: *m.incarnation.Load(), To: to.Name, ToIncarnation: to.Incarnation,
	}
}

func (m *Mesh) call(ctx context.Context, to Peer, req *clusterpb.Request) (*clusterpb.Response, error) {
	if err := m.check(ctx, to, req); err != nil {
		return nil, err
	}
	if to.Addr == m.wire.addr {
		// What comes by a connection is the handler's own; so is this.
		req.Body = bytes.Clone(req.Body)
	}
	done := make(chan answer, 1)
	err := m.wire.send(actor.NewPID(to.Addr, gateName), req, m.self, func(l *link) { m.calls.add(req.GetId(), l, done) })
	if err != nil {
		return nil, err
	}
	select {
	case a := <-done:
		return a.response, a.err
	case <-ctx.Done():
		m.calls.remove(req.GetId())
		return nil, ctx.Err()
	}
}

// check refuses what the library could not send.
func (m *Mesh) check(ctx context.Context, to Peer, req *clusterpb.Request) error {
	if err := checkAddr(to.Addr); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, word := range []string{req.GetKind(), req.GetTo(), req.GetToIncarnation(), req.GetFrom(), req.GetFromIncarnation()} {
		if len(word) > maxWord || !utf8.ValidString(word) {
			return fmt.Errorf("%w: a word of %d bytes", ErrInvalid, len(word))
		}
	}
	if n := len(req.GetBody()); n > m.cfg.MaxBody {
		return fmt.Errorf("%w: %d bytes, of %d", ErrTooLarge, n, m.cfg.MaxBody)
	}
	return ctx.Err()
}
