package history

import (
	"slices"
	"testing"
	"time"
)

func TestLives(t *testing.T) {
	step := func(at int, node string, p Process) Event {
		return Event{At: time.Duration(at), Node: node, Process: &p}
	}
	h := New([]Event{
		step(9, "a", Process{Step: StepStart, Version: "next"}),
		step(1, "a", Process{Step: StepStart}),
		step(2, "a", Process{Step: StepReady}),
		step(1, "b", Process{Step: StepStart}),
		step(6, "a", Process{Step: StepEnd, Code: -1, Wanted: true}),
		{At: 20, Finding: &Finding{}},
	})
	if got := h.Nodes(); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	want := []Life{
		{Node: "a", Number: 1, Start: 1, Ready: 2, End: 6, Ended: true, Code: -1, Wanted: true},
		{Node: "a", Number: 2, Start: 9, End: 20, Version: "next"},
	}
	if got := h.Lives("a"); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	for at, want := range map[int]int{0: 0, 1: 1, 6: 1, 7: 0, 9: 2, 20: 2} {
		got := 0
		if l := h.LifeAt("a", time.Duration(at)); l != nil {
			got = l.Number
		}
		if got != want {
			t.Errorf("at %d: life %d, not %d", at, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	h := New([]Event{
		{At: 40, End: 45, Fault: &Fault{Kind: "cut.store", Nodes: []string{"b"}}},
		{At: 10, Fault: &Fault{Kind: "kill", Nodes: []string{"a"}, Struck: []string{"t1"}}},
		{At: 12, End: 20, Fault: &Fault{Kind: "stop", Nodes: []string{"a", "b"}}},
		{At: 13, End: 15, Fault: &Fault{Kind: "kill", Nodes: []string{"c"}}},
	})
	if h.Healed() != 45 || h.Faults[0].At != 10 {
		t.Error(h.Healed(), h.Faults[0].At)
	}
	if n := len(h.Struck("b")); n != 2 {
		t.Error(n)
	}
	if n := len(h.Struck("t1")); n != 1 {
		t.Error(n)
	}
	spans := h.Disturbed(2)
	if !slices.Equal(spans, []Span{{10, 22}, {40, 47}}) {
		t.Error(spans)
	}
	for _, tc := range [][3]int{{0, 10, 10}, {0, 30, 18}, {11, 20, 0}, {21, 50, 21}} {
		if got := Quiet(time.Duration(tc[0]), time.Duration(tc[1]), spans); got != time.Duration(tc[2]) {
			t.Errorf("from %d to %d: %d, not %d", tc[0], tc[1], got, tc[2])
		}
	}
	f := h.Faults[len(h.Faults)-1].Fault
	if !f.Is("cut") || !f.Is("cut.store") || f.Is("cu") || f.Is("cut.store.x") {
		t.Error("kinds are not told apart")
	}
}
