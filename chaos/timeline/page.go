package timeline

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"godwit/chaos/check"
	"godwit/chaos/history"
)

const (
	// maxShown is how many violations of a promise are told, maxFaults how many
	// faults are listed.
	maxShown  = 25
	maxFaults = 400
)

//go:embed page.html
var files embed.FS

// page is how everything is put together.
var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"num":   func(v float64) string { return fmt.Sprintf("%.4g", v) },
	"half":  func(v float64) float64 { return v / 2 },
	"neg":   func(v float64) float64 { return -v },
	"add":   func(a, b float64) float64 { return a + b },
	"clock": clock,
}).ParseFS(files, "page.html"))

// tile is a figure at the top of the page.
type tile struct{ Name, Value, More string }

// count is how often faults of a kind were made.
type count struct {
	Kind, Class string
	N           int
	Share       float64
}

// row is a promise with what became of it.
type row struct {
	check.Verdict
	Class string
	Shown []check.Violation
	More  int
}

// content is what the page shows.
type content struct {
	Run                         history.Run
	Took                        string
	Violations, Held, NotJudged int
	Tiles                       []tile
	Counts                      []count
	Picture                     picture
	Dists                       []dist
	Rows                        []row
	Faults                      []string
	MoreFaults                  int
	Width                       int
	Left, Lane, DistW, DistH    float64
}

// Write writes the report of a history and of what became of its promises, as
// one page of HTML.
func Write(w io.Writer, h *history.History, verdicts []check.Verdict) error {
	if err := page.Execute(w, contentOf(h, verdicts)); err != nil {
		return fmt.Errorf("write a timeline: %w", err)
	}
	return nil
}

func contentOf(h *history.History, verdicts []check.Verdict) content {
	moves := check.Moves(h)
	c := content{
		Run: h.Run, Took: clock(h.End()), Tiles: tiles(h, moves), Counts: counts(h), Picture: draw(h, verdicts, moves),
		Dists: dists(check.Measures(h)), Width: width, Left: left, Lane: width - left - right, DistW: distWidth, DistH: distHeight,
	}
	for _, v := range verdicts {
		shown := v.Violations[:min(len(v.Violations), maxShown)]
		r := row{Verdict: v, Shown: shown, More: len(v.Violations) - len(shown)}
		c.Violations += len(v.Violations)
		switch v.State() {
		case check.Held:
			r.Class = "held"
			c.Held++
		case check.NotJudged:
			r.Class = "unjudged"
			c.NotJudged++
		case check.Violated:
			r.Class = "violated"
		}
		c.Rows = append(c.Rows, r)
	}
	for _, e := range h.Faults[:min(len(h.Faults), maxFaults)] {
		c.Faults = append(c.Faults, said(e))
	}
	c.MoreFaults = len(h.Faults) - len(c.Faults)
	return c
}

func counts(h *history.History) []count {
	all := map[string]int{}
	for _, e := range h.Faults {
		all[e.Fault.Kind]++
	}
	var rows []count
	most := 0
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, count{Kind: kind, Class: classOf(kind), N: all[kind]})
		most = max(most, all[kind])
	}
	for i := range rows {
		rows[i].Share = 100 * float64(rows[i].N) / float64(most)
	}
	slices.SortStableFunc(rows, func(a, b count) int { return cmp.Compare(b.N, a.N) })
	return rows
}

// tiles are the figures that sum up a run.
func tiles(h *history.History, moves []check.Moved) []tile {
	kills, lives, taken := 0, 0, 0
	for _, e := range h.Faults {
		if e.Fault.Is(history.FaultKill) {
			kills += max(len(e.Fault.Nodes), 1)
		}
	}
	for _, n := range h.Nodes() {
		lives += len(h.Lives(n))
	}
	for _, m := range moves {
		if m.Took > 0 {
			taken++
		}
	}
	ended := map[string]map[string]bool{}
	accepted := 0
	for _, e := range h.Calls {
		if e.Call.Op == "create" && e.Call.Outcome == history.OK {
			accepted++
		}
	}
	for _, e := range h.Transfers {
		t := e.Transfer
		if ended[t.Status] == nil {
			ended[t.Status] = map[string]bool{}
		}
		ended[t.Status][t.ID] = true
	}
	var bytes, read float64
	for _, e := range h.Serves {
		bytes += float64(e.Serve.Bytes)
	}
	for _, e := range h.Looks {
		if e.Look.Final && e.Look.Wrong == "" {
			read += float64(e.Look.Size)
		}
	}
	return []tile{
		{"faults", fmt.Sprint(len(h.Faults)), fmt.Sprintf("%d kills of a node", kills)},
		{"transfers accepted", fmt.Sprint(accepted), fmt.Sprintf("%d completed, %d failed, %d canceled", len(ended["COMPLETED"]), len(ended["FAILED"]), len(ended["CANCELED"]))},
		{"bytes served", bytesOf(bytes), bytesOf(read) + " of results read back"},
		{"state writes", fmt.Sprint(len(h.Writes)), fmt.Sprintf("%d requests at the store", len(h.Stores))},
		{"changes of owner", fmt.Sprint(len(moves)), fmt.Sprintf("%d of running transfers, by a fault", taken)},
		{"deliveries", fmt.Sprint(len(h.Deliveries)), fmt.Sprintf("%d lives of nodes", lives)},
	}
}
