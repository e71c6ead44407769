package main

import (
	"fmt"
	"slices"
	"time"

	pb "godwit/protos/godwit/v1"
)

// demoFindings is what was seen in a demo, before anybody judged it.
type demoFindings struct {
	killedNode string
	// killedAt is how many percent of all bytes had arrived by then.
	killedAt  int64
	transfers []demoFinding
	// group is how the completion group of all transfers ended, task the id of
	// its task, deliveries what its receiver got.
	group      pb.CompletionGroup_Status
	task       string
	deliveries []demoDelivery
}

// demoFinding is what was seen of one transfer.
type demoFinding struct {
	id, file string
	status   pb.Transfer_Status
	// trouble is why it failed, or "".
	trouble string
	// The digests that the origin's content has, that the file has, and that the
	// transfer reports.
	want, got, reported string
	restarts            int32
	// orphaned: the node that was killed ran it.
	orphaned bool
	// nodes are the owners that were seen, in order, and epochs how many epochs
	// they had.
	nodes  []string
	epochs int
	// wentBack: an earlier epoch was seen after a later one.
	wentBack bool
	// sent is how many bytes the origin sent in all, atKill how many to the node
	// that was killed.
	sent, atKill int64
	// wentOn: bytes were sent after the kill to another process, the first of
	// them wentOnAfter it.
	wentOn      bool
	wentOnAfter time.Duration
}

// demoReport is the outcome of a demo as scripts read it.
type demoReport struct {
	// OK: everything held.
	OK         bool           `json:"ok"`
	Nodes      int            `json:"nodes"`
	KilledNode string         `json:"killedNode"`
	Transfers  []demoTransfer `json:"transfers"`
	// TakeoverSeconds is from the kill until the last of the interrupted
	// transfers received its first new byte.
	TakeoverSeconds float64 `json:"takeoverSeconds"`
	// TaskRuns is how many tasks the transfers' group has triggered: deliveries
	// with different ids.
	TaskRuns int `json:"taskRuns"`
	// Problems says in words what did not hold.
	Problems []string `json:"problems,omitempty"`

	// killedAt is how many percent of all bytes had arrived at the kill.
	killedAt int64
}

// demoTransfer is the outcome of one transfer.
type demoTransfer struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	SHA256Match bool   `json:"sha256Match"`
	// Restarts is how often it began again at byte 0.
	Restarts int32 `json:"restarts"`
	// Epochs is how many times it was taken into possession.
	Epochs int `json:"epochs"`
	// RefetchedBytes is how many bytes were sent more than once.
	RefetchedBytes int64 `json:"refetchedBytes"`

	nodes       []string
	interrupted bool
}

// judgeDemo compares what was seen with what a transfer that survives promises.
func judgeDemo(found demoFindings, plan demoPlan) demoReport {
	report := demoReport{Nodes: plan.nodes, KilledNode: found.killedNode, Transfers: []demoTransfer{}, killedAt: found.killedAt}
	interrupted := 0
	for _, f := range found.transfers {
		report.Transfers = append(report.Transfers, demoTransfer{
			ID: f.id, Status: f.status.String(), SHA256Match: f.matches(),
			Restarts: f.restarts, Epochs: f.epochs, RefetchedBytes: f.refetched(plan),
			nodes: f.nodes, interrupted: f.interrupted(plan),
		})
		for _, p := range f.problems(plan, found.killedNode) {
			report.Problems = append(report.Problems, f.file+": "+p)
		}
		if f.interrupted(plan) {
			interrupted++
			report.TakeoverSeconds = max(report.TakeoverSeconds, float64(f.wentOnAfter.Round(time.Millisecond).Milliseconds())/1000)
		}
	}
	if interrupted == 0 {
		report.Problems = append(report.Problems, "no transfer was interrupted by the kill")
	}
	report.TaskRuns = found.taskRuns()
	report.Problems = append(report.Problems, found.problemsOfTask()...)
	report.OK = len(report.Problems) == 0
	return report
}

func (f demoFindings) taskRuns() int {
	ids := map[string]bool{}
	for _, d := range f.deliveries {
		ids[d.id] = true
	}
	return len(ids)
}

// problemsOfTask are the promises of the group that did not hold: its task runs
// once, when all members have ended. A delivery may be repeated, under one id.
func (f demoFindings) problemsOfTask() []string {
	var list []string
	if f.group != pb.CompletionGroup_DONE {
		list = append(list, "the completion group ended as "+f.group.String())
	}
	if n := f.taskRuns(); n != 1 {
		list = append(list, fmt.Sprintf("the group's task ran %s", counted(n, "time", "times")))
	}
	completed := 0
	for _, t := range f.transfers {
		if t.status == pb.Transfer_COMPLETED {
			completed++
		}
	}
	for _, d := range f.deliveries {
		switch {
		case !d.genuine:
			list = append(list, "a delivery of the group's task is not signed with its secret")
		case d.id != f.task:
			list = append(list, "a delivery has another id than the group's task")
		case d.completed != completed:
			list = append(list, fmt.Sprintf("a delivery of the group's task tells of %d completed downloads, not of %d", d.completed, completed))
		}
	}
	return list
}

// matches: the file is what the origin has, and the transfer says so.
func (f demoFinding) matches() bool { return f.got == f.want && f.reported == f.want }

// interrupted: the node that was killed had begun it, and had not finished.
func (f demoFinding) interrupted(plan demoPlan) bool {
	return f.orphaned && 0 < f.atKill && f.atKill < plan.size
}

func (f demoFinding) refetched(plan demoPlan) int64 { return max(f.sent-plan.size, 0) }

// problems are the promises that did not hold.
func (f demoFinding) problems(plan demoPlan, killed string) []string {
	if f.status != pb.Transfer_COMPLETED {
		return []string{joinWords([]string{"it ended as " + f.status.String(), f.trouble})}
	}
	var list []string
	if !f.matches() {
		list = append(list, "its SHA-256 is not the origin's")
	}
	if f.restarts > 0 {
		list = append(list, "it began again at byte 0")
	}
	if f.wentBack {
		list = append(list, "an earlier epoch was seen after a later one")
	}
	if f.orphaned {
		return append(list, f.problemsOfOrphan(plan, killed)...)
	}
	return append(list, f.problemsOfOther(plan)...)
}

// problemsOfOrphan are those of a transfer whose node was killed: it loses
// little, and somebody else goes on with it.
func (f demoFinding) problemsOfOrphan(plan demoPlan, killed string) []string {
	var list []string
	if n := f.refetched(plan); n > plan.mayRefetch() {
		list = append(list, fmt.Sprintf("%s were fetched twice, more than the %s that a kill may cost",
			humanBytes(n), humanBytes(plan.mayRefetch())))
	}
	if !f.interrupted(plan) {
		return list
	}
	if f.refetched(plan) >= f.atKill {
		list = append(list, "all that it had was fetched again")
	}
	if !f.wentOn {
		list = append(list, "it received nothing after the kill")
	}
	if f.epochs < 2 {
		list = append(list, "nobody took it over: it was seen in one epoch only")
	}
	if plan.nodes > 1 && !slices.ContainsFunc(f.nodes, func(n string) bool { return n != killed }) {
		list = append(list, "no other node took it over")
	}
	return list
}

// problemsOfOther are those of a transfer whose node lives: it notices nothing.
func (f demoFinding) problemsOfOther(plan demoPlan) []string {
	var list []string
	if n := f.refetched(plan); n > mayWaste {
		list = append(list, fmt.Sprintf("%s were fetched twice although its node was not killed", humanBytes(n)))
	}
	if f.epochs != 1 || len(f.nodes) != 1 {
		list = append(list, fmt.Sprintf("it was taken over although its node was not killed: seen on %s in %s",
			enumerate(f.nodes), counted(f.epochs, "epoch", "epochs")))
	}
	return list
}
