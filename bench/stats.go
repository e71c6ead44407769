package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// median is the middle value, or the mean of the two middle ones; 0 of none.
func median[T cmp.Ordered](values []T, mean func(a, b T) T) T {
	var none T
	if len(values) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return mean(sorted[middle-1], sorted[middle])
}

// medianSample takes the median of each quantity by itself.
func medianSample(samples []sample) sample {
	var walls, cpus []time.Duration
	var rss []int64
	for _, s := range samples {
		walls, cpus, rss = append(walls, s.wall), append(cpus, s.cpu), append(rss, s.rss)
	}
	half := func(a, b time.Duration) time.Duration { return a + (b-a)/2 }
	return sample{
		wall: median(walls, half), cpu: median(cpus, half),
		rss: median(rss, func(a, b int64) int64 { return a + (b-a)/2 }),
	}
}

// megabytesPerSecond is a rate in 10^6 bytes a second; 0 for no time.
func megabytesPerSecond(bytes int64, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	return float64(bytes) / 1e6 / wall.Seconds()
}

// cpuPerGigabyte is CPU seconds for each 10^9 bytes; 0 for no bytes.
func cpuPerGigabyte(cpu time.Duration, bytes int64) float64 {
	if bytes <= 0 {
		return 0
	}
	return cpu.Seconds() / (float64(bytes) / 1e9)
}

// table is rows of cells below a head, written as Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String pads the columns, so that the table also reads as text; all but the
// first column are set to the right.
func (t *table) String() string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)), 3)
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		b.WriteByte('|')
		for i, cell := range cells {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				fmt.Fprintf(&b, " %s%s |", cell, pad)
			} else {
				fmt.Fprintf(&b, " %s%s |", pad, cell)
			}
		}
		b.WriteByte('\n')
	}
	line(t.head)
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w-1) + ":"
	}
	rule[0] = strings.Repeat("-", widths[0])
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}
