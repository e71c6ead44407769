package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	pb "godwit/protos/godwit/v1"
)

var (
	testPlan  = planDemo(3, 2, 64*mebibyte, demoPace)
	alonePlan = planDemo(1, 2, 64*mebibyte, demoPace)
)

// survived is a transfer as it should be whose node was killed.
func survived() demoFinding {
	return demoFinding{
		id: "demo-1", file: "file-1.bin", status: pb.Transfer_COMPLETED,
		want: "aa", got: "aa", reported: "aa", orphaned: true, nodes: []string{"n1", "n3"}, epochs: 2,
		sent: 66 * mebibyte, atKill: 25 * mebibyte, wentOn: true, wentOnAfter: 300 * time.Millisecond,
	}
}

// undisturbed is a transfer as it should be whose node was not killed.
func undisturbed() demoFinding {
	return demoFinding{
		id: "demo-2", file: "file-2.bin", status: pb.Transfer_COMPLETED,
		want: "bb", got: "bb", reported: "bb", nodes: []string{"n2"}, epochs: 1,
		sent: 64 * mebibyte, atKill: 64 * mebibyte,
	}
}

// foundOf are findings of these transfers whose group's task ran as it should.
func foundOf(transfers ...demoFinding) demoFindings {
	found := demoFindings{killedNode: "n1", transfers: transfers, group: pb.CompletionGroup_DONE, task: "t1"}
	completed := 0
	for _, f := range transfers {
		if f.status == pb.Transfer_COMPLETED {
			completed++
		}
	}
	found.deliveries = []demoDelivery{{id: "t1", genuine: true, completed: completed}}
	return found
}

func TestJudgeDemo(t *testing.T) {
	tests := []struct {
		name   string
		change func(*demoFinding)
		want   string // in the problem, or "" for none
	}{
		{"all held", func(*demoFinding) {}, ""},
		{"nothing twice", func(f *demoFinding) { f.sent = 64 * mebibyte }, ""},
		{"handed on again", func(f *demoFinding) { f.nodes, f.epochs = []string{"n1", "n3", "n2"}, 3 }, ""},
		{"all sent at the kill", func(f *demoFinding) {
			f.sent, f.atKill, f.epochs, f.wentOn = 64*mebibyte, 64*mebibyte, 1, false
		}, ""},
		{"file differs", func(f *demoFinding) { f.got = "bb" }, "SHA-256"},
		{"file is missing", func(f *demoFinding) { f.got = "no such file" }, "SHA-256"},
		{"report differs", func(f *demoFinding) { f.reported = "bb" }, "SHA-256"},
		{"no report", func(f *demoFinding) { f.reported = "" }, "SHA-256"},
		{"failed", func(f *demoFinding) { f.status, f.trouble = pb.Transfer_FAILED, "it broke" }, "FAILED, it broke"},
		{"canceled", func(f *demoFinding) { f.status = pb.Transfer_CANCELED }, "CANCELED"},
		{"restarted", func(f *demoFinding) { f.restarts = 1 }, "byte 0"},
		{"all again", func(f *demoFinding) { f.atKill, f.sent = 10*mebibyte, 74*mebibyte }, "all that it had"},
		{"too much again", func(f *demoFinding) { f.sent += testPlan.mayRefetch() + 1 - 2*mebibyte }, "more than the 18.0 MiB"},
		{"stuck", func(f *demoFinding) { f.wentOn = false }, "nothing after the kill"},
		{"same epoch", func(f *demoFinding) { f.epochs = 1 }, "one epoch"},
		{"same node", func(f *demoFinding) { f.nodes = []string{"n1"} }, "no other node"},
		{"went back", func(f *demoFinding) { f.wentBack = true }, "earlier epoch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, third := survived(), survived()
			third.file = "file-3.bin"
			test.change(&f)
			expectProblem(t, foundOf(undisturbed(), f, third), testPlan, f.file, test.want)
		})
	}
}

// Whoever was not on the node that was killed must not notice.
func TestJudgeDemoOfOtherNodes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*demoFinding)
		want   string
	}{
		{"all held", func(*demoFinding) {}, ""},
		{"done before the kill", func(f *demoFinding) { f.nodes = []string{"n1"} }, ""},
		{"next to nothing twice", func(f *demoFinding) { f.sent += mayWaste }, ""},
		{"fetched twice", func(f *demoFinding) { f.sent += mayWaste + 1 }, "although its node was not killed"},
		{"another node", func(f *demoFinding) { f.nodes, f.epochs = []string{"n2", "n3"}, 2 }, "seen on n2 and n3 in 2 epochs"},
		{"another epoch", func(f *demoFinding) { f.epochs = 2 }, "seen on n2 in 2 epochs"},
		{"nobody", func(f *demoFinding) { f.nodes, f.epochs = nil, 0 }, "0 epochs"},
		{"went back", func(f *demoFinding) { f.wentBack = true }, "earlier epoch"},
		{"restarted", func(f *demoFinding) { f.restarts = 1 }, "byte 0"},
		{"file differs", func(f *demoFinding) { f.got = "aa" }, "SHA-256"},
		{"failed", func(f *demoFinding) { f.status = pb.Transfer_FAILED }, "FAILED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := undisturbed()
			test.change(&f)
			expectProblem(t, foundOf(f, survived()), testPlan, f.file, test.want)
		})
	}
}

// A node that is alone goes on itself.
func TestJudgeDemoOfOneNode(t *testing.T) {
	f := survived()
	f.nodes = []string{"n1"}
	expectProblem(t, foundOf(f), alonePlan, f.file, "")
	f.epochs = 1
	expectProblem(t, foundOf(f), alonePlan, f.file, "one epoch")
}

// expectProblem wants one problem, of that file, or none.
func expectProblem(t *testing.T, found demoFindings, plan demoPlan, file, want string) {
	t.Helper()
	report := judgeDemo(found, plan)
	if want == "" {
		if !report.OK || len(report.Problems) > 0 {
			t.Errorf("ok %v, problems %q", report.OK, report.Problems)
		}
		return
	}
	if report.OK || len(report.Problems) != 1 || !strings.HasPrefix(report.Problems[0], file+": ") ||
		!strings.Contains(report.Problems[0], want) {
		t.Errorf("ok %v, problems %q", report.OK, report.Problems)
	}
}

// A kill that met nothing proves nothing.
func TestJudgeDemoWantsAnInterruption(t *testing.T) {
	early, late := survived(), survived()
	early.atKill = 0
	late.atKill, late.sent = 64*mebibyte, 64*mebibyte
	for _, found := range [][]demoFinding{nil, {early}, {late}, {undisturbed()}} {
		if report := judgeDemo(foundOf(found...), testPlan); report.OK {
			t.Errorf("%+v", report)
		}
	}
}

// One task, told by its id, of all that has completed.
func TestJudgeDemoOfTask(t *testing.T) {
	good := demoDelivery{id: "t1", genuine: true, completed: 2}
	for _, test := range []struct {
		name   string
		change func(*demoFindings)
		runs   int
		want   string // in the problem, or "" for none
	}{
		{"once", func(*demoFindings) {}, 1, ""},
		{"delivered again", func(f *demoFindings) { f.deliveries = []demoDelivery{good, good} }, 1, ""},
		{"never", func(f *demoFindings) { f.deliveries = nil }, 0, "ran 0 times"},
		{"failed", func(f *demoFindings) { f.group = pb.CompletionGroup_FAILED }, 1, "ended as FAILED"},
		{"unsigned", func(f *demoFindings) { f.deliveries[0].genuine = false }, 1, "not signed"},
		{"another task", func(f *demoFindings) { f.task = "t2" }, 1, "another id"},
		{"too early", func(f *demoFindings) { f.deliveries[0].completed = 1 }, 1, "1 completed downloads, not of 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := foundOf(survived(), undisturbed())
			test.change(&found)
			report := judgeDemo(found, testPlan)
			problems := strings.Join(report.Problems, "; ")
			if report.TaskRuns != test.runs || report.OK != (test.want == "") || len(report.Problems) > 1 || !strings.Contains(problems, test.want) {
				t.Errorf("%d runs, problems %q", report.TaskRuns, problems)
			}
		})
	}
	twice := foundOf(survived(), undisturbed())
	twice.deliveries = append(twice.deliveries, demoDelivery{id: "t2", genuine: true, completed: 2})
	if report := judgeDemo(twice, testPlan); report.OK || report.TaskRuns != 2 || !strings.Contains(report.Problems[0], "ran 2 times") {
		t.Errorf("%+v", report)
	}
}

func TestDemoReport(t *testing.T) {
	slow := survived()
	slow.wentOnAfter = 1234567 * time.Microsecond
	found := foundOf(slow, undisturbed())
	found.killedAt = 43
	report := judgeDemo(found, testPlan)
	doc, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ok":true,"nodes":3,"killedNode":"n1","transfers":[` +
		`{"id":"demo-1","status":"COMPLETED","sha256Match":true,"restarts":0,"epochs":2,"refetchedBytes":2097152},` +
		`{"id":"demo-2","status":"COMPLETED","sha256Match":true,"restarts":0,"epochs":1,"refetchedBytes":0}],` +
		`"takeoverSeconds":1.235,"taskRuns":1}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	var text bytes.Buffer
	report.write(&text, testPlan, false)
	want = `
FILE        STATUS     SIZE      SHA-256  NODES        EPOCHS  FETCHED TWICE
file-1.bin  completed  64.0 MiB  equal    n1, then n3  2       2.0 MiB
file-2.bin  completed  64.0 MiB  equal    n2           1       0 B

n1 was killed with kill -9 when 43% of all bytes had arrived.
Its 1 download went on 1.2 s later on n3, from what was safely stored:
2.0 MiB of 128.0 MiB had to be fetched twice (1.6%).
The 1 download of the other nodes did not notice.
The group's task ran once: a signed webhook told that all 2 downloads have completed.
All files are equal to the origin's.
`
	if text.String() != want {
		t.Errorf("got %s", text.String())
	}
}

// A line is about others, who are not always there.
func TestDemoStory(t *testing.T) {
	other := survived()
	other.nodes = []string{"n1", "n2"}
	for _, test := range []struct {
		plan  demoPlan
		found []demoFinding
		want  string // the second line
		lines int
	}{
		{testPlan, []demoFinding{survived(), other}, "Its 2 downloads went on 0.3 s later on n2 and n3, from what was safely stored:", 4},
		{testPlan, []demoFinding{survived(), survived()}, "Its 2 downloads went on 0.3 s later on n3, from what was safely stored:", 4},
		{testPlan, []demoFinding{survived(), undisturbed()}, "Its 1 download went on 0.3 s later on n3, from what was safely stored:", 5},
		{alonePlan, []demoFinding{survived()}, "Started again, it went on 0.3 s later, from what was safely stored:", 4},
	} {
		story := judgeDemo(foundOf(test.found...), test.plan).story(test.plan)
		if len(story) != test.lines || story[1] != test.want {
			t.Errorf("%q", story)
		}
	}
}

func TestDemoReportOfFailure(t *testing.T) {
	f := survived()
	f.got = "bb"
	report := judgeDemo(foundOf(f), testPlan)
	var text bytes.Buffer
	report.write(&text, testPlan, true)
	if got := text.String(); !strings.Contains(got, red("different  ")) || !strings.Contains(got, red("Wrong: file-1.bin: its SHA-256 is not the origin's")) ||
		strings.Contains(got, "went on") {
		t.Errorf("got %s", got)
	}
}

// Only what a record surely holds counts as kept.
func TestSighting(t *testing.T) {
	s := newSighting()
	for i, step := range []struct {
		etag   string
		done   int64
		epoch  int64
		kept   int64
		epochs int
	}{
		{"1-1", 0, 0, 0, 0},
		{"1-2", 0, 1, 0, 1},
		{"1-2", 4, 1, 0, 1},
		{"1-3", 8, 1, 0, 1}, // may have been begun before the first part was stored
		{"1-3", 12, 1, 0, 1},
		{"1-4", 16, 1, 8, 1},
		{"2-5", 12, 2, 16, 2},
	} {
		owner := &pb.Owner{Epoch: step.epoch}
		if step.epoch > 0 {
			owner.Node = "n1"
		}
		s.take(&pb.Transfer{Etag: step.etag, Owner: owner, Progress: &pb.Progress{BytesDone: step.done}})
		if s.kept != step.kept || len(s.epochs) != step.epochs {
			t.Errorf("step %d: kept %d, %d epochs", i, s.kept, len(s.epochs))
		}
	}
}

func TestSightingOfOwners(t *testing.T) {
	type owner struct {
		node  string
		epoch int64
	}
	for _, test := range []struct {
		owners        []owner
		nodes, opener string
		epochs        int
		wentBack      bool
	}{
		{[]owner{{"", 0}}, "", "", 0, false},
		{[]owner{{"", 0}, {"n1", 1}, {"n1", 1}}, "n1", "n1", 1, false},
		{[]owner{{"n1", 1}, {"n1", 2}}, "n1", "n1", 2, false},
		{[]owner{{"n1", 1}, {"", 0}, {"n2", 2}}, "n1 n2", "n2", 2, false},
		{[]owner{{"n1", 1}, {"n2", 1}}, "n1 n2", "n1", 1, false},
		{[]owner{{"n1", 1}, {"n2", 1}, {"n2", 2}}, "n1 n2", "n2", 2, false},
		{[]owner{{"n1", 1}, {"n2", 3}, {"n1", 1}}, "n1 n2 n1", "n2", 2, true},
	} {
		s := newSighting()
		for _, o := range test.owners {
			s.take(&pb.Transfer{Owner: &pb.Owner{Node: o.node, Epoch: o.epoch}})
		}
		if strings.Join(s.nodes, " ") != test.nodes || s.opener != test.opener || len(s.epochs) != test.epochs || s.wentBack != test.wentBack {
			t.Errorf("%v: %+v", test.owners, s)
		}
	}
}

// A kill costs what is in flight: were that a large share of a file, nothing
// could be seen to survive.
func TestDemoPlanLeavesMostOfAFileOutOfFlight(t *testing.T) {
	for _, size := range []int64{leastDemoSize, 32 * mebibyte, 64 * mebibyte, 1 << 30} {
		plan := planDemo(3, 1, size, demoPace)
		if inFlight := demoConnections * plan.partSize; inFlight > size/4 {
			t.Errorf("size %d: %d bytes may be in flight, more than a quarter", size, inFlight)
		}
	}
}
