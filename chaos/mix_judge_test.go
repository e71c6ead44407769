package chaos

import (
	"strings"
	"testing"

	"godwit/chaos/check"
)

func TestMixReportTellsFigures(t *testing.T) {
	r := MixReport{Measures: []check.Measure{
		{Name: "takeover", Unit: "s", Values: []float64{3, 1, 2, 12}, Target: 10, Bound: 30},
		{Name: "drain", Unit: "s", Values: []float64{40}, Bound: 30},
		{Name: "start", Unit: "s", Values: []float64{4}},
	}, Verdicts: []check.Verdict{
		{Check: check.Check{ID: "S1"}, Result: check.Result{Judged: "2 transfers"}},
		{Check: check.Check{ID: "L1"}, Result: check.Result{Judged: "2 transfers", Lacks: "a time"}},
		{Check: check.Check{ID: "L9"}, Result: check.Result{Lacks: "transfers"}},
	}}
	text := r.String()
	for _, want := range []string{
		"p50 2.00, p95 12.00, p99 12.00, max 12.00 (n=4), target for p99 10 MISSED, bound 30\n",
		"max 40.00 (n=1), bound 30 MISSED\n",
		"max 4.00 (n=1)\n",
		"held        2 transfers\n",
		"held        2 transfers; the rest is not judged for want of a time\n",
		"not judged  for want of transfers\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
