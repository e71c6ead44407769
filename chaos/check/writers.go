package check

import (
	"fmt"
	"slices"
	"time"

	"godwit/chaos/history"
)

// oneWriter is S3.
func oneWriter(v *view) Result {
	r := v.judgeWrites(ruleChain, ruleEpoch, ruleFenced, ruleOwner)
	for _, e := range v.Stores {
		if s := e.Store; s.Record && s.Op == "put" && ours(s.Key) && s.Status/100 == 2 && s.IfMatch == "" && s.IfNoneMatch == "" {
			r.violate(e.At, s.Key, "written by %s without a condition", e.Node)
		}
	}
	return r
}

// oneCreation is S4: records are created once, and a completion group has one
// task.
func oneCreation(v *view) Result {
	r := v.judgeWrites(ruleCreate)
	tasks := map[string]string{}
	for _, e := range v.Groups {
		switch g, known := e.Group, tasks[e.Group.ID]; {
		case g.Task == "":
		case known == "":
			tasks[g.ID] = g.Task
		case known != g.Task:
			r.violate(e.At, g.ID, "it has the tasks %s and %s", known, g.Task)
		}
	}
	if len(tasks) > 0 && r.Judged != "" {
		r.Judged += fmt.Sprintf(", %d groups with a task", len(tasks))
	}
	return r
}

// judgeWrites holds the writes to records against some of the rules, as the
// nodes saw them and as the store did.
func (v *view) judgeWrites(rules ...rule) Result {
	if len(v.Writes)+v.storeWrites == 0 {
		return Result{Lacks: "writes to records"}
	}
	r := Result{Judged: fmt.Sprintf("%d writes to %d records", len(v.Writes), len(v.keys))}
	if v.storeWrites > 0 {
		r.Judged += fmt.Sprintf(", and %d as the store saw them", v.storeWrites)
	}
	for _, b := range slices.Concat(v.breaches, v.stored) {
		if slices.Contains(rules, b.rule) {
			r.Violations = append(r.Violations, b.Violation)
		}
	}
	return r
}

// restored is S16: after the store was put back, epochs have one owner as
// before.
func restored(v *view) Result {
	if len(v.restores) == 0 {
		return Result{Lacks: "a store that was put back to what it was before"}
	}
	var r Result
	first := v.restores[0].At
	after := 0
	for _, e := range v.Writes {
		if e.At > first {
			after++
		}
	}
	if after == 0 {
		r.Lacks = "writes after the store was put back"
		return r
	}
	r.Judged = fmt.Sprintf("%d writes after the store was put back", after)
	for _, b := range slices.Concat(v.breaches, v.stored) {
		if b.At > first && slices.Contains([]rule{ruleChain, ruleOwner, ruleFenced}, b.rule) {
			r.Violations = append(r.Violations, b.Violation)
		}
	}
	return r
}

// terminalStays is S10: in records, in what the API shows, and at destinations.
func terminalStays(v *view) Result {
	r := v.judgeWrites(ruleTerminal)
	over := map[string]*history.Event{} // the first that showed it completed or canceled
	retried := map[string]bool{}
	for _, e := range v.Calls {
		if e.Call.Op == "retry" {
			retried[e.Call.ID] = true
		}
	}
	for _, e := range v.Transfers {
		t := e.Transfer
		switch known := over[t.ID]; {
		case known == nil && (t.Status == "COMPLETED" || t.Status == "CANCELED"):
			over[t.ID] = e
		case known != nil && t.Final && known.Transfer.Status != t.Status && !retried[t.ID]:
			// Only at the end: a node that was paused may say for a moment what it knew.
			r.violate(e.At, t.ID, "it is %s at the end, it was %s at %.3f s", t.Status, known.Transfer.Status, known.At.Seconds())
		}
	}
	canceled := v.canceled()
	served := map[string]bool{}
	for _, e := range v.Serves {
		served[e.Serve.ID] = true
	}
	for _, e := range v.Looks {
		if at, ok := canceled[e.Look.ID]; ok && served[e.Look.ID] && e.Look.Final && e.Look.There {
			r.violate(e.At, e.Look.ID, "it was canceled at %.3f s, and its result is there", at.Seconds())
		}
	}
	if len(v.Transfers) > 0 {
		if r.Judged != "" {
			r.Judged += "; "
		}
		r.Judged += fmt.Sprintf("%d looks at transfers, %d cancels", len(v.Transfers), len(canceled))
		r.Lacks = ""
	}
	return r
}

// canceled are the downloads of which the API has said that they are canceled,
// with when it did.
func (v *view) canceled() map[string]time.Duration {
	uploads := map[string]bool{}
	all := map[string]time.Duration{}
	for _, e := range v.Calls {
		switch c := e.Call; {
		case c.Op == "create" && c.Upload:
			uploads[c.ID] = true
		case c.Op == "cancel" && c.Outcome == history.OK && c.Status == "CANCELED" && !uploads[c.ID]:
			all[c.ID] = e.Until()
		}
	}
	return all
}
