package timeline

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
)

// keep is where the page of an hour is left, for who wants to look at it.
var keep = flag.String("timeline.keep", "", "file to leave the page of TestOfAnHour in")

func write(t *testing.T, h *history.History, verdicts []check.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, h, verdicts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func secs(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// fake makes a run of so many seconds up, with a fault about every one.
func fake(seed uint64, length float64) []history.Event {
	dice := rand.New(rand.NewPCG(seed, 1))
	events := []history.Event{{Run: &history.Run{Scenario: "mix", Seed: seed, Nodes: 3, Store: "s3", Waste: 64 << 20, Memory: 1 << 30, Fenced: true, Began: time.Unix(1764288000, 0)}}}
	add := func(e history.Event) { events = append(events, e) }
	nodes := []string{"n1", "n2", "n3"}
	up := map[string]float64{}
	begin := func(n string, at float64) {
		add(history.Event{At: secs(at), Node: n, Process: &history.Process{Step: history.StepStart}})
		add(history.Event{At: secs(at + 0.4), Node: n, Process: &history.Process{Step: history.StepReady}})
	}
	for _, n := range nodes {
		begin(n, 0.1)
	}
	owner := map[string]string{}
	number, epoch := map[string]int{}, map[string]int{}
	wrote := func(at float64, id, node, phase string) {
		if owner[id] != node {
			owner[id] = node
			epoch[id]++
		}
		number[id]++
		w := history.Write{
			Op: "cas", Key: "shards/001/t/" + id, Old: fmt.Sprint(number[id] - 1), New: fmt.Sprint(number[id]), Outcome: history.OK, Attempt: id + fmt.Sprint(number[id]),
			Epoch: uint64(epoch[id]), Sequence: uint64(number[id]), Owner: node, Incarnation: node + fmt.Sprint(epoch[id]), Phase: phase,
		}
		if number[id] == 1 {
			w.Op, w.Old = "create", ""
		}
		add(history.Event{At: secs(at), End: secs(at + 0.005), Node: node, Write: &w})
	}
	kinds := []string{"kill", "kill", "stop", "cut.store", "cut.peers", "slow", "store.unavailable", "store.lost-reply", "origin.reset", "receiver.refuse", "clock.jump", "drain"}
	for at, i := 2.0, 0; at < length-40; i++ {
		id := fmt.Sprintf("t%05d", i)
		node := nodes[dice.IntN(3)]
		add(history.Event{At: secs(at), End: secs(at + 0.02), Call: &history.Call{Op: "create", ID: id, Outcome: history.OK, Size: 48 << 20}})
		wrote(at, id, node, "RUNNING")
		kind := kinds[dice.IntN(len(kinds))]
		f := history.Fault{Kind: kind, Struck: []string{id}}
		lasts := 0.1 + 6*dice.Float64()
		if !strings.HasPrefix(kind, "store") && !strings.HasPrefix(kind, "origin") && !strings.HasPrefix(kind, "receiver") {
			f.Nodes = []string{node}
		}
		if kind == "kill" && at-up[node] > 3 {
			add(history.Event{At: secs(at + 1), Node: node, Process: &history.Process{Step: history.StepEnd, Code: -1, Wanted: true}})
			begin(node, at+1+lasts)
			up[node] = at + 1 + lasts
			wrote(at+1.6+2*dice.ExpFloat64(), id, nodes[dice.IntN(3)], "RUNNING")
		} else if kind == "kill" {
			f.Kind = "stop"
		}
		add(history.Event{At: secs(at + 1), End: secs(at + 1 + lasts), Fault: &f})
		extra := int64(dice.ExpFloat64() * float64(8<<20))
		add(history.Event{At: secs(at), End: secs(at + 12), Node: node, Serve: &history.Serve{ID: id, Bytes: 48<<20 + extra, Status: 206, Generation: 1}})
		wrote(at+16, id, owner[id], "COMPLETED")
		add(history.Event{At: secs(at + 16.5), Transfer: &history.Transfer{ID: id, Status: "COMPLETED", Final: true}})
		add(history.Event{At: secs(at + 16.6), Look: &history.Look{ID: id, There: true, Size: 48 << 20, Generation: 1, Final: true}})
		reply := "taken"
		if dice.IntN(5) == 0 {
			reply = "refused"
		}
		add(history.Event{At: secs(at + 17), Delivery: &history.Delivery{Group: "g" + id, Webhook: "k" + id, Attempt: 1, Reply: reply}})
		at += 0.3 + 1.4*dice.Float64()
	}
	add(history.Event{At: secs(length), Finding: &history.Finding{Kind: "log", Text: "over"}})
	return events
}

// TestOfAnHour: thousands of faults make no page that nobody can open.
func TestOfAnHour(t *testing.T) {
	h := history.New(fake(7, 3600))
	if len(h.Faults) < 3000 {
		t.Fatalf("only %d faults", len(h.Faults))
	}
	verdicts := check.Judge(h)
	verdicts[3].Violations = append(verdicts[3].Violations, check.Violation{At: secs(1800), Subject: "shards/001/t/t00007", Text: "created although it was there: create of \"\" by n2/01J (epoch 1)"})
	text := write(t, h, verdicts)
	if len(text) > 2<<20 {
		t.Errorf("%d bytes", len(text))
	}
	if *keep != "" {
		if err := os.WriteFile(*keep, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPageIsWhole looks for what a reader needs, and for nothing that would need
// a network.
func TestPageIsWhole(t *testing.T) {
	h := history.New(fake(3, 120))
	verdicts := check.Judge(h)
	text := write(t, h, verdicts)
	for _, part := range []string{
		"<title>mix, seed 3</title>", "<b>3</b> nodes", `state in <b>s3</b>`, "for <b>2:00</b>",
		`<text class="name" x="0" y="19">n2</text>`, ">takeovers</text>", ">deliveries</text>", ">bytes served</text>", ">store</text>",
		`<rect class="life"`, `<rect class="kill"`, `<circle class="taken"`, "takeover, beside other faults, s",
		"kill of n", "of results read back",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for _, v := range verdicts {
		if !strings.Contains(text, `<td class="id">`+v.ID+"</td>") {
			t.Errorf("the page lacks %s", v.ID)
		}
	}
	for _, part := range []string{"http://", "https://", "<script", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(text, part) {
			t.Errorf("the page has %q", part)
		}
	}
}

func TestPageOfStates(t *testing.T) {
	h := history.New([]history.Event{{Run: &history.Run{Scenario: "<i>", Bug: "as_if"}}, {At: secs(60), Finding: &history.Finding{}}})
	verdict := func(id string, r check.Result) check.Verdict {
		return check.Verdict{Check: check.Check{ID: id, Promise: "It holds."}, Result: r}
	}
	var many []check.Violation
	for range maxShown + 5 {
		many = append(many, check.Violation{At: secs(30), Subject: "x", Text: "<b>broke</b>"})
	}
	text := write(t, h, []check.Verdict{
		verdict("A1", check.Result{Judged: "12 things"}), verdict("A2", check.Result{Lacks: "a look"}),
		verdict("A3", check.Result{Judged: "3 things", Violations: many}),
	})
	for _, part := range []string{
		"&lt;i&gt;", "seeded bug as_if", fmt.Sprintf("%d violations", maxShown+5), "1 promises held, 1 not judged",
		`<td class="state held">held</td><td><small>12 things</small>`, `<td class="state unjudged">not judged</td><td><small>for want of a look</small>`,
		`<td class="state violated">violated</td>`, "0:30 x: &lt;b&gt;broke&lt;/b&gt;", "and 5 more", `<line class="mark" x1="718"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

func TestPageOfNothing(t *testing.T) {
	h := history.New(nil)
	if text := write(t, h, check.Judge(h)); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("the page has figures that are none")
	}
}

// TestBoxesAreJoined: what touches is one, what does not is not, and what is of
// another class stays apart.
func TestBoxesAreJoined(t *testing.T) {
	s := scale{end: 1000 * time.Second}
	var pieces []piece
	for i := range 1000 {
		pieces = append(pieces, piece{secs(float64(i)), secs(float64(i) + 0.2), "kill", "a kill"})
	}
	pieces = append(pieces, piece{0, secs(500), "net", "a cut"})
	if boxes := s.boxes(pieces); len(boxes) != 2 || !strings.HasPrefix(boxes[1].Title, "1000 of kill") || boxes[0].Title != "a cut" {
		t.Errorf("%d boxes, %+v", len(boxes), boxes[:min(len(boxes), 3)])
	}
	apart := s.boxes([]piece{{secs(500), secs(510), "kill", "b"}, {secs(100), secs(110), "kill", "a"}})
	if len(apart) != 2 || apart[0].Title != "a" || apart[0].X != s.x(secs(100)) {
		t.Errorf("%+v", apart)
	}
}

func TestTicks(t *testing.T) {
	for _, end := range []time.Duration{0, time.Second, 95 * time.Second, time.Hour, 49 * time.Hour, 3000 * time.Hour} {
		ticks := scale{end: end}.ticks()
		if len(ticks) == 0 || len(ticks) > maxTicks*4+1 {
			t.Errorf("%v: %d ticks", end, len(ticks))
		}
	}
	if ticks := (scale{end: time.Hour}).ticks(); ticks[1].Label != "5:00" || len(ticks) != 13 {
		t.Errorf("%+v", ticks)
	}
}

func TestDistributions(t *testing.T) {
	d := distOf(check.Measure{Name: "takeover", Unit: "s", Values: []float64{3, 1, 2, 40}, Target: 10, Bound: 30})
	if d.N != 4 || d.P50 != "2.00" || d.P99 != "40.0" || d.Max != "40.0" || !d.Missed || len(d.Bars) != 4 {
		t.Errorf("%+v", d)
	}
	if d := distOf(check.Measure{Values: []float64{0}}); d.Missed || d.Max != "0" {
		t.Errorf("%+v", d)
	}
}
