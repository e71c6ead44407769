package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"godwit/chaos/history"
)

const (
	// decideBound is how long after the end of its last member a completion group
	// may take to decide, decideManyBound the same for one of many members.
	decideBound     = 30 * time.Second
	decideManyBound = 60 * time.Second
	many            = 1000
)

// effect is what a receiver has of a completion group.
type effect struct {
	webhooks map[string]bool
	// deliveries are all, taken those that were taken.
	deliveries, taken int
}

func (v *view) effects() map[string]*effect {
	all := map[string]*effect{}
	for _, e := range v.Deliveries {
		d := e.Delivery
		if all[d.Group] == nil {
			all[d.Group] = &effect{webhooks: map[string]bool{}}
		}
		f := all[d.Group]
		f.webhooks[d.Webhook] = true
		f.deliveries++
		if d.Reply == "taken" || d.Reply == "dropped" {
			f.taken++
		}
	}
	return all
}

// oneEffect is S8: all deliveries of a group carry one id, so that who knows ids
// does the task once.
func oneEffect(v *view) Result {
	all := v.effects()
	if len(all) == 0 {
		return Result{Lacks: "deliveries"}
	}
	var r Result
	for _, e := range v.Deliveries {
		if e.Delivery.Wrong != "" {
			r.violate(e.At, e.Delivery.Group, "attempt %d: %s", e.Delivery.Attempt, e.Delivery.Wrong)
		}
	}
	repeated := 0
	for _, group := range slices.Sorted(maps.Keys(all)) {
		f := all[group]
		if f.taken > 1 {
			repeated++
		}
		if len(f.webhooks) > 1 {
			r.violate(0, group, "%d deliveries have the ids %v", f.deliveries, slices.Sorted(maps.Keys(f.webhooks)))
		}
	}
	r.Judged = fmt.Sprintf("%d deliveries of %d groups, %d of them taken more than once", len(v.Deliveries), len(all), repeated)
	return r
}

// decision is when a completion group decided, by its record and that of its
// task.
type decision struct {
	group   string
	members []string
	policy  string
	// at is when its task was begun to be created or, without one, its record said
	// more than ENABLED; 0 is never. sealed is when it knew its members for certain,
	// perhaps when it may have first: the outcome of a write may be heard late.
	at, sealed, perhaps time.Duration
	// task tells that it has one.
	task bool
}

func (v *view) decisions() map[string]*decision {
	all := map[string]*decision{}
	of := func(group string) *decision {
		if all[group] == nil {
			all[group] = &decision{group: group}
		}
		return all[group]
	}
	for _, e := range v.Writes {
		w := e.Write
		if w.Outcome != history.OK && !undecided(e) {
			continue
		}
		switch kindOf(w.Key) {
		case "g":
			d := of(idOf(w.Key))
			if len(w.Members) > 0 && d.perhaps == 0 {
				d.perhaps = e.Until()
				if undecided(e) {
					d.perhaps = e.At
				}
			}
			if len(w.Members) > 0 && len(d.members) == 0 && w.Outcome == history.OK {
				d.members, d.policy, d.sealed = w.Members, w.Policy, e.Until()
			}
			if d.at == 0 && w.Outcome == history.OK && slices.Contains([]string{"TRIGGERED", "DONE", "FAILED"}, w.Phase) {
				d.at = e.At
			}
		case "k":
			if w.Op == "create" && w.Group != "" && w.Outcome == history.OK {
				d := of(w.Group)
				d.task = true
				if d.at == 0 || e.At < d.at {
					d.at = e.At
				}
			}
		}
	}
	maps.DeleteFunc(all, func(_ string, d *decision) bool { return len(d.members) == 0 })
	return all
}

// ends are when the record of each transfer may first have been terminal, and
// when it was for certain.
func (v *view) ends() (first, certain map[string]time.Duration) {
	first, certain = map[string]time.Duration{}, map[string]time.Duration{}
	for _, e := range v.Writes {
		w := e.Write
		if kindOf(w.Key) != "t" || !terminal(w.Phase) || w.Outcome != history.OK && !undecided(e) {
			continue
		}
		id := idOf(w.Key)
		if at, known := first[id]; !known || e.At < at {
			first[id] = e.At
		}
		if at, known := certain[id]; w.Outcome == history.OK && (!known || e.Until() < at) {
			certain[id] = e.Until()
		}
	}
	return first, certain
}

// decidedAfterAll is S9.
func decidedAfterAll(v *view) Result {
	all := v.decisions()
	first, _ := v.ends()
	var r Result
	judged := 0
	for _, group := range slices.Sorted(maps.Keys(all)) {
		d := all[group]
		if d.at == 0 || d.policy == "QUORUM" {
			continue // not decided, or for other reasons
		}
		judged++
		if d.at < d.perhaps && d.task {
			r.violate(d.at, group, "its task was made at %.3f s, its members are known since %.3f s", d.at.Seconds(), d.perhaps.Seconds())
		}
		for _, id := range d.members {
			if end, ended := first[id]; !ended || end > d.at {
				r.violate(d.at, group, "it decided at %.3f s, when its member %s had not ended", d.at.Seconds(), id)
			}
		}
	}
	for _, e := range v.Deliveries {
		for _, id := range slices.Sorted(maps.Keys(e.Delivery.Members)) {
			if status := e.Delivery.Members[id]; !terminal(status) {
				r.violate(e.At, e.Delivery.Group, "it was told that %s is %s", id, status)
			}
		}
	}
	if judged == 0 {
		r.Lacks = "decisions of groups whose members are known"
		return r
	}
	r.Judged = fmt.Sprintf("%d decisions", judged)
	return r
}

// decideTimes are how long groups took from the end of their last member to
// their decision, by group. undecided are those that never decided, with when
// they should have begun to.
func (v *view) decideTimes() (took, undecided map[string]time.Duration) {
	took, undecided = map[string]time.Duration{}, map[string]time.Duration{}
	_, certain := v.ends()
	for group, d := range v.decisions() {
		last, whole := d.sealed, true
		for _, id := range d.members {
			end, ended := certain[id]
			last, whole = max(last, end), whole && ended
		}
		switch {
		case d.policy == "QUORUM" || !whole:
		case d.at == 0:
			undecided[group] = last
		default:
			took[group] = max(d.at-last, 0)
		}
	}
	return took, undecided
}

// groupsDecide is L2.
func groupsDecide(v *view) Result {
	took, open := v.decideTimes()
	decisions := v.decisions()
	if len(took)+len(open) == 0 {
		return Result{Lacks: "groups whose members have all ended"}
	}
	r := Result{Judged: fmt.Sprintf("%d groups whose members have all ended", len(took)+len(open))}
	bound := func(group string) time.Duration {
		if len(decisions[group].members) > many {
			return decideManyBound
		}
		return decideBound
	}
	disturbed := v.Disturbed(recovery)
	late := 0
	for _, group := range slices.Sorted(maps.Keys(took)) {
		d := decisions[group]
		if history.Quiet(d.at-took[group], d.at, disturbed) <= bound(group) {
			continue
		}
		late++
		if v.Run.Strict {
			r.violate(d.at, group, "it decided %.1f s after its last member had ended", took[group].Seconds())
		}
	}
	for _, group := range slices.Sorted(maps.Keys(open)) {
		if waited := history.Quiet(open[group], v.End(), disturbed); waited > bound(group) {
			r.violate(open[group], group, "its members had ended at %.1f s, and it never decided", open[group].Seconds())
		}
	}
	if len(took) > 0 {
		r.Judged += fmt.Sprintf(", the slowest decided after %.1f s", slices.Max(slices.Collect(maps.Values(took))).Seconds())
	}
	return r.untimed(v, late)
}

// untimed says that a bound of time was not judged, where the load of the
// machine is not known.
func (r Result) untimed(v *view, late int) Result {
	if !v.Run.Strict {
		r.Lacks = fmt.Sprintf("a machine whose load is known: the bound was not judged (%d were later)", late)
	}
	return r
}

// delivered is L10.
func delivered(v *view) Result {
	final := map[string]*history.Event{}
	for _, e := range v.Groups {
		if e.Group.Final {
			final[e.Group.ID] = e
		}
	}
	effects := v.effects()
	var r Result
	judged, dead := 0, 0
	for _, group := range slices.Sorted(maps.Keys(final)) {
		e := final[group]
		g := e.Group
		if g.Task == "" {
			continue
		}
		judged++
		f := effects[group]
		switch {
		case g.TaskStatus == "DEAD_LETTER":
			dead++
		case g.TaskStatus != "SUCCEEDED":
			r.violate(e.At, group, "its task is %s at the end, after %d attempts", g.TaskStatus, g.Attempts)
		case len(v.Deliveries) > 0 && (f == nil || f.taken == 0):
			r.violate(e.At, group, "its task has succeeded, and its receiver has taken nothing")
		}
	}
	if judged == 0 {
		return Result{Lacks: "groups with a task at the end of the run"}
	}
	r.Judged = fmt.Sprintf("%d tasks, %d of them given up with an error that users see", judged, dead)
	return r
}
