package actors

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// Peers carries requests to other nodes. Implementations are safe for
// concurrent use, and never wait beyond ctx.
type Peers interface {
	// Call asks a member and returns its answer. An error that wraps
	// ErrNotCarriedOut means that the member did certainly nothing; after any
	// other error nobody knows.
	Call(ctx context.Context, to Member, kind string, topologyVersion uint64, body []byte) ([]byte, error)
}

// ErrNotCarriedOut is wrapped by errors of Peers when a request did not reach
// the member, or was refused before anything was done.
var ErrNotCarriedOut = errors.New("the request was not carried out")

// Kinds of requests between nodes. They are never renamed: nodes of two
// versions run side by side.
const (
	kindCreate   = "create"
	kindCommand  = "command"
	kindGet      = "get"
	kindExplain  = "explain"
	kindList     = "list"
	kindFollow   = "follow"
	kindRelease  = "release"
	kindStatus   = "status"
	kindRole     = "role"
	kindLink     = "link"
	kindEntity   = "entity"
	kindEntities = "entities"
	kindCensus   = "census"
	kindTurn     = "turn"
)

// callPeer asks a member and decodes its answer into res.
func callPeer(ctx context.Context, peers Peers, to Member, kind string, version uint64, req, res proto.Message) error {
	body, err := proto.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	answer, err := peers.Call(ctx, to, kind, version, body)
	if err != nil {
		return fmt.Errorf("ask node %s to %s: %w", to.Name, kind, err)
	}
	if err := proto.Unmarshal(answer, res); err != nil {
		return fmt.Errorf("ask node %s to %s: the answer is not readable", to.Name, kind)
	}
	return nil
}

// Serve answers a request of the member named from. Its error means that the
// request could not be read or is of a kind that this version does not know;
// everything else is part of the answer.
func (s *System) Serve(ctx context.Context, from, kind string, body []byte) ([]byte, error) {
	switch kind {
	case kindCreate:
		return serve(ctx, body, s.serveCreate)
	case kindCommand:
		return serve(ctx, body, s.serveCommand)
	case kindGet:
		return serve(ctx, body, s.serveGet)
	case kindExplain:
		return serve(ctx, body, s.serveExplain)
	case kindList:
		return serve(ctx, body, s.serveList)
	case kindFollow:
		return serve(ctx, body, func(ctx context.Context, c *clusterpb.FollowCall) (*clusterpb.FollowResult, error) {
			return s.readers.serve(ctx, from, c), nil
		})
	case kindRelease:
		return serve(ctx, body, s.serveRelease)
	case kindStatus:
		return serve(ctx, body, s.serveStatus)
	case kindRole:
		return serve(ctx, body, s.serveRole)
	case kindEntity:
		return serve(ctx, body, s.serveEntity)
	case kindEntities:
		return serve(ctx, body, s.serveEntities)
	case kindCensus:
		return serve(ctx, body, s.serveCensus)
	case kindTurn:
		return serve(ctx, body, s.serveTurn)
	case kindLink:
		return serve(ctx, body, func(ctx context.Context, c *clusterpb.LinkCall) (*clusterpb.LinkResult, error) {
			return s.serveLink(ctx, from, c)
		})
	}
	return nil, fmt.Errorf("this version does not know requests of the kind %q", kind)
}

// ServeBefore answers for a node whose system has not started yet: it has
// nothing, and can say no more.
func ServeBefore(kind string) ([]byte, error) {
	if kind == kindRelease {
		return nil, nil // an empty result: it holds none
	}
	return nil, elsewhere("")
}

// serve decodes a request, has it answered, and encodes the answer.
func serve[Req, Res any, PReq interface {
	*Req
	proto.Message
}, PRes interface {
	*Res
	proto.Message
}](ctx context.Context, body []byte, answer func(context.Context, PReq) (PRes, error),
) ([]byte, error) {
	req := PReq(new(Req))
	if err := proto.Unmarshal(body, req); err != nil {
		return nil, errors.New("the request is not readable")
	}
	res, err := answer(ctx, req)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(res)
}

func (s *System) serveCreate(ctx context.Context, c *clusterpb.CreateCall) (*clusterpb.Result, error) {
	state, err := openTransfer(c.GetTransfer(), s.deps.cfg.Sealer)
	if err != nil {
		return nil, err
	}
	return wireResult(s.local(ctx, &createRequest{id: state.Spec.ID, state: state}), s.deps.cfg.Sealer), nil
}

func (s *System) serveCommand(ctx context.Context, c *clusterpb.CommandCall) (*clusterpb.Result, error) {
	ev, err := commandEvent(c, s.deps.cfg.Sealer)
	if err != nil {
		return nil, err
	}
	return wireResult(s.local(ctx, &commandRequest{id: c.GetId(), etag: c.GetEtag(), event: ev}), s.deps.cfg.Sealer), nil
}

func (s *System) serveGet(ctx context.Context, c *clusterpb.GetCall) (*clusterpb.Result, error) {
	return wireResult(s.local(ctx, &getRequest{id: c.GetId()}), s.deps.cfg.Sealer), nil
}

func (s *System) serveExplain(ctx context.Context, c *clusterpb.ExplainCall) (*clusterpb.Result, error) {
	return wireResult(s.explainHere(ctx, c.GetId()), s.deps.cfg.Sealer), nil
}

func (s *System) serveList(ctx context.Context, c *clusterpb.ListCall) (*clusterpb.ListResult, error) {
	part, err := s.listHere(ctx, queryFrom(c))
	if err != nil {
		return &clusterpb.ListResult{Error: encodeError(asTransferError(err))}, nil
	}
	out := &clusterpb.ListResult{More: part.more, Shards: part.shards}
	for i := range part.snapshots {
		out.Transfers = append(out.Transfers, wireSnapshot(&part.snapshots[i], s.deps.cfg.Sealer, false))
	}
	return out, nil
}

func (s *System) serveRelease(ctx context.Context, c *clusterpb.ReleaseCall) (*clusterpb.ReleaseResult, error) {
	answer, err := s.ask(ctx, s.deps.manager, &releaseRequest{shards: fromUint32(c.GetShards())})
	if err != nil {
		return nil, err
	}
	res, ok := answer.(*releaseResult)
	if !ok {
		return nil, transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)
	}
	return &clusterpb.ReleaseResult{Holding: toUint32(res.holding)}, nil
}

func (s *System) serveStatus(ctx context.Context, _ *clusterpb.StatusCall) (*clusterpb.StatusResult, error) {
	st, err := s.statusHere(ctx)
	if err != nil {
		return nil, err
	}
	return &clusterpb.StatusResult{Shards: int32(st.shards), Running: int32(st.running), Queued: int32(st.queued)}, nil
}

func (s *System) serveRole(ctx context.Context, c *clusterpb.RoleCall) (*clusterpb.RoleResult, error) {
	return &clusterpb.RoleResult{}, s.setRole(ctx, Role{Draining: c.GetDraining(), Cordoned: c.GetCordoned()})
}
