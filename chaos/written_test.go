package chaos

import (
	"context"
	"testing"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
)

// TestNodesWriteDownWhatTheyStore reads what a node says of one transfer: how
// much of it was stored, on a clock that nobody can set.
func TestNodesWriteDownWhatTheyStore(t *testing.T) {
	t.Parallel()
	s, err := FindScenario("kill")
	if err != nil {
		t.Fatal(err)
	}
	as := quick(t, 1, "dir")
	as.params = as.params.WithDefaults()
	as.params.Rate = 0
	c := stage(t, s, as)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	j := c.NewJob()
	if err := c.Submit(ctx, j, as.params); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Await(ctx); err != nil {
		t.Fatal(err)
	}
	events, err := history.ReadNodes(history.Run{}, c.Nodes()[0].History)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var stored, completed int64
	for _, e := range events {
		w := e.Write
		if w.Epoch == 0 {
			continue // a lease, which has no envelope
		}
		if w.WriteID == "" || ids[w.WriteID] {
			t.Errorf("%s has the id %q, which another has", w.Key, w.WriteID)
		}
		ids[w.WriteID] = true
		if e.End < e.At || time.Duration(time.Now().UnixNano())-e.At < 24*time.Hour {
			t.Errorf("it began at %v and ended at %v, by which clock?", e.At, e.End)
		}
		if w.Generation == 1 && w.Upload != "" {
			stored = max(stored, w.Done)
		}
		if w.Phase == "COMPLETED" {
			completed = w.Done
		}
	}
	if stored == 0 || completed != j.Origin.Size {
		t.Errorf("%d bytes stored, %d completed, of %d", stored, completed, j.Origin.Size)
	}
	for _, v := range check.Judge(history.New(events)) {
		if v.State() == check.Violated || (v.ID == "S3" || v.ID == "S7" || v.ID == "LIN") && v.State() != check.Held {
			t.Errorf("%s is %s: %v", v.ID, v.State(), v.Violations)
		}
	}
}
