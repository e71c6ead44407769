package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// Rule is one of the promises that a history is held against.
type Rule string

// The rules, for each record.
const (
	// RuleChain: each accepted write replaced what the accepted write before it
	// left. Of two writes that replace the same version only one is accepted, and
	// nothing is created that is there.
	RuleChain Rule = "chain"
	// RuleEpoch: epochs never fall.
	RuleEpoch Rule = "epoch"
	// RuleFenced: whoever was succeeded, in a higher epoch, writes nothing more.
	RuleFenced Rule = "fenced"
	// RuleOwner: within one epoch one life of one node writes.
	RuleOwner Rule = "owner"
	// RuleTerminal: COMPLETED and CANCELED are final, FAILED is left by a retry
	// only.
	RuleTerminal Rule = "terminal"
)

// Violation is a rule that was broken, with what broke it.
type Violation struct {
	Rule Rule
	Key  string
	// Text tells it to a person.
	Text string
}

func (v Violation) String() string { return fmt.Sprintf("%s: rule %s: %s", v.Key, v.Rule, v.Text) }

// CheckHistory judges the writes of a whole cluster. It needs all of them.
func CheckHistory(writes []Write) []Violation {
	keys := map[string][]*Write{}
	var order []string
	for i := range writes {
		w := &writes[i]
		if keys[w.Key] == nil {
			order = append(order, w.Key)
		}
		keys[w.Key] = append(keys[w.Key], w)
	}
	slices.Sort(order)
	var all []Violation
	for _, key := range order {
		slices.SortStableFunc(keys[key], func(a, b *Write) int { return a.Time.Compare(b.Time) })
		all = append(all, checkKey(key, keys[key])...)
	}
	return all
}

func checkKey(key string, writes []*Write) []Violation {
	var found []Violation
	breach := func(rule Rule, format string, args ...any) {
		found = append(found, Violation{Rule: rule, Key: key, Text: fmt.Sprintf(format, args...)})
	}
	c := newChain(writes)
	whole, broken := c.lives()
	checkForks(c, breach)
	for _, l := range broken {
		breach(RuleChain, "nothing is known to have left what was replaced: %v", l[0])
	}
	for i, l := range whole[:max(len(whole)-1, 0)] {
		if last := l[len(l)-1]; last.Op != "delete" && !c.mayBeDeleted(last) {
			breach(RuleChain, "created although it was there: %v, after %v", whole[i+1][0], last)
		}
	}
	for _, l := range append(whole, broken...) {
		checkLife(l, breach)
	}
	return found
}

// mayBeDeleted tells whether a deletion that nobody knows the outcome of may
// have ended a life.
func (c *chain) mayBeDeleted(last *Write) bool {
	return last.undecided() || slices.ContainsFunc(c.maybe[last.New], func(w *Write) bool { return w.Op == "delete" })
}

func checkForks(c *chain, breach func(Rule, string, ...any)) {
	for old, accepted := range c.from {
		if old == absent || len(accepted) < 2 {
			continue
		}
		var texts []string
		for _, w := range accepted {
			texts = append(texts, w.String())
		}
		breach(RuleChain, "replaced more than once: %s", strings.Join(texts, "; "))
	}
}

// checkLife holds the writes of one life against the rules about their content.
func checkLife(l life, breach func(Rule, string, ...any)) {
	var highest, before *Write // the first of the highest epoch, the one just before
	for _, w := range l {
		if w.Epoch == 0 {
			continue // deletions, and what is no record of ours
		}
		switch {
		case highest == nil || w.Epoch > highest.Epoch:
			highest = w
		case w.Epoch < highest.Epoch && w.by() != highest.by():
			breach(RuleFenced, "%v, after %v", w, highest)
		case w.Epoch < highest.Epoch:
			breach(RuleEpoch, "%v, after %v", w, highest)
		case w.by() != highest.by():
			breach(RuleOwner, "%v, in the epoch of %v", w, highest)
		}
		if before != nil && before.Phase != w.Phase && !mayFollow(before.Phase, w.Phase) {
			breach(RuleTerminal, "%v, after %v", w, before)
		}
		before = w
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
