package actors

import (
	"context"
	"maps"

	"google.golang.org/protobuf/proto"

	clusterpb "godwit/protos/godwit/cluster/v1"
	recordpb "godwit/protos/godwit/record/v1"
	"godwit/transfer"
	"godwit/transfer/group"
)

// maxGroups is how many transfer groups there may be.
const maxGroups = 1000

// orderShown bounds how many members a group names in their order.
const orderShown = 1000

func encodeGroup(b *recordpb.Group, s *group.State) {
	b.Name, b.Behavior, b.Limit, b.StrictOrder = s.Spec.Name, string(s.Spec.Behavior), int32(s.Spec.Limit), s.Spec.StrictOrder
	b.Labels, b.Paused, b.Places = maps.Clone(s.Spec.Labels), s.Paused, maps.Clone(s.Places)
	b.Created, b.Updated = stamp(s.Created), stamp(s.Updated)
}

func decodeGroup(b *recordpb.Group) group.State {
	return group.State{
		Spec: group.Spec{
			Name: b.GetName(), Behavior: group.Behavior(b.GetBehavior()), Limit: int(b.GetLimit()),
			StrictOrder: b.GetStrictOrder(), Labels: maps.Clone(b.GetLabels()),
		},
		Paused: b.GetPaused(), Places: maps.Clone(b.GetPlaces()),
		Created: fromStamp(b.GetCreated()), Updated: fromStamp(b.GetUpdated()),
	}
}

func sameGroup(a, b *group.Spec) bool {
	x, y := &recordpb.Group{}, &recordpb.Group{}
	encodeGroup(x, &group.State{Spec: *a})
	encodeGroup(y, &group.State{Spec: *b})
	return proto.Equal(x, y)
}

// shown is the group as users see it.
func (l *groupLogic) shown() *clusterpb.GroupState {
	body := &recordpb.Group{}
	encodeGroup(body, &l.state)
	body.Places = nil
	out := &clusterpb.GroupState{Group: body, Etag: l.etag(), Total: int32(l.members.Len())}
	counts := l.members.Count()
	out.Running, out.Paused = int32(counts[group.Running]), int32(counts[group.Paused])
	out.Queued = int32(counts[group.Waiting] + counts[group.Delayed])
	out.Order = l.members.Order(l.state, orderShown)
	return out
}

func groupFrom(res *clusterpb.GroupState) Group {
	return Group{
		State: decodeGroup(res.GetGroup()), ETag: res.GetEtag(), Total: int(res.GetTotal()), Running: int(res.GetRunning()),
		Queued: int(res.GetQueued()), Paused: int(res.GetPaused()), Order: res.GetOrder(),
	}
}

func wireChange(c *group.Change, etag string) *clusterpb.GroupChange {
	out := &clusterpb.GroupChange{Etag: etag, Behavior: (*string)(c.Behavior), StrictOrder: c.StrictOrder, Paused: c.Paused}
	if c.Limit != nil {
		out.Limit = proto.Int32(int32(*c.Limit))
	}
	if m := c.Move; m != nil {
		out.Move = &clusterpb.Move{Id: m.ID, Where: string(m.Where), Other: m.Other}
	}
	return out
}

func changeFrom(c *clusterpb.GroupChange) group.Change {
	out := group.Change{Behavior: (*group.Behavior)(c.Behavior), StrictOrder: c.StrictOrder, Paused: c.Paused}
	if c.Limit != nil {
		limit := int(*c.Limit)
		out.Limit = &limit
	}
	if m := c.GetMove(); m != nil {
		out.Move = &group.Move{ID: m.GetId(), Where: group.Where(m.GetWhere()), Other: m.GetOther()}
	}
	return out
}

// CreateGroup records a transfer group. A name that exists with the same
// settings answers with that group; the bool tells which it was.
func (s *System) CreateGroup(ctx context.Context, spec group.Spec) (Group, bool, error) {
	if err := s.checkQuota(ctx, spec.Name); err != nil {
		return Group{}, false, err
	}
	body := &recordpb.Group{}
	encodeGroup(body, &group.State{Spec: spec})
	var res clusterpb.GroupState
	if err := s.callEntity(ctx, address{kindGroup, spec.Name}, opCreate, body, &res); err != nil {
		return Group{}, false, err
	}
	return groupFrom(&res), res.GetCreated(), nil
}

// ensureGroup makes a group that a transfer names, if there is none.
func (s *System) ensureGroup(ctx context.Context, name string) error {
	exists, err := s.groupExists(ctx, name)
	if exists || err != nil {
		return err
	}
	_, _, err = s.CreateGroup(ctx, group.Spec{Name: name, Behavior: group.Parallel})
	if err != nil && asTransferError(err).Code == transfer.CodeIDConflict {
		return nil // somebody has made it meanwhile, in his way
	}
	return err
}

func (s *System) groupExists(ctx context.Context, name string) (bool, error) {
	err := s.callEntity(ctx, address{kindGroup, name}, opExists, &clusterpb.Empty{}, nil)
	if err != nil && asTransferError(err).Code == transfer.CodeGroupNotFound {
		return false, nil
	}
	return err == nil, err
}

// checkQuota refuses a group that would be one too many. The count is that of a
// moment: a few more may come into being at the same time.
func (s *System) checkQuota(ctx context.Context, name string) error {
	exists, err := s.groupExists(ctx, name)
	if exists || err != nil {
		return err
	}
	ids, _, err := s.listEntities(ctx, kindGroup, "", maxGroups)
	if err != nil {
		return err
	}
	if len(ids) >= maxGroups {
		e := transfer.Errorf(transfer.CodeQuota, "there are %d transfer groups already; remove some", maxGroups)
		e.Op, e.Subject, e.Field = "create group", name, "name"
		return e
	}
	return nil
}

// Group returns a transfer group as it is now.
func (s *System) Group(ctx context.Context, name string) (Group, error) {
	var res clusterpb.GroupState
	if err := s.callEntity(ctx, address{kindGroup, name}, opGet, &clusterpb.Empty{}, &res); err != nil {
		return Group{}, err
	}
	return groupFrom(&res), nil
}

// Groups lists transfer groups by name, without their order.
func (s *System) Groups(ctx context.Context, after string, limit int) ([]Group, bool, error) {
	page, more, err := pageOfEntities(ctx, s, kindGroup, after, limit, transfer.CodeGroupNotFound, s.Group)
	for i := range page {
		page[i].Order = nil
	}
	return page, more, err
}

// ChangeGroup changes a group's settings, pauses or resumes it, or moves one of
// its members.
func (s *System) ChangeGroup(ctx context.Context, name string, c group.Change, etag string) (Group, error) {
	var res clusterpb.GroupState
	if err := s.callEntity(ctx, address{kindGroup, name}, opChange, wireChange(&c, etag), &res); err != nil {
		return Group{}, err
	}
	return groupFrom(&res), nil
}

// DeleteGroup removes a group without live members.
func (s *System) DeleteGroup(ctx context.Context, name string) error {
	return s.callEntity(ctx, address{kindGroup, name}, opDelete, &clusterpb.Empty{}, nil)
}

func groupNotFound(name string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeGroupNotFound, Op: "find group", Subject: name, Message: "there is no transfer group with this name"}
}

func staleGroup(name string) *transfer.Error {
	return &transfer.Error{Code: transfer.CodeStale, Op: "change group", Subject: name, Field: "etag", Message: "the group has changed since this etag was read; read it again"}
}
