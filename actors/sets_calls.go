package actors

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	"godwit/transfer"
)

// callEntity asks an entity, wherever it is. Ops may be carried out more than
// once, so each must be idempotent.
func (s *System) callEntity(ctx context.Context, at address, op string, req, res proto.Message) error {
	body, err := proto.Marshal(req)
	if err != nil {
		return transfer.Errorf(transfer.CodeInternal, "encode %s: %v", op, err)
	}
	answer, err := s.request(ctx, &entityRequest{at: at, op: op, body: body})
	if err != nil {
		return err
	}
	if res == nil {
		return nil
	}
	if err := proto.Unmarshal(answer.body, res); err != nil {
		return transfer.Errorf(transfer.CodeInternal, "the answer to %s is not readable", op)
	}
	return nil
}

// tellLater asks an entity without waiting for its answer, which nobody needs:
// what is told may be asked for too.
func (s *System) tellLater(ctx context.Context, at address, op string, req proto.Message) {
	go func() {
		c, cancel := context.WithTimeout(ctx, membershipPatience)
		defer cancel()
		_ = s.callEntity(c, at, op, req, nil)
	}()
}

func (s *System) serveEntity(ctx context.Context, c *clusterpb.EntityCall) (*clusterpb.EntityResult, error) {
	at := address{entityKind(c.GetKind()), c.GetId()}
	switch at.kind {
	case kindCompletion, kindGroup, kindTask:
	default:
		return nil, errors.New("this version does not know entities of the kind " + c.GetKind())
	}
	res := s.local(ctx, &entityRequest{at: at, op: c.GetOp(), body: c.GetBody()})
	out := &clusterpb.EntityResult{Body: res.body, Holder: res.holder}
	if res.err != nil {
		out.Error, out.Elsewhere = encodeError(res.err), errors.Is(res.err, errElsewhere)
	}
	return out, nil
}

func entityResult(w *clusterpb.EntityResult) *result {
	out := &result{body: w.GetBody(), holder: w.GetHolder(), err: decodeError(w.GetError())}
	if out.err != nil && w.GetElsewhere() {
		out.err.Err = errElsewhere
	}
	return out
}

// ofAll asks this node and all others, and fails while there are shards that
// nobody answers for: what is theirs would be taken for missing.
func (s *System) ofAll(ctx context.Context, what string, here func(context.Context) (shardSet, error),
	there func(context.Context, Member) (shardSet, error),
) *transfer.Error {
	r := s.routes.Load()
	if r == nil {
		return elsewhere("")
	}
	others := r.topology.others(s.deps.cfg.Node)
	sets := make([]shardSet, len(others)+1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		sets[len(others)], err = here(ctx)
		return err
	})
	for i, m := range others {
		group.Go(func() error {
			// What only a node that does not answer knows is missed below.
			sets[i], _ = there(ctx, m)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return asTransferError(err)
	}
	known := newShardSet()
	for _, set := range sets {
		known.merge(set)
	}
	if !known.all() {
		e := elsewhere("")
		e.Op, e.Message = what, "some shards are being handed to another node, or their nodes are starting or stopping; try again in a moment"
		return e
	}
	return nil
}

// patiently repeats what fails because something is on its way.
func (s *System) patiently(ctx context.Context, try func(context.Context) *transfer.Error) error {
	patience, cancel := context.WithTimeout(ctx, s.deps.cfg.RoutePatience)
	defer cancel()
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := try(patience)
		switch {
		case err == nil:
			return nil
		case !s.again(&getRequest{}, err) || sleep(patience, pause) != nil:
			return err
		}
	}
}

// listEntities returns the names of up to limit entities of a kind after one, of
// all nodes, in order.
func (s *System) listEntities(ctx context.Context, kind entityKind, after string, limit int) (ids []string, more bool, err error) {
	err = s.patiently(ctx, func(ctx context.Context) *transfer.Error {
		found := make(chan []string, len(s.members())+1)
		e := s.ofAll(ctx, "list", func(ctx context.Context) (shardSet, error) {
			ids, shards, err := s.entitiesHere(ctx, kind, after, limit)
			found <- ids
			return shards, err
		}, func(ctx context.Context, to Member) (shardSet, error) {
			var res clusterpb.EntityListResult
			err := s.call(ctx, to, kindEntities, &clusterpb.EntityListCall{Kind: string(kind), After: after, Limit: int32(limit)}, &res)
			found <- res.GetIds()
			return res.GetShards(), err
		})
		close(found)
		ids = nil
		for part := range found {
			ids = append(ids, part...)
		}
		return e
	})
	if err != nil {
		return nil, false, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	more = len(ids) > limit
	return ids[:min(len(ids), limit)], more, nil
}

func (s *System) members() []Member {
	if r := s.routes.Load(); r != nil {
		return r.topology.Members
	}
	return nil
}

func (s *System) entitiesHere(ctx context.Context, kind entityKind, after string, limit int) ([]string, shardSet, error) {
	answer, err := s.ask(ctx, s.deps.manager, &entityListRequest{kind: kind, after: after, limit: limit})
	if err != nil {
		return nil, nil, err
	}
	res, ok := answer.(*entityListResult)
	if !ok {
		return nil, nil, transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)
	}
	return res.ids, res.shards, nil
}

func (s *System) serveEntities(ctx context.Context, c *clusterpb.EntityListCall) (*clusterpb.EntityListResult, error) {
	ids, shards, err := s.entitiesHere(ctx, entityKind(c.GetKind()), c.GetAfter(), int(c.GetLimit()))
	return &clusterpb.EntityListResult{Ids: ids, Shards: shards}, err
}

// census finds all members of a set, wherever they are. It fails while some are
// on their way between nodes.
func (s *System) census(ctx context.Context, q censusRequest) ([]member, *transfer.Error) {
	found := make(chan []member, len(s.members())+1)
	err := s.ofAll(ctx, "count members", func(ctx context.Context) (shardSet, error) {
		res, err := s.censusHere(ctx, q)
		if err != nil {
			return nil, err
		}
		found <- res.members
		return res.shards, nil
	}, func(ctx context.Context, to Member) (shardSet, error) {
		var res clusterpb.CensusResult
		if err := s.call(ctx, to, kindCensus, &clusterpb.CensusCall{Group: q.group, CompletionGroup: q.completion}, &res); err != nil {
			return nil, err
		}
		part := make([]member, len(res.GetMembers()))
		for i, m := range res.GetMembers() {
			part[i] = memberFrom(m)
		}
		found <- part
		return res.GetShards(), nil
	})
	close(found)
	if err != nil {
		return nil, err
	}
	var out []member
	for part := range found {
		out = append(out, part...)
	}
	return out, nil
}

func (s *System) censusHere(ctx context.Context, q censusRequest) (*censusResult, error) {
	answer, err := s.ask(ctx, s.deps.manager, &q)
	if err != nil {
		return nil, err
	}
	res, ok := answer.(*censusResult)
	if !ok {
		return nil, transfer.Errorf(transfer.CodeInternal, "an answer of type %T", answer)
	}
	return res, nil
}

func (s *System) serveCensus(ctx context.Context, c *clusterpb.CensusCall) (*clusterpb.CensusResult, error) {
	res, err := s.censusHere(ctx, censusRequest{group: c.GetGroup(), completion: c.GetCompletionGroup()})
	if err != nil {
		return nil, err
	}
	out := &clusterpb.CensusResult{Shards: res.shards}
	for i := range res.members {
		out.Members = append(out.Members, wireMember(&res.members[i]))
	}
	return out, nil
}

func wireMember(m *member) *clusterpb.Member {
	return &clusterpb.Member{
		Id: m.id, Status: string(m.phase), Priority: string(m.entry.priority), Created: stamp(m.entry.created),
		NotBefore: stamp(m.entry.notBefore), Turn: m.entry.turn, Group: m.entry.group, CompletionGroup: m.entry.completion,
		Started: m.entry.started,
	}
}

func memberFrom(m *clusterpb.Member) member {
	e := entry{
		id: m.GetId(), created: fromStamp(m.GetCreated()), status: m.GetStatus(), priority: transfer.Priority(m.GetPriority()),
		notBefore: fromStamp(m.GetNotBefore()), turn: m.GetTurn(), group: m.GetGroup(), completion: m.GetCompletionGroup(), started: m.GetStarted(),
	}
	return member{id: e.id, phase: transfer.Phase(e.status), entry: e}
}
