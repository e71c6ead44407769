package chaos

import (
	"errors"
	"strings"
	"testing"
)

func TestDistribute(t *testing.T) {
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(100-i))
	}
	for _, tc := range []struct {
		values []float64
		want   Distribution
	}{
		{nil, Distribution{}},
		{[]float64{3}, Distribution{N: 1, P50: 3, P95: 3, P99: 3, Max: 3}},
		{[]float64{2, 1}, Distribution{N: 2, P50: 1, P95: 2, P99: 2, Max: 2}},
		{hundred, Distribution{N: 100, P50: 50, P95: 95, P99: 99, Max: 100}},
	} {
		if got := Distribute(tc.values); got != tc.want {
			t.Errorf("%v of %d values, want %v", got, len(tc.values), tc.want)
		}
	}
}

func TestReportTellsViolations(t *testing.T) {
	r := Report{Scenario: "kill", Seed: 7}
	r.Measure("takeover", "s", []float64{1})
	r.Measure("nothing", "s", nil)
	if r.Err() != nil || !strings.Contains(r.String(), "every promise held") || strings.Contains(r.String(), "nothing") {
		t.Errorf("%v\n%v", r.Err(), &r)
	}
	r.Stopped = errors.New("the disk is full")
	if r.Err() == nil || strings.Contains(r.String(), "held") || !strings.Contains(r.String(), "COULD NOT GO ON: the disk is full") {
		t.Errorf("%v\n%v", r.Err(), &r)
	}
	r.Stopped = nil
	r.Violate("%s is lost", "t1")
	if r.Err() == nil || !strings.Contains(r.String(), "VIOLATION: t1 is lost") {
		t.Errorf("%v\n%v", r.Err(), &r)
	}
}
