package api

import (
	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
	"godwit/transfer/group"
)

// toGroupSpec reads and checks what a user asks for.
func toGroupSpec(m *pb.Group) (group.Spec, *transfer.Error) {
	if m == nil {
		return group.Spec{}, jsonError("group", "is required")
	}
	if e := refuseOutputOnly(m, "group", "paused", "create_time", "update_time", "etag", "members"); e != nil {
		return group.Spec{}, e
	}
	if e := knownWord(m.GetBehavior(), "group.behavior"); e != nil {
		return group.Spec{}, e
	}
	spec, e := group.Normalize(group.Spec{
		Name: m.GetName(), Behavior: group.Behavior(word(m.GetBehavior(), string(group.Parallel))),
		Limit: int(m.GetLimit()), StrictOrder: m.GetStrictOrder(), Labels: m.GetLabels(),
	})
	return spec, groupField(e)
}

// groupField names a field as a request to create a group calls it.
func groupField(e *transfer.Error) *transfer.Error {
	return fieldOf(e, (*pb.Group)(nil), "group", map[string]string{"id": "name"})
}

// toGroupChange reads what a user wants changed, and checks it as the settings
// of a new group.
func toGroupChange(m *pb.UpdateGroupRequest) (group.Change, *transfer.Error) {
	if e := knownWord(m.GetBehavior(), "behavior"); e != nil {
		return group.Change{}, e
	}
	change := group.Change{StrictOrder: m.StrictOrder}
	like := group.Spec{Name: "update"}
	if m.GetBehavior() != pb.Group_BEHAVIOR_UNSPECIFIED {
		like.Behavior = group.Behavior(m.GetBehavior().String())
		change.Behavior = &like.Behavior
	}
	if m.Limit != nil {
		limit := int(m.GetLimit())
		like.Limit, change.Limit = limit, &limit
	}
	if _, e := group.Normalize(like); e != nil {
		return group.Change{}, e
	}
	return change, nil
}

// toMove reads where a member goes.
func toMove(m *pb.MoveTransferRequest) (group.Move, *transfer.Error) {
	if e := transfer.CheckID(m.GetId()); e != nil {
		return group.Move{}, e
	}
	move := group.Move{ID: m.GetId(), Where: group.Where(word(m.GetWhere(), "")), Other: m.GetOther()}
	switch {
	case !named(m.GetWhere()):
		return move, &transfer.Error{
			Code: transfer.CodeEnum, Field: "where", Message: "it is FIRST, LAST, BEFORE, AFTER or PLAY_FROM_HERE",
		}
	case move.Where != group.Before && move.Where != group.After:
		if move.Other != "" {
			return move, &transfer.Error{Code: transfer.CodeField, Field: "other", Message: "it belongs to BEFORE and AFTER"}
		}
		return move, nil
	case move.Other == move.ID:
		return move, &transfer.Error{Code: transfer.CodeMembers, Field: "other", Message: "a member has no place beside itself"}
	}
	e := transfer.CheckID(move.Other)
	if e != nil {
		e.Field = "other"
	}
	return move, e
}

// toGroup shows a group to users.
func toGroup(g actors.Group) *pb.Group {
	spec := g.State.Spec
	return &pb.Group{
		Name:        spec.Name,
		Behavior:    enumValue[pb.Group_Behavior](pb.Group_Behavior_value, string(spec.Behavior)),
		Limit:       int32(spec.Limit),
		StrictOrder: spec.StrictOrder,
		Paused:      g.State.Paused,
		Labels:      spec.Labels,
		CreateTime:  moment(g.State.Created),
		UpdateTime:  moment(g.State.Updated),
		Etag:        g.ETag,
		Members: &pb.GroupMembers{
			Total: int32(g.Total), Running: int32(g.Running), Queued: int32(g.Queued), Paused: int32(g.Paused),
			Order: g.Order,
		},
	}
}
