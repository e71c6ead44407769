package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// Requests for one transfer go to the node that placement names. While a
// transfer moves, nobody answers for it for a moment: the router waits and asks
// again, so that callers do not see the move.

// Pauses between two tries, doubled from the first to the last.
const (
	firstRetry = 25 * time.Millisecond
	lastRetry  = 400 * time.Millisecond
)

// readPatience is how long a transfer is looked for before its record is shown.
const readPatience = time.Second

// routes is a topology with the owner of each shard.
type routes struct {
	topology Topology
	table    []string
	// alone: the node has no others and never will.
	alone bool
}

// SetTopology says who is in the cluster. It must be called before anything is
// expected of a node with peers, and whenever it changes.
func (s *System) SetTopology(t Topology) { s.setRoutes(&routes{topology: t, table: t.placement()}) }

// SetAlone says that there is nobody else.
func (s *System) SetAlone() {
	t := alone(&s.deps.cfg)
	s.setRoutes(&routes{topology: t, table: t.placement(), alone: true})
}

func (s *System) setRoutes(r *routes) {
	t := r.topology
	s.routes.Store(r)
	for _, pid := range s.informed() {
		s.actors.Root.Send(pid, &topologyChanged{topology: t})
	}
	s.mirror.changed()
}

// owner is the member that should have a transfer; an error that wraps
// errElsewhere if there is none.
func (s *System) owner(id string) (Member, *transfer.Error) {
	r := s.routes.Load()
	if r == nil {
		return Member{}, elsewhere(id)
	}
	if m := r.topology.member(r.table[shardOf(id)]); m != nil {
		return *m, nil
	}
	e := elsewhere(id)
	e.Message = "no node may be given transfers at the moment: all are draining or cordoned"
	return Member{}, e
}

// request asks the owner of one transfer. What was certainly not carried out is
// tried again, and so is what may be repeated; in the end the last answer is
// the caller's.
func (s *System) request(ctx context.Context, msg addressed) (*result, error) {
	patience, cancel := context.WithTimeout(ctx, s.deps.cfg.RoutePatience)
	defer cancel()
	began := time.Now()
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		res := s.try(patience, msg)
		switch {
		case res.err == nil:
			return res, nil
		case s.again(msg, res.err) && time.Since(began) >= readPatience && isRead(msg):
			return s.fromStore(ctx, msg.transferID(), res.err)
		case ctx.Err() != nil || !s.again(msg, res.err) || sleep(patience, pause/2+time.Duration(float64(pause)*s.deps.cfg.Random())) != nil:
			return nil, res.err
		}
	}
}

// isRead tells that a request changes nothing.
func isRead(msg addressed) bool {
	switch msg.(type) {
	case *getRequest, *explainRequest:
		return true
	}
	return false
}

// fromStore shows what a transfer's record says, when nobody answers for it.
func (s *System) fromStore(ctx context.Context, id string, why *transfer.Error) (*result, error) {
	rec, err := s.deps.recorder.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return &result{snapshot: snapshotOf(rec), reasons: []string{why.Message}}, nil
}

// again tells whether a request may be made once more after an error. A command
// on condition of an etag may not when it may have been carried out: its own
// success would refuse it; nor may one that appends headers, which would be there
// twice.
func (s *System) again(msg addressed, err *transfer.Error) bool {
	if s.deps.cfg.Peers == nil || s.closed.Load() {
		return false
	}
	if errors.Is(err, errElsewhere) {
		return true
	}
	once := false
	if c, ok := msg.(*commandRequest); ok {
		update, _ := c.event.(transfer.Update)
		once = c.etag != "" || len(update.AppendHeaders) > 0
	}
	return err.Code == transfer.CodeShuttingDown && !once
}

// try asks once.
func (s *System) try(ctx context.Context, msg addressed) *result {
	to, err := s.owner(msg.transferID())
	if err != nil {
		return &result{err: err}
	}
	res := s.at(ctx, to, msg)
	if res.holder == "" {
		return res
	}
	// The new owner waits for another that still has it.
	if holder, err := s.memberNamed(res.holder); err == nil && holder.Name != to.Name {
		return s.at(ctx, holder, msg)
	}
	return res
}

// at asks one node.
func (s *System) at(ctx context.Context, to Member, msg addressed) *result {
	if to.Name != s.deps.cfg.Node {
		return s.remote(ctx, to, msg)
	}
	if e, ok := msg.(*explainRequest); ok {
		return s.explainHere(ctx, e.id)
	}
	return s.local(ctx, msg)
}

// local asks this node's own shard.
func (s *System) local(ctx context.Context, msg addressed) *result {
	answer, err := s.ask(ctx, s.deps.manager, msg)
	if err != nil {
		return &result{err: asTransferError(err)}
	}
	res, ok := answer.(*result)
	if !ok {
		return &result{err: transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)}
	}
	return res
}

// remote asks another node.
func (s *System) remote(ctx context.Context, to Member, msg addressed) *result {
	var res clusterpb.Result
	var err error
	if isRead(msg) {
		var cancel context.CancelFunc
		// Its record can be read instead.
		ctx, cancel = context.WithTimeout(ctx, readPatience)
		defer cancel()
	}
	switch msg := msg.(type) {
	case *createRequest:
		call := &clusterpb.CreateCall{}
		if call.Transfer, err = sealTransfer(&msg.state, s.deps.cfg.Sealer); err == nil {
			err = s.call(ctx, to, kindCreate, call, &res)
		}
	case *commandRequest:
		var call *clusterpb.CommandCall
		if call, err = wireCommand(msg, s.deps.cfg.Sealer); err == nil {
			err = s.call(ctx, to, kindCommand, call, &res)
		}
	case *getRequest:
		err = s.call(ctx, to, kindGet, &clusterpb.GetCall{Id: msg.id}, &res)
	case *explainRequest:
		err = s.call(ctx, to, kindExplain, &clusterpb.ExplainCall{Id: msg.id}, &res)
	case *turnRequest:
		err = s.call(ctx, to, kindTurn, &clusterpb.TurnCall{Id: msg.id, Group: msg.group, Granted: msg.granted}, &res)
	case *entityRequest:
		var res clusterpb.EntityResult
		call := &clusterpb.EntityCall{Kind: string(msg.at.kind), Id: msg.at.id, Op: msg.op, Body: msg.body}
		if err = s.call(ctx, to, kindEntity, call, &res); err == nil {
			return entityResult(&res)
		}
	default:
		err = fmt.Errorf("%T is no request between nodes", msg)
	}
	if err != nil {
		return &result{err: peerError(msg.transferID(), to.Name, err)}
	}
	return resultFrom(&res, s.deps.cfg.Sealer)
}

// call makes one call; a member that does not answer must not use up the time
// in which another may become the owner.
func (s *System) call(ctx context.Context, to Member, kind string, req, res proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.deps.cfg.CallTimeout)
	defer cancel()
	return callPeer(ctx, s.deps.cfg.Peers, to, kind, s.routes.Load().topology.Version, req, res)
}

// peerError is what a failed call means.
func peerError(id, node string, err error) *transfer.Error {
	e := &transfer.Error{Code: transfer.CodeShuttingDown, Op: "reach transfer", Subject: id, Err: errors.Join(errUnsettled, err)}
	if errors.Is(err, ErrNotCarriedOut) {
		e.Err = errors.Join(errElsewhere, err)
		e.Message = "its node " + node + " does not answer; try again in a moment"
		return e
	}
	e.Message = "its node " + node + " gave no answer; whether the request was carried out is not known, read it again"
	return e
}
