package history

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// History is everything that happened in a run. What it hands out belongs to it
// and is not to be changed.
type History struct {
	// Run is what was run, zero when the history does not say.
	Run Run
	// Events are all of them, in the order in which they began.
	Events []Event
	// The events of each kind, in the same order. Faults too are listed when
	// they began.
	Faults, Processes, Calls, Writes, Stores, Serves, Deliveries,
	Looks, Samples, Members, Transfers, Groups, Findings []*Event

	lives map[string][]Life
}

// Life is one process of a node.
type Life struct {
	Node string
	// Number counts the lives of that node, from 1.
	Number int
	// Start, Ready and End are when it was started, could be used and had ended;
	// Ready is 0 when it never was. Ended is false for one that was left running,
	// whose End is that of the history.
	Start, Ready, End time.Duration
	Ended             bool
	// Code and Wanted are as in [Process], of its end.
	Code    int
	Wanted  bool
	Version string
}

// Span is a stretch of time.
type Span struct{ From, To time.Duration }

// New makes a history of events in any order. It takes the slice.
func New(events []Event) *History {
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	h := &History{Events: events, lives: map[string][]Life{}}
	for i := range events {
		h.file(&events[i])
	}
	h.live()
	return h
}

// file puts an event into the list of its kind.
func (h *History) file(e *Event) {
	add := func(list *[]*Event) { *list = append(*list, e) }
	switch {
	case e.Run != nil:
		h.Run = *e.Run
	case e.Fault != nil:
		add(&h.Faults)
	case e.Process != nil:
		add(&h.Processes)
	case e.Call != nil:
		add(&h.Calls)
	case e.Write != nil:
		add(&h.Writes)
	case e.Store != nil:
		add(&h.Stores)
	case e.Serve != nil:
		add(&h.Serves)
	case e.Delivery != nil:
		add(&h.Deliveries)
	case e.Look != nil:
		add(&h.Looks)
	case e.Sample != nil:
		add(&h.Samples)
	case e.Members != nil:
		add(&h.Members)
	case e.Transfer != nil:
		add(&h.Transfers)
	case e.Group != nil:
		add(&h.Groups)
	case e.Finding != nil:
		add(&h.Findings)
	}
}

// live makes lives of the steps of processes, and tells writes theirs.
func (h *History) live() {
	end := h.End()
	for _, e := range h.Processes {
		all := h.lives[e.Node]
		if e.Process.Step == StepStart {
			h.lives[e.Node] = append(all, Life{
				Node: e.Node, Number: len(all) + 1, Start: e.At, End: end, Version: e.Process.Version,
			})
			continue
		}
		if len(all) == 0 {
			continue
		}
		switch last := &all[len(all)-1]; e.Process.Step {
		case StepReady:
			last.Ready = e.At
		case StepEnd:
			last.End, last.Ended, last.Code, last.Wanted = e.At, true, e.Process.Code, e.Process.Wanted
		}
	}
	for _, e := range h.Writes {
		if l := h.LifeAt(e.Node, e.At); l != nil && e.Life == 0 {
			e.Life = l.Number
		}
	}
}

// End is when the last event was over.
func (h *History) End() time.Duration {
	var end time.Duration
	for i := range h.Events {
		end = max(end, h.Events[i].Until())
	}
	return end
}

// Until is when an event was over: its End, or its At when it has none.
func (e *Event) Until() time.Duration { return max(e.At, e.End) }

// Nodes are the names of all nodes that had a life, sorted.
func (h *History) Nodes() []string { return slices.Sorted(maps.Keys(h.lives)) }

// Lives are those of a node, in their order.
func (h *History) Lives(node string) []Life { return h.lives[node] }

// LifeAt is the life of a node at a moment, nil when it had none.
func (h *History) LifeAt(node string, at time.Duration) *Life {
	all := h.lives[node]
	for i := range slices.Backward(all) {
		if all[i].Start <= at && at <= all[i].End {
			return &all[i]
		}
	}
	return nil
}

// Struck are the faults that struck a node, or the transfer of this id.
func (h *History) Struck(nodeOrID string) []*Event {
	var all []*Event
	for _, e := range h.Faults {
		if slices.Contains(e.Fault.Nodes, nodeOrID) || slices.Contains(e.Fault.Struck, nodeOrID) {
			all = append(all, e)
		}
	}
	return all
}

// Healed is when the last fault was over, 0 when there was none.
func (h *History) Healed() time.Duration {
	var last time.Duration
	for _, e := range h.Faults {
		last = max(last, e.Until())
	}
	return last
}

// Disturbed are the stretches in which a fault was at work or its effects were
// still to be expected, for so long after it was over. They are in order and do
// not touch.
func (h *History) Disturbed(after time.Duration) []Span {
	var all []Span
	for _, e := range h.Faults {
		from, to := e.At, e.Until()+after
		if last := len(all) - 1; last >= 0 && from <= all[last].To {
			all[last].To = max(all[last].To, to)
			continue
		}
		all = append(all, Span{From: from, To: to})
	}
	return all
}

// Quiet is how much of a stretch none of these spans covers. They are in order
// and do not overlap.
func Quiet(from, to time.Duration, spans []Span) time.Duration {
	rest := to - from
	for _, s := range spans {
		if covered := min(to, s.To) - max(from, s.From); covered > 0 {
			rest -= covered
		}
	}
	return max(rest, 0)
}
