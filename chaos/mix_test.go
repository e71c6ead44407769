package chaos

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
	"godwit/client"
)

// TestMix strikes a small cluster for a while. It runs everywhere: where nodes
// cannot be held apart or versitygw is missing, nemeses that need them stay away.
func TestMix(t *testing.T) {
	t.Parallel()
	bin, err := recording()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	r, err := RunMix(ctx, MixOptions{
		Binary: bin, Folder: t.TempDir(), Seed: 1, Duration: 20 * time.Second, Pause: 600 * time.Millisecond, Transfers: 10, Size: 8 * mib, Logf: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.String())
	for _, v := range r.Violations() {
		t.Error(v)
	}
	again, err := JudgeAgain(filepath.Dir(r.History))
	// Nodes that ran on have written more since.
	if err != nil || again.Events < r.Events || !slices.EqualFunc(again.Verdicts, r.Verdicts, sameVerdict) {
		t.Errorf("judged again, %v:\n%s", err, again.Judgement())
	}
	if r.Kills == 0 || r.Verified == 0 || len(r.Faults) < 3 {
		t.Error("nothing was judged")
	}
}

func sameVerdict(a, b check.Verdict) bool { return a.ID == b.ID && a.State() == b.State() }

// TestNemeses holds the table of nemeses against what is said of it.
func TestNemeses(t *testing.T) {
	kinds := map[string]bool{}
	for _, n := range Nemeses {
		if n.Kind == "" || n.About == "" || len(n.Covers) == 0 || n.Weight <= 0 || n.Strike == nil || kinds[n.Kind] {
			t.Errorf("%q is not complete, or there are two", n.Kind)
		}
		kinds[n.Kind] = true
	}
	// Without anything there are still processes, origins and receivers to strike.
	bare := (&mix{opts: MixOptions{Store: "dir", Nodes: 1}}).able()
	if len(bare) < 10 || slices.ContainsFunc(bare, func(n Nemesis) bool { return n.Needs != 0 }) {
		t.Errorf("%d nemeses strike without anything", len(bare))
	}
	only := (&mix{opts: MixOptions{Store: "dir", Nodes: 1, Only: []string{"kill", "cut.store"}}}).able()
	if len(only) != 1 || only[0].Kind != "kill" {
		t.Errorf("only %v may strike", only)
	}
}

func TestOutcomeOfCall(t *testing.T) {
	for _, tc := range []struct {
		name, op string
		err      error
		want     history.Outcome
	}{
		{"an answer", "create", nil, history.OK},
		{"a refusal", "cancel", &client.Error{Code: "state.conflict"}, history.Refused},
		{"an answer to try again", "create", &client.Error{Code: "server.stopping", Retryable: true}, history.Unknown},
		{"no answer", "create", context.DeadlineExceeded, history.Unknown},
		{"a deletion that was carried out before", "delete", &client.Error{Code: "transfer.not_found"}, history.Unknown},
		{"a transfer that is not there", "get", &client.Error{Code: "transfer.not_found"}, history.Refused},
	} {
		if got, _ := outcomeOfCall(tc.op, tc.err); got != tc.want {
			t.Errorf("%s is %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestRangeOf(t *testing.T) {
	for _, tc := range []struct {
		text        string
		first, last int64
		ok          bool
	}{
		{"bytes=0-", 0, 99, true},
		{"bytes=10-19", 10, 19, true},
		{"bytes=90-200", 90, 99, true},
		{"bytes=100-", 0, 0, false},
		{"bytes=x-", 0, 0, false},
		{"bytes=5-4", 5, 4, false},
	} {
		first, last, ok := rangeOf(tc.text, 100)
		if ok != tc.ok || ok && (first != tc.first || last != tc.last) {
			t.Errorf("%s: %d to %d, %v", tc.text, first, last, ok)
		}
	}
}
