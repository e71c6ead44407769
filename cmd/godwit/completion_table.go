package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	pb "godwit/protos/godwit/v1"
)

func (a *app) completionTable(w io.Writer, groups []*pb.CompletionGroup, now time.Time) {
	tb := &table{}
	if a.colored(w) {
		tb.paint = paintSet
	}
	tb.add("ID", "STATUS", "MEMBERS", "COMPLETED", "FAILED", "CANCELED", "TASK", "AGE")
	for _, g := range groups {
		m := g.GetMembers()
		tb.add(g.GetId(), lowered(g.GetStatus()), fmt.Sprint(m.GetTotal()), fmt.Sprint(m.GetCompleted()), fmt.Sprint(m.GetFailed()),
			fmt.Sprint(m.GetCanceled()), orDash(taskState(g)), orDash(age(g.GetCreateTime(), now)))
	}
	tb.write(w)
}

// taskState is where the task of a group is, "" for none.
func taskState(g *pb.CompletionGroup) string {
	if t := g.GetTask(); t.GetId() != "" {
		return lowered(t.GetStatus())
	}
	return ""
}

// taskText is what a group triggers, "" for nothing.
func taskText(g *pb.CompletionGroup) string {
	switch {
	case g.GetWebhook() != nil:
		return "webhook " + g.GetWebhook().GetUrl()
	case g.GetExec() != "":
		return "exec " + g.GetExec()
	case g.GetSubmit() != nil:
		t := g.GetSubmit().GetTransfer()
		return "submit " + t.GetSource().GetUrl() + " to " + t.GetDestination().GetUrl()
	}
	return ""
}

// completionSentence is the state of a completion group in one line.
func completionSentence(g *pb.CompletionGroup) string {
	m := g.GetMembers()
	parts := []string{lowered(g.GetStatus()), counted(int(m.GetTotal()), "member", "members")}
	for _, count := range []struct {
		n    int32
		word string
	}{{m.GetCompleted(), "completed"}, {m.GetFailed(), "failed"}, {m.GetCanceled(), "canceled"}} {
		if count.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count.n, count.word))
		}
	}
	if state := taskState(g); state != "" {
		parts = append(parts, "task "+state)
	}
	if why := errorText(g.GetError()); why != "" {
		parts = append(parts, why)
	}
	return strings.Join(parts, ", ")
}

// completionDetails describes a completion group in full.
func completionDetails(w io.Writer, g *pb.CompletionGroup) {
	task := ""
	if t := g.GetTask(); t.GetId() != "" {
		task = fmt.Sprintf("%s %s, %s", t.GetId(), lowered(t.GetStatus()), counted(int(t.GetAttempts()), "attempt", "attempts"))
	}
	rows := [][2]string{
		{"id", g.GetId()},
		{"status", completionSentence(g)},
		{"waiting on", strings.Join(g.GetMembers().GetWaitingOn(), " ")},
		{"policy", policyText(g)},
		{"triggers", taskText(g)},
		{"task", task},
		{"deadline", stamp(g.GetDeadline())},
		{"auto enable", autoEnableText(g)},
		{"parent", g.GetParent()},
		{"labels", labelText(g.GetLabels())},
		{"created", stamp(g.GetCreateTime())},
		{"enabled", stamp(g.GetEnableTime())},
		{"finished", stamp(g.GetFinishTime())},
		{"etag", g.GetEtag()},
	}
	for _, n := range g.GetNotifications() {
		rows = append(rows, [2]string{"notifies", n.GetChannel() + ":" + n.GetSuccess() + "|" + n.GetFailure()})
	}
	properties(w, rows)
}

func policyText(g *pb.CompletionGroup) string {
	s := lowered(g.GetPolicy())
	if g.GetQuorum() > 0 {
		s += fmt.Sprintf(" of %d", g.GetQuorum())
	}
	if g.StartOnEnable != nil && !g.GetStartOnEnable() {
		s += ", leaves idle members idle"
	}
	return s
}

func autoEnableText(g *pb.CompletionGroup) string {
	if g.GetAutoEnableAfter() == nil {
		return ""
	}
	return shortDuration(g.GetAutoEnableAfter().AsDuration()) + " after it was made"
}
