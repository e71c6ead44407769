package timeline

import (
	"fmt"
	"math"
	"slices"

	"godwit/chaos/check"
)

const (
	// The picture of a distribution: how wide and high it is, and its bins.
	distWidth  = 360
	distHeight = 44
	distBins   = 36
)

// dist is a distribution, drawn.
type dist struct {
	Name, Unit         string
	N                  int
	P50, P95, P99, Max string
	Target, Bound      string
	Missed             bool
	Bars               []bar
	TargetX, BoundX    float64
	Highest            string
}

func dists(measures []check.Measure) []dist {
	var all []dist
	for _, m := range measures {
		all = append(all, distOf(m))
	}
	return all
}

func distOf(m check.Measure) dist {
	sorted := slices.Sorted(slices.Values(m.Values))
	n := len(sorted)
	rank := func(percent int) float64 { return sorted[(n*percent+99)/100-1] }
	d := dist{
		Name: m.Name, Unit: m.Unit, N: n,
		P50: figure(rank(50)), P95: figure(rank(95)), P99: figure(rank(99)), Max: figure(sorted[n-1]),
		TargetX: -1, BoundX: -1,
	}
	highest := sorted[n-1]
	if m.Target > 0 {
		d.Target = figure(m.Target)
		d.Missed = rank(99) > m.Target
		highest = max(highest, m.Target)
	}
	if m.Bound > 0 {
		d.Bound = figure(m.Bound)
		d.Missed = d.Missed || sorted[n-1] > m.Bound
		highest = max(highest, min(m.Bound, highest*3))
	}
	if highest == 0 {
		highest = 1
	}
	highest *= 1.04
	d.Highest = figure(highest)
	bins := make([]float64, distBins)
	for _, v := range sorted {
		bins[min(int(distBins*v/highest), distBins-1)]++
	}
	most := slices.Max(bins)
	const w = float64(distWidth) / distBins
	for i, count := range bins {
		if count == 0 {
			continue
		}
		h := max(distHeight*math.Sqrt(count/most), 1.5) // so that few are seen beside many
		d.Bars = append(d.Bars, bar{
			X: w * float64(i), Y: distHeight - h, W: w - 1, H: h,
			Title: fmt.Sprintf("%.0f from %s to %s %s", count, figure(highest*float64(i)/distBins), figure(highest*float64(i+1)/distBins), m.Unit),
		})
	}
	if m.Target > 0 {
		d.TargetX = distWidth * m.Target / highest
	}
	if m.Bound > 0 && m.Bound <= highest {
		d.BoundX = distWidth * m.Bound / highest
	}
	return d
}

// figure is a number with as many digits as a person reads.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case math.Abs(v) < 10:
		return fmt.Sprintf("%.2f", v)
	case math.Abs(v) < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
