package api

import (
	"strings"

	"godwit/actors"
	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// templateParent is where the template stands in a request.
const templateParent = "completionGroup.submit.transfer."

// memberDestination is how a template names the whole destination of a member.
const memberDestination = "{destination}"

// toTemplate reads the transfer that is made of each member. It is judged with
// the task. Group is the completion group whose members they are.
func toTemplate(m *pb.Transfer, group string) (*transfer.Spec, *transfer.Error) {
	switch joins := m.GetCompletionGroup(); {
	case m == nil:
		return nil, jsonError(strings.TrimSuffix(templateParent, "."), "is required")
	case m.GetId() != "":
		return nil, &transfer.Error{
			Code: transfer.CodeTemplate, Field: templateParent + "id",
			Message: "the ids of new transfers follow from task and member",
		}
	case joins == group || strings.Contains(joins, "{group}"):
		return nil, &transfer.Error{
			Code: transfer.CodeMembers, Field: templateParent + "completionGroup",
			Message: "a group that waits for what it starts never ends",
		}
	}
	spec, e := toSpec(m)
	if e != nil {
		return nil, templateField(e)
	}
	return &spec, nil
}

// templateField is for failures that name the transfer as their parent.
func templateField(e *transfer.Error) *transfer.Error {
	inner := *e
	inner.Field = templateParent + strings.TrimPrefix(e.Field, "transfer.")
	return &inner
}

// fromTemplate shows a template as it was asked for, without what may be secret.
func fromTemplate(spec *transfer.Spec) *pb.Transfer {
	if spec == nil {
		return nil
	}
	m := toMessage(actors.Snapshot{State: transfer.State{Spec: *spec}})
	if spec.Source != "" {
		m.Source = &pb.Endpoint{Url: shownTemplate(spec.Source)}
	}
	m.Destination = &pb.Endpoint{Url: shownTemplate(spec.Destination)}
	// It is no transfer yet.
	m.Progress = nil
	return m
}

// shownTemplate is transfer.RedactURL for a text that may begin with a variable.
func shownTemplate(url string) string {
	rest, found := strings.CutPrefix(url, memberDestination)
	if !found {
		return transfer.RedactURL(url)
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return memberDestination + rest
}
