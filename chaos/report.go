package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is what a scenario found out.
type Report struct {
	Scenario string
	Seed     uint64
	// Faults is how many were injected, Transfers how many transfers were judged,
	// Writes how many state writes.
	Faults, Transfers, Writes int
	Took                      time.Duration
	Measures                  []Measure
	// Notes are other observations, a sentence each.
	Notes []string
	// Violations are promises that were broken; a good run has none.
	Violations []string
	// Stopped is why the run ended before it had judged everything; nil when it came
	// to its end.
	Stopped error
}

// Measure is a distribution with a name.
type Measure struct {
	Name string
	// Unit is "s" or "MiB".
	Unit string
	Distribution
}

// Violate adds a broken promise.
func (r *Report) Violate(format string, args ...any) {
	r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
}

// Note adds an observation.
func (r *Report) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Measure adds values, unless there are none.
func (r *Report) Measure(name, unit string, values []float64) {
	if len(values) > 0 {
		r.Measures = append(r.Measures, Measure{Name: name, Unit: unit, Distribution: Distribute(values)})
	}
}

// Err is nil unless promises were broken, or the run did not come to its end.
func (r *Report) Err() error {
	if len(r.Violations) == 0 {
		return r.Stopped
	}
	return errors.Join(r.Stopped, errors.New(strings.Join(r.Violations, "\n")))
}

// String is the report for a person.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d: %d faults, %d transfers, %d state writes, %.1f s\n",
		r.Scenario, r.Seed, r.Faults, r.Transfers, r.Writes, r.Took.Seconds())
	for _, m := range r.Measures {
		fmt.Fprintf(&b, "  %-44s %v\n", m.Name+", "+m.Unit+":", m.Distribution)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "  VIOLATION: %s\n", v)
	}
	switch {
	case r.Stopped != nil:
		fmt.Fprintf(&b, "  COULD NOT GO ON: %v\n", r.Stopped)
	case len(r.Violations) == 0:
		b.WriteString("  every promise held\n")
	}
	return b.String()
}

// Distribution sums up measured values.
type Distribution struct {
	N                  int
	P50, P95, P99, Max float64
}

// Distribute sums values up. A percentile is the least value that so many of
// all values do not exceed.
func Distribute(values []float64) Distribution {
	if len(values) == 0 {
		return Distribution{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	rank := func(percent int) float64 { return sorted[(n*percent+99)/100-1] }
	return Distribution{N: n, P50: rank(50), P95: rank(95), P99: rank(99), Max: sorted[n-1]}
}

func (d Distribution) String() string {
	return fmt.Sprintf("p50 %.2f, p95 %.2f, p99 %.2f, max %.2f (n=%d)", d.P50, d.P95, d.P99, d.Max, d.N)
}
