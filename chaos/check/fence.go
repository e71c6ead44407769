package check

import (
	"fmt"
	"time"

	"godwit/chaos/history"
)

const (
	// noticing is how long a node that was succeeded may go on until it notices,
	// once nothing keeps it from noticing.
	noticing = 3 * time.Second
	// fetching is how long it may go on fetching, which harms nobody: until its
	// lease has run out, or its next write is refused.
	fetching = 15*time.Second + noticing
)

// act is something that only the owner of a record may do.
type act struct {
	*history.Event
	// key is that of the record, what says what was done. grace is how long
	// somebody who was succeeded may go on.
	key, what string
	grace     time.Duration
}

// acts are the deeds of nodes that the harness has seen, in their order by kind.
func (v *view) acts() []act {
	transfers := v.transferKeys()
	tasks := map[string]string{}
	for _, key := range v.keys {
		if kindOf(key) == "k" {
			tasks[idOf(key)] = key
		}
	}
	var all []act
	add := func(e *history.Event, key, what string, grace time.Duration) {
		if key != "" && e.Node != "" {
			all = append(all, act{Event: e, key: key, what: what, grace: grace})
		}
	}
	for _, e := range v.Stores {
		if s := e.Store; !s.Record && s.Status/100 == 2 && s.Fault != "repeated" {
			switch s.Op {
			case "upload.complete", "upload.abort", "put", "delete":
				add(e, transfers[idOf(s.Key)], s.Op, noticing)
			}
		}
	}
	for _, e := range v.Serves {
		if e.Serve.Status/100 == 2 {
			add(e, transfers[e.Serve.ID], "fetch", fetching)
		}
	}
	for _, e := range v.Deliveries {
		add(e, tasks[e.Delivery.Webhook], "delivery", noticing)
	}
	return all
}

// stranger is the owner at the time of an act of somebody else, nil when that
// is not certain.
func (v *view) stranger(a act) *tenure {
	if t := v.owner(a.key, a.At); t != nil && t.node != a.Node {
		return t
	}
	return nil
}

// hindered is until when something kept a node from noticing, as far as it had
// begun by this moment.
func (v *view) hindered(node string, at time.Duration) time.Duration {
	var until time.Duration
	for _, e := range v.Struck(node) {
		if e.At <= at {
			until = max(until, e.Until())
		}
	}
	return until
}

// onlyOwnersAct is S6.
func onlyOwnersAct(v *view) Result {
	acts := v.acts()
	if len(acts) == 0 {
		return Result{Lacks: "what nodes did to results, origins and receivers"}
	}
	r := Result{Judged: fmt.Sprintf("%d requests of nodes on behalf of %d records", len(acts), len(v.keys))}
	for _, a := range acts {
		t := v.stranger(a)
		if t == nil {
			continue
		}
		since := max(t.since(), v.hindered(a.Node, a.At))
		if late := a.At - since; late > a.grace {
			r.violate(a.At, a.key, "%s by %s, %.1f s after it could know that %s had taken over in epoch %d", a.what, a.Node, late.Seconds(), t.node, t.epoch)
		}
	}
	return r
}

// toldAt is a node being told that somebody else had written a record that it
// owned.
type toldAt struct {
	node, key string
	at        time.Duration
}

// tolds are the moments at which nodes learned that they were succeeded.
func (v *view) tolds() []toldAt {
	var all []toldAt
	for _, e := range v.Writes {
		w := e.Write
		if w.Outcome != history.Lost || w.Op != "cas" || kindOf(w.Key) == "" {
			continue
		}
		if t := v.owner(w.Key, e.Until()); t != nil && t.node != e.Node && t.epoch > w.Epoch && v.owned(w, e.Until()) {
			all = append(all, toldAt{node: e.Node, key: w.Key, at: e.Until()})
		}
	}
	return all
}

// owned tells whether a write was one of its owner, and no claim.
func (v *view) owned(w *history.Write, before time.Duration) bool {
	for _, t := range v.tenures[w.Key] {
		if t.epoch == w.Epoch && t.incarnation == w.Incarnation && t.claim.At <= before {
			return true
		}
	}
	return false
}

// fencedIsInert is S14.
func fencedIsInert(v *view) Result {
	told := map[string][]toldAt{} // by node and key
	tolds := v.tolds()
	for _, m := range tolds {
		told[m.node+" "+m.key] = append(told[m.node+" "+m.key], m)
	}
	acts := v.acts()
	switch {
	case len(tolds) == 0:
		return Result{Lacks: "a node that was told that it was succeeded"}
	case len(acts) == 0:
		return Result{Lacks: "what nodes did to results, origins and receivers"}
	}
	r := Result{Judged: fmt.Sprintf("%d times that a node was told that it was succeeded", len(tolds))}
	for _, a := range acts {
		t := v.stranger(a)
		if t == nil || a.grace == fetching || v.beganItself(a, t) {
			continue
		}
		for _, m := range told[a.Node+" "+a.key] {
			if m.at < a.At && m.at >= t.since() {
				r.violate(a.At, a.key, "%s by %s, which was told %.3f s before that %s had succeeded it in epoch %d", a.what, a.Node,
					(a.At - m.at).Seconds(), t.node, t.epoch)
				break
			}
		}
	}
	return r
}

// beganItself tells whether an act ends an upload that the same node had begun
// after it was succeeded: nobody else can know of it.
func (v *view) beganItself(a act, t *tenure) bool {
	if a.Store == nil || a.Store.Upload == "" {
		return false
	}
	for _, e := range v.Stores {
		if s := e.Store; s.Op == "upload.create" && s.Upload == a.Store.Upload {
			return e.Node == a.Node && e.At > t.since()
		}
	}
	return false
}
