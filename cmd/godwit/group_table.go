package main

import (
	"fmt"
	"io"
	"time"

	pb "godwit/protos/godwit/v1"
)

func (a *app) groupTable(w io.Writer, groups []*pb.Group, now time.Time) {
	tb := &table{}
	tb.add("NAME", "BEHAVIOR", "LIMIT", "RUNNING", "QUEUED", "PAUSED", "AGE")
	for _, g := range groups {
		m := g.GetMembers()
		tb.add(g.GetName(), behaviorText(g), limitText(g), fmt.Sprint(m.GetRunning()), fmt.Sprint(m.GetQueued()),
			fmt.Sprint(m.GetPaused()), orDash(age(g.GetCreateTime(), now)))
	}
	tb.write(w)
}

// behaviorText is the behavior, and whatever else holds members back.
func behaviorText(g *pb.Group) string {
	s := lowered(g.GetBehavior())
	if g.GetStrictOrder() {
		s += ",strict"
	}
	if g.GetPaused() {
		s += ",paused"
	}
	return s
}

func limitText(g *pb.Group) string {
	if g.GetLimit() == 0 {
		return "-"
	}
	return fmt.Sprint(g.GetLimit())
}

// memberText counts what has not ended.
func memberText(m *pb.GroupMembers) string {
	return fmt.Sprintf("%d running, %d queued, %d paused", m.GetRunning(), m.GetQueued(), m.GetPaused())
}

// groupDetails describes a group in full; members stand in their order.
func groupDetails(w io.Writer, g *pb.Group) {
	rows := [][2]string{
		{"name", g.GetName()},
		{"behavior", behaviorText(g)},
		{"limit", limitText(g)},
		{"members", memberText(g.GetMembers())},
		{"labels", labelText(g.GetLabels())},
		{"created", stamp(g.GetCreateTime())},
		{"updated", stamp(g.GetUpdateTime())},
		{"etag", g.GetEtag()},
	}
	for i, id := range g.GetMembers().GetOrder() {
		rows = append(rows, [2]string{fmt.Sprint(i + 1), id})
	}
	properties(w, rows)
}

// printGroup is what a command that changed a group leaves on standard output.
func (a *app) printGroup(g *pb.Group) error {
	return a.print(g, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s, %s\n", printable(g.GetName()), behaviorText(g), memberText(g.GetMembers()))
	})
}
