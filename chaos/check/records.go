package check

import (
	"fmt"
	"slices"
	"strings"

	"godwit/chaos/history"
)

// rule is one of the promises that the writes of a record are held against.
type rule string

// The rules, for each record.
const (
	// ruleChain: each accepted write replaced what the accepted write before it
	// left. Of two writes that replace the same version only one is accepted.
	ruleChain rule = "chain"
	// ruleCreate: nothing is created that is there.
	ruleCreate rule = "create"
	// ruleEpoch: epochs never fall.
	ruleEpoch rule = "epoch"
	// ruleFenced: whoever was succeeded, in a higher epoch, writes nothing more.
	ruleFenced rule = "fenced"
	// ruleOwner: within one epoch one life of one node writes.
	ruleOwner rule = "owner"
	// ruleTerminal: COMPLETED and CANCELED are final, FAILED is left by a retry
	// only.
	ruleTerminal rule = "terminal"
)

// breach is a rule that was broken, with what broke it.
type breach struct {
	rule rule
	Violation
}

// described tells a write to a person.
func described(e *history.Event) string {
	w := e.Write
	return fmt.Sprintf("%s of %q by %s (epoch %d, sequence %d, %s) at %.3f s: %s", w.Op, w.Old, by(e), w.Epoch, w.Sequence,
		w.Phase, e.At.Seconds(), w.Outcome)
}

// byKey are writes of each record, in the order in which they began.
func byKey(writes []*history.Event) (keys []string, of map[string][]*history.Event) {
	of = map[string][]*history.Event{}
	for _, e := range writes {
		if of[e.Write.Key] == nil {
			keys = append(keys, e.Write.Key)
		}
		of[e.Write.Key] = append(of[e.Write.Key], e)
	}
	slices.Sort(keys)
	return keys, of
}

// checkWrites judges the writes of a whole cluster. It needs all of them, unless
// the store was put back to a state of before: then what they replace may be
// older than what is known.
func checkWrites(writes []*history.Event, restored bool) []breach {
	var all []breach
	keys, of := byKey(writes)
	for _, key := range keys {
		all = append(all, checkKey(key, of[key], restored)...)
	}
	return all
}

func checkKey(key string, writes []*history.Event, restored bool) []breach {
	var found []breach
	report := func(rule rule, e *history.Event, format string, args ...any) {
		found = append(found, breach{rule, Violation{At: e.At, Subject: key, Text: fmt.Sprintf(format, args...)}})
	}
	c := newChain(writes)
	whole, broken := c.lives()
	checkForks(c, report)
	if !restored {
		for _, l := range broken {
			report(ruleChain, l[0], "nothing is known to have left what was replaced: %s", described(l[0]))
		}
	}
	for i, l := range whole[:max(len(whole)-1, 0)] {
		if last := l[len(l)-1]; last.Write.Op != "delete" && !c.mayBeDeleted(last) {
			report(ruleCreate, whole[i+1][0], "created although it was there: %s, after %s", described(whole[i+1][0]), described(last))
		}
	}
	for _, l := range append(whole, broken...) {
		checkLife(l, report)
	}
	return found
}

// mayBeDeleted tells whether a deletion that nobody knows the outcome of may
// have ended a life.
func (c *chain) mayBeDeleted(last *history.Event) bool {
	return undecided(last) || slices.ContainsFunc(c.maybe[last.Write.New], func(e *history.Event) bool { return e.Write.Op == "delete" })
}

// reporter takes a breach, with the write that made it.
type reporter func(rule rule, e *history.Event, format string, args ...any)

func checkForks(c *chain, report reporter) {
	for old, accepted := range c.from {
		if old == absent || len(accepted) < 2 {
			continue
		}
		var texts []string
		for _, w := range accepted {
			texts = append(texts, described(w))
		}
		report(ruleChain, accepted[1], "replaced more than once: %s", strings.Join(texts, "; "))
	}
}

// checkLife holds the writes of one life against the rules about their content.
func checkLife(l life, report reporter) {
	var highest, before *history.Event // the first of the highest epoch, the one just before
	for _, e := range l {
		w := e.Write
		if w.Epoch == 0 {
			continue // deletions, and what is no record of ours
		}
		switch {
		case highest == nil || w.Epoch > highest.Write.Epoch:
			highest = e
		case w.Epoch < highest.Write.Epoch && by(e) != by(highest):
			report(ruleFenced, e, "%s, after %s", described(e), described(highest))
		case w.Epoch < highest.Write.Epoch:
			report(ruleEpoch, e, "%s, after %s", described(e), described(highest))
		case by(e) != by(highest):
			report(ruleOwner, e, "%s, in the epoch of %s", described(e), described(highest))
		}
		if before != nil && before.Write.Phase != w.Phase && !mayFollow(before.Write.Phase, w.Phase) {
			report(ruleTerminal, e, "%s, after %s", described(e), described(before))
		}
		before = e
	}
}

// mayFollow tells whether a transfer's record may go from one phase to another.
func mayFollow(from, to string) bool {
	switch from {
	case "COMPLETED", "CANCELED":
		return false
	case "FAILED":
		return to != "COMPLETED" && to != "CANCELED"
	}
	return true
}
