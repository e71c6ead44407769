package check

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"godwit/chaos/history"
)

const (
	// linearBudget is how long all records may take to be judged, recordBudget
	// how long one of them.
	linearBudget = 30 * time.Second
	recordBudget = 5 * time.Second
	// linearReads is how many operations on a record may be judged with its reads
	// among them.
	linearReads = 4000
)

// register is what a record is for porcupine: its version and who owns it.
type register struct {
	// version is absent, one that a write left, or unknownVersion and the attempt
	// that left one nobody was told.
	version string
	epoch   uint64
	by      string
}

// unknownVersion begins the version that a write left whose outcome is unknown.
const unknownVersion = "?"

// request is what a node asked of a record.
type request struct {
	// op is "create", "cas", "delete" or "get".
	op, old, attempt string
	// strange tells that no accepted write is known to have left old, or what a
	// get saw: one of unknown outcome did.
	strange bool
	epoch   uint64
	by      string
}

// answer is what it was told: the outcome, and the version that is there now.
type answer struct {
	outcome history.Outcome
	version string
}

// records is the model. Each record is judged by itself.
var records = porcupine.NondeterministicModel{
	Init: func() []any { return []any{register{}} },
	Step: func(state, input, output any) []any {
		return advance(state.(register), input.(request), output.(answer))
	},
}

// advance tells which states may follow when a request was told this; none when it
// cannot have been told this.
func advance(s register, in request, out answer) []any {
	if in.op == "get" {
		return observe(s, in, out)
	}
	next, matches, legal := s.apply(in, out)
	switch out.outcome {
	case history.OK:
		if matches && legal {
			return []any{next}
		}
		return nil
	case history.Lost:
		if matches && !in.strange {
			return nil // nobody else can have come first
		}
		return []any{s}
	case history.Error, history.Refused:
		return []any{s}
	}
	if matches {
		return []any{s, next} // it may have happened
	}
	return []any{s}
}

// observe is a read. The first one that sees the version of a write of unknown
// outcome says which one that is.
func observe(s register, in request, out answer) []any {
	switch {
	case s.version == out.version:
		return []any{s}
	case in.strange && strings.HasPrefix(s.version, unknownVersion):
		s.version = out.version
		return []any{s}
	}
	return nil
}

// apply is what a write makes of a record. matches tells that it names the
// version that is there, legal that its owner may write it.
func (s register) apply(in request, out answer) (next register, matches, legal bool) {
	matches = s.version == in.old || in.strange && strings.HasPrefix(s.version, unknownVersion)
	if in.op == "delete" {
		return register{}, matches, true
	}
	next = register{version: out.version, epoch: in.epoch, by: in.by}
	if next.version == absent {
		next.version = unknownVersion + in.attempt
	}
	if in.epoch == 0 {
		next.epoch, next.by = s.epoch, s.by
	}
	legal = next.epoch > s.epoch || next.epoch == s.epoch && (next.by == s.by || s.by == "")
	return next, matches, legal
}

// operations are those on one record.
func operations(writes, reads []*history.Event, forged func(*history.Event) bool) []porcupine.Operation {
	left := map[string]bool{absent: true}
	for _, e := range writes {
		if e.Write.Outcome == history.OK {
			left[e.Write.New] = true
		}
	}
	var all []porcupine.Operation
	for _, e := range writes {
		w := e.Write
		in := request{op: w.Op, old: w.Old, attempt: w.Attempt, strange: !left[w.Old], epoch: w.Epoch, by: by(e)}
		out := answer{outcome: w.Outcome, version: w.New}
		if w.Outcome == history.Lost && forged(e) {
			out.outcome = history.Unknown
		}
		op := porcupine.Operation{Call: int64(e.At), Return: int64(e.Until()), Input: in, Output: out}
		if out.outcome == history.Begun || out.outcome == history.Unknown {
			op.Return = math.MaxInt64
		}
		all = append(all, op)
	}
	for _, e := range reads {
		version := strings.Trim(e.Store.ETag, `"`)
		all = append(all, porcupine.Operation{
			Call: int64(e.At), Return: int64(e.Until()),
			Input: request{op: "get", strange: !left[version]}, Output: answer{outcome: history.OK, version: version},
		})
	}
	return all
}

// linearizable holds what nodes were told against a register for each record,
// in real time.
func linearizable(v *view) Result { return v.linear(linearBudget, recordBudget) }

func (v *view) linear(budget, each time.Duration) Result {
	if len(v.Writes) == 0 {
		return Result{Lacks: "writes of nodes"}
	}
	reads, lies := v.reads()
	_, writes := byKey(v.parts(v.Writes)[0]) // later ones begin from what nobody knows
	var r Result
	model := records.ToModel()
	judged, ops, unsure := 0, 0, 0
	end := time.Now().Add(budget)
	for _, key := range v.keys {
		of := reads[key]
		if len(writes[key])+len(of) > linearReads {
			of = nil
		}
		history := operations(writes[key], of, func(e *history.Event) bool { return lied(lies[key], e) })
		if len(history) == 0 {
			continue
		}
		switch porcupine.CheckOperationsTimeout(model, history, max(min(each, time.Until(end)), time.Millisecond)) {
		case porcupine.Ok:
			judged++
			ops += len(history)
		case porcupine.Unknown:
			unsure++
		case porcupine.Illegal:
			judged++
			r.violate(writes[key][0].At, key, "no order of its %d operations explains what nodes were told", len(history))
		}
	}
	if judged > 0 {
		r.Judged = fmt.Sprintf("%d operations on %d records", ops, judged)
	}
	if unsure > 0 {
		r.Lacks = fmt.Sprintf("time to judge %d records", unsure)
	}
	return r
}

// reads are what the store answered to those who read records, and the lies
// that the harness told them about writes, by key.
func (v *view) reads() (reads, lies map[string][]*history.Event) {
	reads, lies = map[string][]*history.Event{}, map[string][]*history.Event{}
	cut := time.Duration(math.MaxInt64)
	if len(v.restores) > 0 {
		cut = v.restores[0].At
	}
	for _, e := range v.Stores {
		s := e.Store
		switch {
		case !s.Record || kindOf(s.Key) == "" || e.Until() > cut:
		case s.Op == "get" && s.Fault == "" && (s.Status == 200 || s.Status == 404):
			if s.Status == 404 {
				e = &history.Event{At: e.At, End: e.End, Node: e.Node, Store: &history.Store{}}
			}
			reads[s.Key] = append(reads[s.Key], e)
		case s.Op != "get" && s.Fault != "" && s.Told/100 == 4:
			lies[s.Key] = append(lies[s.Key], e)
		}
	}
	return reads, lies
}

// lied tells whether the harness has lied about a write.
func lied(lies []*history.Event, e *history.Event) bool {
	for _, l := range lies {
		if l.Node == e.Node && l.At >= e.At && l.At <= e.Until() {
			return true
		}
	}
	return false
}
