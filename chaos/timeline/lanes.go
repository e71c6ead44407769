package timeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
)

// lane is a strip of the picture.
type lane struct {
	Name string
	Y, H float64
	// Top is where faults begin, below the lives if there are any.
	Top    float64
	Lives  []box
	Faults []box
	Bars   []bar
	Dots   []dot
	// Most is what the highest bar stands for.
	Most string
}

// dot is a moment.
type dot struct {
	X, Y  float64
	Class string
	Title string
}

// class is how faults of a kind are drawn.
type class struct {
	Name, Legend string
	kinds        []string
}

// classes are those of faults, in the order of the legend. The first whose kind
// a fault's begins with is its.
var classes = []class{
	{"kill", "killed", []string{"kill", "crash", "oom"}},
	{"stop", "stopped", []string{"stop", "pause", "freeze"}},
	{"net", "network", []string{"cut", "partition", "link", "net", "mild", "slow", "loss", "swizzle", "udp", "tcp"}},
	{"store", "state and result store", []string{"store", "s3"}},
	{"origin", "origins", []string{"origin"}},
	{"receiver", "receivers and far sides", []string{"receiver", "hook", "sink", "far"}},
	{"clock", "clocks", []string{"clock", "time"}},
	{"res", "disk, memory, files, processor", []string{"disk", "memory", "files", "fd", "cpu", "fsync", "limit"}},
	{"plan", "drained, joined, restarted, upgraded", []string{"drain", "join", "leave", "restart", "upgrade", "roll", "scale"}},
	{"other", "other", []string{""}},
}

// classOf is that of a fault.
func classOf(kind string) string {
	for _, c := range classes {
		if slices.ContainsFunc(c.kinds, func(k string) bool { return strings.HasPrefix(kind, k) }) {
			return c.Name
		}
	}
	return "other"
}

const (
	nodeHeight   = 30
	eventHeight  = 22
	chartHeight  = 46
	laneDistance = 8
	// chartBins is how many bars a chart over time has.
	chartBins = 240
	// maxDots is how many takeovers are drawn; of more, those that took longest.
	maxDots = 1500
)

// picture is the timeline.
type picture struct {
	Height float64
	Bottom float64
	Ticks  []tick
	Lanes  []lane
	// Marks are the violations.
	Marks  []dot
	Legend []class
}

// draw makes the timeline.
func draw(h *history.History, verdicts []check.Verdict, moves []check.Moved) picture {
	s := scale{end: h.End()}
	p := picture{Ticks: s.ticks()}
	y := 26.0
	add := func(l lane) {
		l.Y = y
		y += l.H + laneDistance
		p.Lanes = append(p.Lanes, l)
	}
	if l, ok := served(h, s); ok {
		add(l)
	}
	for _, node := range h.Nodes() {
		add(nodeLane(h, s, node))
	}
	for _, side := range []struct{ name, class string }{{"store", "store"}, {"origins", "origin"}, {"receivers", "receiver"}, {"other faults", ""}} {
		if l, ok := sideLane(h, s, side.name, side.class); ok {
			add(l)
		}
	}
	if l, ok := takeoverLane(s, moves); ok {
		add(l)
	}
	if l, ok := deliveryLane(h, s); ok {
		add(l)
	}
	p.Bottom, p.Height = y, y+6
	for _, v := range verdicts {
		for _, violation := range v.Violations[:min(len(v.Violations), maxShown)] {
			p.Marks = append(p.Marks, dot{X: s.x(violation.At), Title: v.ID + ": " + violation.String()})
		}
	}
	used := map[string]bool{}
	for _, e := range h.Faults {
		used[classOf(e.Fault.Kind)] = true
	}
	for _, c := range classes {
		if used[c.Name] {
			p.Legend = append(p.Legend, c)
		}
	}
	return p
}

// said tells a fault to a person.
func said(e *history.Event) string {
	f := e.Fault
	text := f.Kind
	if len(f.Nodes) > 0 {
		text += " of " + strings.Join(f.Nodes, ", ")
	}
	text += " at " + clock(e.At)
	if e.Until() > e.At {
		text += fmt.Sprintf(" for %.1f s", (e.Until() - e.At).Seconds())
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// served is how many bytes origins handed over.
func served(h *history.History, s scale) (lane, bool) {
	var at []time.Duration
	var amount []float64
	for _, e := range h.Serves {
		// Spread over the time that it took, so that long answers are no peaks.
		n := 1 + int(min((e.Until()-e.At)*chartBins/max(s.end, 1), chartBins))
		for i := range n {
			at = append(at, e.At+(e.Until()-e.At)*time.Duration(2*i+1)/time.Duration(2*n))
			amount = append(amount, float64(e.Serve.Bytes)/float64(n))
		}
	}
	if len(at) == 0 || s.end == 0 {
		return lane{}, false
	}
	bins := s.bins(chartBins, at, amount)
	second := s.end.Seconds() / chartBins
	title := func(v float64) string { return bytesOf(v/second) + "/s" }
	return lane{Name: "bytes served", H: chartHeight, Bars: s.bars(bins, chartHeight, title), Most: title(slices.Max(bins))}, true
}

// nodeLane is a node: its lives, and the faults that struck it.
func nodeLane(h *history.History, s scale, node string) lane {
	l := lane{Name: node, H: nodeHeight, Top: nodeHeight / 2}
	var lives, faults []piece
	for _, life := range h.Lives(node) {
		end := fmt.Sprintf("until the end of the run, %s", clock(life.End))
		if life.Ended {
			end = fmt.Sprintf("until %s, code %d", clock(life.End), life.Code)
		}
		title := fmt.Sprintf("life %d of %s, from %s %s", life.Number, node, clock(life.Start), end)
		if life.Version != "" {
			title += ", version " + life.Version
		}
		ready := life.Ready
		if ready == 0 {
			ready = life.End
		}
		lives = append(lives, piece{life.Start, ready, "starting", title}, piece{ready, life.End, "life", title})
	}
	// Lives are not joined: where one ends and the next begins is to be seen.
	for _, p := range lives {
		if x, to := s.x(p.from), s.x(p.to); to > x {
			l.Lives = append(l.Lives, box{X: x, W: max(to-x-0.8, 0.4), Class: p.class, Title: p.title})
		}
	}
	for _, e := range h.Faults {
		if slices.Contains(e.Fault.Nodes, node) {
			faults = append(faults, piece{e.At, e.Until(), classOf(e.Fault.Kind), said(e)})
		}
	}
	l.Faults = s.boxes(faults)
	return l
}

// sideLane are the faults of one class that struck no node; "" is all that have
// no lane of their own.
func sideLane(h *history.History, s scale, name, class string) (lane, bool) {
	var faults []piece
	for _, e := range h.Faults {
		c := classOf(e.Fault.Kind)
		own := c == "store" || c == "origin" || c == "receiver"
		if len(e.Fault.Nodes) == 0 && (c == class || class == "" && !own) {
			faults = append(faults, piece{e.At, e.Until(), c, said(e)})
		}
	}
	return lane{Name: name, H: eventHeight, Top: 6, Faults: s.boxes(faults)}, len(faults) > 0
}

// takeoverLane are changes of owner, the higher the longer they took.
func takeoverLane(s scale, moves []check.Moved) (lane, bool) {
	longest := 0.0
	for _, m := range moves {
		longest = max(longest, m.Took)
	}
	l := lane{Name: "takeovers", H: chartHeight}
	if longest > 0 {
		l.Most = fmt.Sprintf("%.1f s", longest)
	}
	if len(moves) > maxDots {
		moves = slices.Clone(moves)
		slices.SortStableFunc(moves, func(a, b check.Moved) int { return int(1e3 * (b.Took - a.Took)) })
		moves = moves[:maxDots]
	}
	for _, m := range moves {
		d := dot{X: s.x(time.Duration(m.At * float64(time.Second))), Y: chartHeight - 3, Class: "handed"}
		d.Title = fmt.Sprintf("%s from %s to %s, no fault", m.ID, m.From, m.To)
		if m.Took > 0 {
			d.Y, d.Class = chartHeight-3-(chartHeight-6)*m.Took/longest, "taken"
			d.Title = fmt.Sprintf("%s from %s to %s, %.1f s after the fault", m.ID, m.From, m.To, m.Took)
		}
		l.Dots = append(l.Dots, d)
	}
	return l, len(moves) > 0
}

// deliveryLane are webhooks, by what their receiver did.
func deliveryLane(h *history.History, s scale) (lane, bool) {
	var pieces []piece
	for _, e := range h.Deliveries {
		d := e.Delivery
		class := "delivered"
		if d.Reply != "taken" {
			class = "refused"
		}
		if d.Wrong != "" {
			class = "wrong"
		}
		pieces = append(pieces, piece{e.At, e.At, class, fmt.Sprintf("%s of %s at %s, attempt %d: %s", d.Webhook, d.Group, clock(e.At), d.Attempt, d.Reply)})
	}
	return lane{Name: "deliveries", H: eventHeight, Top: 6, Faults: s.boxes(pieces)}, len(pieces) > 0
}
