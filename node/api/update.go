package api

import (
	"net/textproto"

	pb "godwit/protos/godwit/v1"
	"godwit/transfer"
)

// toUpdate reads what a user wants changed.
func toUpdate(m *pb.UpdateTransferRequest) (transfer.Update, *transfer.Error) {
	ev := transfer.Update{Source: m.Url, RateLimit: m.LimitRate, Group: m.Group}
	if m.GetGroup() != "" {
		if e := transfer.CheckGroupName(m.GetGroup(), "group"); e != nil {
			return ev, e
		}
	}
	if p := m.GetPriority(); p != pb.PriorityClass_PRIORITY_UNSPECIFIED {
		priority := transfer.Priority(p.String())
		ev.Priority = &priority
	}
	if c := m.GetCostPolicy(); c != pb.CostClass_COST_POLICY_UNSPECIFIED {
		cost := transfer.CostPolicy(c.String())
		ev.Cost = &cost
	}
	ev, e := normalUpdate(ev)
	if e != nil {
		return ev, e
	}
	return headerChange(m, ev)
}

// headerChange adds what is changed of the headers. Whether they are acceptable
// together with those there are shows only when they are changed.
func headerChange(m *pb.UpdateTransferRequest, ev transfer.Update) (transfer.Update, *transfer.Error) {
	set, e := transfer.NormalizeHeaders(toHeaders(m.GetHeaders()))
	if e != nil {
		return ev, e
	}
	if ev.AppendHeaders, e = transfer.NormalizeHeaders(toHeaders(m.GetAppendHeaders())); e != nil {
		e.Field = "appendHeaders"
		return ev, e
	}
	if m.GetReplaceHeaders() {
		ev.Headers = &set
	} else {
		ev.SetHeaders = set
	}
	for _, name := range m.GetRemoveHeaders() {
		if e := transfer.CheckHeaderName(name); e != nil {
			e.Field = "removeHeaders"
			return ev, e
		}
		ev.RemoveHeaders = append(ev.RemoveHeaders, textproto.CanonicalMIMEHeaderKey(name))
	}
	return ev, nil
}

// normalUpdate checks the new values as those of a new transfer.
func normalUpdate(ev transfer.Update) (transfer.Update, *transfer.Error) {
	like := transfer.Spec{ID: "update", Source: "http://localhost/", Destination: "file:///update", Size: transfer.UnknownSize}
	if ev.Source != nil {
		like.Source = *ev.Source
	}
	if ev.Priority != nil {
		like.Priority = *ev.Priority
	}
	if ev.Cost != nil {
		like.Cost = *ev.Cost
	}
	if ev.RateLimit != nil {
		like.RateLimit = *ev.RateLimit
	}
	normal, e := transfer.Normalize(like)
	if e != nil {
		return ev, updateField(e)
	}
	if ev.Source != nil {
		ev.Source = &normal.Source
	}
	return ev, nil
}

// updateField names a spec's field as an update calls it.
func updateField(e *transfer.Error) *transfer.Error {
	if e.Field == "source" {
		named := *e
		named.Field = "url"
		return &named
	}
	return withField(e, "")
}
