package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	clusterpb "godwit/protos/godwit/cluster/v1"
)

// gate is the process to which other nodes send requests.
type gate struct{ mesh *Mesh }

// SendUserMessage implements actor.Process. It does not wait: the connection
// brings answers too.
func (g gate) SendUserMessage(_ *actor.PID, message any) {
	_, body, sender := actor.UnwrapEnvelope(message)
	if req, ok := body.(*clusterpb.Request); ok && sender != nil {
		g.mesh.accept(req, sender)
	}
}

// SendSystemMessage implements actor.Process: there is no actor to tell.
func (gate) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process: it ends with the mesh.
func (gate) Stop(*actor.PID) {}

// accept begins a request, or says why not. What lay in a buffer while this
// process or its machine was paused is found here.
func (m *Mesh) accept(req *clusterpb.Request, sender *actor.PID) {
	ends, late := m.ends(req, time.Now())
	switch {
	case req.GetTo() != m.cfg.Name || req.GetToIncarnation() != *m.incarnation.Load():
		m.refuse(req, sender, clusterpb.Outcome_OUTCOME_WRONG_INCARNATION)
	case late:
		m.refuse(req, sender, clusterpb.Outcome_OUTCOME_STALE)
	default:
		select {
		case m.slots <- struct{}{}:
			m.running.Go(func() { m.carryOut(req, sender, ends) })
		default:
			m.refuse(req, sender, clusterpb.Outcome_OUTCOME_BUSY)
		}
	}
}

// ends is when a request's handler is told to end: at its deadline, or, for one
// that is late by what we know but may not be, when it were certain.
func (m *Mesh) ends(req *clusterpb.Request, now time.Time) (at time.Time, late bool) {
	at = time.UnixMilli(req.GetDeadlineUnixMs())
	if wait := time.Duration(req.GetTimeoutMs()) * time.Millisecond; wait > 0 {
		sent := time.Duration(req.GetSentMs()) * time.Millisecond
		at = now.Add(wait - m.paces.late(req.GetFrom(), req.GetFromIncarnation(), sent, now.Sub(m.began)))
	}
	if now.Before(at) {
		return at, false
	}
	at = at.Add(m.cfg.ClockSkew)
	return at, !now.Before(at)
}

func (m *Mesh) refuse(req *clusterpb.Request, sender *actor.PID, why clusterpb.Outcome) {
	m.respond(sender, &clusterpb.Response{Id: req.GetId(), Outcome: why})
}

// respond sends an answer. One that is lost with its connection is not missed:
// the other side knows of the end, or waits until its deadline.
func (m *Mesh) respond(sender *actor.PID, res *clusterpb.Response) {
	_ = m.wire.send(sender, res, nil, func(*link) {})
}

// carryOut runs the handler.
func (m *Mesh) carryOut(req *clusterpb.Request, sender *actor.PID, ends time.Time) {
	defer func() { <-m.slots }()
	ctx, cancel := context.WithDeadline(m.base, ends)
	defer cancel()
	body, err := m.handle(ctx, req)
	if err == nil && len(body) > m.cfg.MaxBody {
		err = fmt.Errorf("an answer of %d bytes, of %d", len(body), m.cfg.MaxBody)
	}
	res := &clusterpb.Response{Id: req.GetId(), Body: body, Outcome: clusterpb.Outcome_OUTCOME_DONE}
	if err != nil {
		res = &clusterpb.Response{Id: req.GetId(), Error: wireText(err), Outcome: clusterpb.Outcome_OUTCOME_FAILED}
	}
	m.respond(sender, res)
}

// handle calls the handler, whose panic is a bug there and ends no process.
func (m *Mesh) handle(ctx context.Context, req *clusterpb.Request) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.cfg.Logger.ErrorContext(ctx, "a handler panicked", slog.String("kind", req.GetKind()), slog.String("from", req.GetFrom()),
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			body, err = nil, &RemoteError{Message: "internal error"}
		}
	}()
	return m.cfg.Handler(ctx, Request{
		From: req.GetFrom(), FromIncarnation: req.GetFromIncarnation(), Kind: req.GetKind(),
		TopologyVersion: req.GetTopologyVersion(), Body: req.GetBody(),
	})
}

// wireText is an error's text as it can be sent.
func wireText(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
}
