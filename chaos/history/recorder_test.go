package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNilRecorderRecordsNothing(t *testing.T) {
	var r *Recorder
	r.Add(Event{Finding: &Finding{}})
	if at, err := r.Now(), r.Close(); at != 0 || err != nil {
		t.Error(at, err)
	}
}

func TestRecorderWritesAsThingsHappen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	r, err := Create(path, Run{Scenario: "mix", Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	began := r.Now()
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for j := range 50 {
				r.Add(Event{Finding: &Finding{Text: fmt.Sprint(i, j, strings.Repeat("x", 1000))}})
			}
		})
	}
	g.Wait()
	r.Add(Event{At: began, End: r.Now(), Fault: &Fault{Kind: "kill"}})

	h, err := Load(path) // before it is closed: a harness may be killed, too
	if err != nil {
		t.Fatal(err)
	}
	if h.Run.Scenario != "mix" || h.Run.Seed != 7 || h.Run.Mono == 0 || time.Since(h.Run.Began) > time.Hour {
		t.Errorf("%+v", h.Run)
	}
	if len(h.Findings) != 400 || len(h.Faults) != 1 {
		t.Errorf("%d findings, %d faults", len(h.Findings), len(h.Faults))
	}
	for _, e := range h.Findings {
		if e.At <= 0 || e.At > h.Faults[0].End || h.Faults[0].At > e.At {
			t.Fatalf("%v, of a stretch from %v to %v", e.At, h.Faults[0].At, h.Faults[0].End)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecorderTellsThatItHasHoles(t *testing.T) {
	r, err := Create(filepath.Join(t.TempDir(), "history"), Run{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.out.Close(); err != nil {
		t.Fatal(err)
	}
	r.Add(Event{Finding: &Finding{}})
	if r.Close() == nil {
		t.Error("an event is missing, and Close says nothing")
	}
}

func TestOnlyTheLastLineMayBeTorn(t *testing.T) {
	whole := `{"at":5,"finding":{"kind":"log"}}` + "\n"
	if events, err := Read(strings.NewReader(whole + whole + `{"at":7,"fin`)); err != nil || len(events) != 2 {
		t.Errorf("%v %v", events, err)
	}
	if events, err := Read(strings.NewReader(whole + "{torn\n" + whole)); err == nil {
		t.Errorf("a torn line in the middle: %v", events)
	}
}

// TestWritesOfNodes puts attempts together, on the clock of the run where the
// node has read it.
func TestWritesOfNodes(t *testing.T) {
	run := Run{Began: time.Unix(1000, 0), Mono: 500}
	lines := `
{"time":"1970-01-01T00:20:00Z","mono":600,"node":"a","attempt":"1","op":"cas","key":"k","outcome":"begun","epoch":3,"writeId":"0a"}
{"time":"1970-01-01T00:16:41Z","node":"a","attempt":"2","op":"create","outcome":"begun"}
{"time":"1970-01-01T00:10:00Z","mono":700,"node":"a","attempt":"1","op":"cas","key":"k","outcome":"ok","new":"v","epoch":3,"writeId":"0a"}
{"time":"1970-01-01T00:16:42Z","mono":900,"node":"a","attempt":"3","outcome":"ok"}
{"time":"1970-01-01T00:16:42Z","mono":800,"node":"a","attempt":"3","outcome":"begun"}
{"time":"19`
	events, err := ReadWrites(strings.NewReader(lines[1:]), run)
	if err != nil || len(events) != 3 {
		t.Fatalf("%v %v", events, err)
	}
	if e := events[0]; e.At != 100 || e.End != 200 || e.Node != "a" || e.Write.Outcome != OK || e.Write.New != "v" ||
		e.Write.Epoch != 3 || e.Write.WriteID != "0a" {
		t.Errorf("%+v %+v", e, e.Write)
	}
	if e := events[1]; e.At != time.Second || e.End != 0 || e.Write.Outcome != Begun {
		t.Errorf("%+v %+v", e, e.Write)
	}
	if e := events[2]; e.At != 300 || e.End != 400 || e.Write.Outcome != OK {
		t.Errorf("%+v %+v", e, e.Write)
	}
	if events, err := ReadWrites(strings.NewReader("{torn\n"+lines[1:]), run); err == nil {
		t.Errorf("a torn line in the middle: %v", events)
	}
}

func TestLoadMergesNodes(t *testing.T) {
	dir := t.TempDir()
	r, err := Create(filepath.Join(dir, "run"), Run{})
	if err != nil {
		t.Fatal(err)
	}
	r.Add(Event{Node: "a", Process: &Process{Step: StepStart}})
	written := monotonic()
	line := fmt.Sprintf(`{"time":"1970-01-01T00:20:00Z","mono":%d,"node":"a","attempt":"1","outcome":"ok"}`, written)
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Add(Event{Node: "a", Process: &Process{Step: StepEnd}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := Load(filepath.Join(dir, "run"), filepath.Join(dir, "a"), filepath.Join(dir, "never wrote"))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Writes) != 1 || len(h.Events) != 4 || h.Events[2].Write == nil {
		t.Errorf("%+v", h.Events)
	}
	if h.Writes[0].Life != 1 {
		t.Errorf("the write is of no life: %+v", h.Writes[0])
	}
}
