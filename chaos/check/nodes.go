package check

import (
	"fmt"
	"slices"
	"time"

	"godwit/chaos/history"
)

const (
	// convergeBound is how long after the last fault all nodes may take to see
	// each other.
	convergeBound = 60 * time.Second
	// drainBound is how long a node may take to end in good order.
	drainBound = 30 * time.Second
	// idleCPU is how much of one processor a node may use that has nothing to do.
	idleCPU = 0.2
	// idleStretch is how long it must have been idle to be judged.
	idleStretch = 10 * time.Second
	// leakSlack is how many more files or goroutines are no leak.
	leakSlack = 16
)

// membersAgree is L4: after the last fault all live nodes see exactly the live
// ones as ALIVE.
func membersAgree(v *view) Result {
	healed := v.Healed()
	last := map[string]*history.Event{}
	wrongUntil := map[string]time.Duration{} // when a node last saw something else
	for _, e := range v.Members {
		if e.At < healed || e.Node == "" {
			continue
		}
		last[e.Node] = e
		if v.misseen(e) != "" {
			wrongUntil[e.Node] = e.At
		}
	}
	if len(last) == 0 {
		return Result{Lacks: "what nodes see of each other after the last fault"}
	}
	var r Result
	late := 0
	var slowest time.Duration
	for _, node := range v.Nodes() {
		l := v.LifeAt(node, v.End())
		e := last[node]
		if l == nil || e == nil {
			continue
		}
		since := max(healed, l.Ready)
		took := max(wrongUntil[node]-since, 0)
		slowest = max(slowest, took)
		wrong := v.misseen(e)
		switch {
		case wrong != "" && e.At-since > convergeBound:
			r.violate(e.At, node, "%.0f s after the last fault %s", (e.At - since).Seconds(), wrong)
		case took > convergeBound:
			late++
			if v.Run.Strict {
				r.violate(wrongUntil[node], node, "it saw the cluster as it is only %.0f s after the last fault", took.Seconds())
			}
		}
	}
	r.Judged = fmt.Sprintf("%d nodes, the last agreed %.1f s after the last fault", len(last), slowest.Seconds())
	return r.untimed(v, late)
}

// misseen says what is wrong with what a node sees, "" for nothing.
func (v *view) misseen(e *history.Event) string {
	for _, node := range v.Nodes() {
		l := v.LifeAt(node, e.At)
		state := e.Members.States[node]
		switch live := l != nil && l.Ready > 0 && l.Ready <= e.At; {
		case live && state != "ALIVE":
			return fmt.Sprintf("it sees %s, which lives, as %q", node, state)
		case l == nil && state == "ALIVE":
			return fmt.Sprintf("it sees %s, which does not live, as ALIVE", node)
		}
	}
	return ""
}

// staysUp is L6: no node ends by itself, and who has nothing to do uses little.
func staysUp(v *view) Result {
	lives := 0
	for _, node := range v.Nodes() {
		lives += len(v.Lives(node))
	}
	if lives == 0 {
		return Result{Lacks: "lives of nodes"}
	}
	r := Result{Judged: fmt.Sprintf("%d lives of %d nodes", lives, len(v.Nodes()))}
	for _, l := range v.died() {
		r.violate(l.End, l.Node, "its life %d ended by itself with code %d", l.Number, l.Code)
	}
	idle := map[[2]any][]*history.Event{}
	for _, e := range v.Samples {
		if e.Sample.Idle {
			of := [2]any{e.Node, e.Life}
			idle[of] = append(idle[of], e)
		}
	}
	judged := 0
	for _, samples := range idle {
		first, last := samples[0], samples[len(samples)-1]
		over := last.At - first.At
		if over < idleStretch {
			continue
		}
		judged++
		quiet := idleTime(samples)
		if used := last.Sample.CPU - first.Sample.CPU; quiet == over && float64(used) > idleCPU*float64(over) {
			r.violate(last.At, last.Node, "it has nothing to do and used %.1f s of a processor in %.1f s", used.Seconds(), over.Seconds())
		}
		for _, grown := range []struct {
			what    string
			was, is int
		}{
			{"open files", first.Sample.Files, last.Sample.Files},
			{"goroutines", first.Sample.Goroutines, last.Sample.Goroutines},
		} {
			if grown.is > grown.was+grown.was/10+leakSlack {
				r.violate(last.At, last.Node, "it has nothing to do and has %d %s, it had %d %.0f s before", grown.is, grown.what, grown.was, over.Seconds())
			}
		}
	}
	if judged == 0 {
		r.Lacks = fmt.Sprintf("samples of nodes that were idle for %v", idleStretch)
		return r
	}
	r.Judged += fmt.Sprintf(", %d of them while idle", judged)
	return r
}

// idleTime is how long the longest row of samples is between which nothing was
// done: ten seconds without a sample end it.
func idleTime(samples []*history.Event) time.Duration {
	for i := 1; i < len(samples); i++ {
		if samples[i].At-samples[i-1].At > idleStretch {
			return 0
		}
	}
	return samples[len(samples)-1].At - samples[0].At
}

// drain is a node that was asked to end, or to give away what it has, and did.
type drain struct {
	node string
	at   time.Duration
	// took is how long it needed, code is its exit code.
	took time.Duration
	code int
	// alone tells that no other fault was in its way.
	alone bool
}

func (v *view) drains() []drain {
	var all []drain
	for _, e := range v.Faults {
		f := e.Fault
		if !f.Is(history.FaultDrain) && !f.Is(history.FaultRestart) || len(f.Nodes) != 1 {
			continue // of several, nobody knows when each was asked
		}
		d := drain{node: f.Nodes[0], at: e.At, took: -1}
		for _, l := range v.Lives(d.node) {
			if l.Ended && l.End >= e.At && l.End <= e.Until() && l.Start < e.At {
				d.took, d.code = l.End-e.At, l.Code
				break
			}
		}
		for _, c := range v.Calls {
			if c.Call.Op == "drain" && c.Node == d.node && c.At >= e.At && c.At <= e.Until() && c.Call.Outcome == history.OK {
				d.took = c.Until() - c.At
			}
		}
		if d.took < 0 {
			continue
		}
		d.alone = !slices.ContainsFunc(v.Faults, func(other *history.Event) bool {
			return other != e && other.At < d.at+d.took && other.Until() > d.at
		})
		all = append(all, d)
	}
	return all
}

// drainsInTime is L8.
func drainsInTime(v *view) Result {
	all := v.drains()
	if len(all) == 0 {
		return Result{Lacks: "drains whose end is known"}
	}
	var r Result
	alone, late := 0, 0
	var slowest time.Duration
	for _, d := range all {
		if !d.alone {
			continue
		}
		alone++
		slowest = max(slowest, d.took)
		if d.code != 0 {
			r.violate(d.at+d.took, d.node, "it was asked to end, and ended with code %d after %.1f s", d.code, d.took.Seconds())
		} else if d.took > drainBound {
			late++
			if v.Run.Strict {
				r.violate(d.at+d.took, d.node, "it took %.1f s to end", d.took.Seconds())
			}
		}
	}
	if alone == 0 {
		return Result{Lacks: fmt.Sprintf("a drain without another fault in its way, of %d", len(all))}
	}
	r.Judged = fmt.Sprintf("%d drains, %d of them with no other fault in their way, the slowest of these %.1f s", len(all), alone, slowest.Seconds())
	return r.untimed(v, late)
}
