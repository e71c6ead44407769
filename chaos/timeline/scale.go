package timeline

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// width is that of the picture, left where its lanes begin.
	width = 1320
	left  = 130
	// right is the margin after the lanes.
	right = 14
	// least is how wide a mark is at least.
	least = 2.0
)

// scale places moments of a run on the picture.
type scale struct{ end time.Duration }

func (s scale) x(at time.Duration) float64 {
	if s.end <= 0 {
		return left
	}
	at = min(max(at, 0), s.end)
	return left + (width-left-right)*float64(at)/float64(s.end)
}

// tick is a line with a label.
type tick struct {
	X     float64
	Label string
	// Anchor is the side of the label that is at X.
	Anchor string
}

// steps are the distances that ticks may have.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// maxTicks is how many there are at most.
const maxTicks = 13

func (s scale) ticks() []tick {
	step := steps[len(steps)-1]
	for _, d := range steps {
		if s.end/d < maxTicks {
			step = d
			break
		}
	}
	var all []tick
	for at := time.Duration(0); at <= s.end && len(all) <= maxTicks*4; at += step {
		t := tick{X: s.x(at), Label: clock(at), Anchor: "middle"}
		if t.X > width-40 {
			t.Anchor = "end"
		}
		all = append(all, t)
	}
	return all
}

// clock is a time of the run: 1:02:03, 2:03 or 3.5 s.
func clock(at time.Duration) string {
	whole := at.Round(time.Second)
	h, m, s := int(whole.Hours()), int(whole.Minutes())%60, int(whole.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d", h, m, s)
	}
	return fmt.Sprintf("%d:%02d", m, s)
}

// box is a mark on a lane.
type box struct {
	X, W  float64
	Class string
	Title string
}

// piece is something that lasted, before it is placed.
type piece struct {
	from, to time.Duration
	class    string
	title    string
}

// boxes places pieces. Those of one class that touch become one, so that there
// are never more than points on the picture.
func (s scale) boxes(pieces []piece) []box {
	byClass := map[string][]piece{}
	var names []string
	for _, p := range pieces {
		if byClass[p.class] == nil {
			names = append(names, p.class)
		}
		byClass[p.class] = append(byClass[p.class], p)
	}
	var all []box
	for _, class := range drawn(names) {
		sorted := byClass[class]
		slices.SortStableFunc(sorted, func(a, b piece) int { return int(a.from - b.from) })
		begin, n := len(all), 0
		for _, p := range sorted {
			x := s.x(p.from)
			w := max(s.x(p.to)-x, least)
			if last := len(all) - 1; last >= begin && x <= all[last].X+all[last].W {
				n++
				all[last].W = max(all[last].W, x+w-all[last].X)
				all[last].Title = fmt.Sprintf("%d of %s, until %s", n, class, clock(p.to))
				continue
			}
			n = 1
			all = append(all, box{X: x, W: w, Class: class, Title: p.title})
		}
	}
	return all
}

// drawn is the order in which classes are drawn: what matters most comes last,
// on top.
func drawn(names []string) []string {
	rank := func(name string) int {
		return slices.IndexFunc(classes, func(c class) bool { return c.Name == name })
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(b) - rank(a) })
	return names
}

// bar is one of a histogram over time or values.
type bar struct {
	X, Y, W, H float64
	Title      string
}

// bins counts amounts over time, in as many bins as the lane has room for.
func (s scale) bins(n int, at []time.Duration, amount []float64) []float64 {
	bins := make([]float64, n)
	for i, t := range at {
		b := 0
		if s.end > 0 {
			b = min(int(float64(n)*float64(t)/float64(s.end)), n-1)
		}
		bins[max(b, 0)] += amount[i]
	}
	return bins
}

// bars are bins in a lane of a height, the highest over all of it.
func (s scale) bars(bins []float64, height float64, title func(float64) string) []bar {
	most := slices.Max(bins)
	if most == 0 {
		return nil
	}
	w := float64(width-left-right) / float64(len(bins))
	var all []bar
	for i, v := range bins {
		if v > 0 {
			h := max(height*v/most, 1)
			all = append(all, bar{X: left + w*float64(i), Y: height - h, W: max(w-0.5, 1), H: h, Title: title(v)})
		}
	}
	return all
}

// bytesOf is a count of bytes for a person.
func bytesOf(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if math.Abs(n) < 1024 {
			return fmt.Sprintf("%.4g %s", math.Round(n*10)/10, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.4g TiB", math.Round(n*10)/10)
}
