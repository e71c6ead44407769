package check

import (
	"fmt"

	"godwit/chaos/history"
)

// oneWriter: S3.
func oneWriter(h *history.History) Result {
	return judgeWrites(h, ruleChain, ruleEpoch, ruleFenced, ruleOwner)
}

// oneCreation: S4.
func oneCreation(h *history.History) Result { return judgeWrites(h, ruleCreate) }

// terminalStays: S10.
func terminalStays(h *history.History) Result { return judgeWrites(h, ruleTerminal) }

// judgeWrites holds the writes of the nodes against some of the rules.
func judgeWrites(h *history.History, rules ...rule) Result {
	if len(h.Writes) == 0 {
		return Result{Lacks: "writes of nodes"}
	}
	keys, _ := byKey(h.Writes)
	r := Result{Judged: fmt.Sprintf("%d writes to %d records", len(h.Writes), len(keys))}
	for _, b := range checkWrites(h.Writes, false) {
		for _, rule := range rules {
			if b.rule == rule {
				r.Violations = append(r.Violations, b.Violation)
			}
		}
	}
	return r
}
