package chaos

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"godwit/chaos/check"
	"godwit/chaos/history"
	"godwit/chaos/timeline"
)

// MixReport is what became of a mix.
type MixReport struct {
	Options MixOptions
	// Page is the report for a browser, History what it was made of.
	Page, History string
	Took          time.Duration
	// Transfers were asked for, Ended counts them by how they ended, Verified are
	// results that were read to their end, of so many Bytes.
	Transfers, Verified int
	Ended               map[string]int
	Bytes               int64
	Groups              int
	// Faults are counted by kind; Kills are processes that were killed.
	Faults map[string]int
	Kills  int
	Events int
	// Measures are the times and the waste of the run.
	Measures []check.Measure
	Verdicts []check.Verdict
}

// judge reads everything that was written down, holds it against what is
// promised and draws it.
func (m *mix) judge() (MixReport, error) {
	r := MixReport{
		Options: m.opts, Took: time.Since(m.began), Page: filepath.Join(m.opts.Folder, "report.html"), History: m.historyFile(),
		Transfers: m.load.sum, Verified: m.load.verified, Bytes: m.load.bytes, Ended: map[string]int{}, Groups: len(m.load.sets),
		Faults: m.faults, Kills: m.kills,
	}
	for status, n := range m.load.ended {
		r.Ended[status.String()] += n
	}
	var files []string
	for _, n := range m.c.Nodes() {
		files = append(files, n.History)
		for _, line := range n.complaints() {
			m.rec.Add(history.Event{Node: n.Name, Finding: &history.Finding{Kind: "log", Text: fmt.Sprintf("%.500s", line), Wrong: true}})
		}
	}
	if err := m.rec.Close(); err != nil {
		return r, err
	}
	return r, r.read(files)
}

// JudgeAgain judges what a mix has left in its folder once more, as when checks have
// changed, and draws it anew. Only what can be known from histories is in the report.
func JudgeAgain(folder string) (MixReport, error) {
	r := MixReport{Page: filepath.Join(folder, "report.html"), History: filepath.Join(folder, historyName)}
	nodes, err := filepath.Glob(filepath.Join(folder, "*.history"))
	if err != nil {
		return r, err
	}
	return r, r.read(nodes)
}

// read judges the histories of the harness and of nodes, and draws them.
func (r *MixReport) read(nodes []string) error {
	h, err := history.Load(r.History, nodes...)
	if err != nil {
		return err
	}
	r.Events, r.Verdicts, r.Measures = len(h.Events), check.Judge(h), check.Measures(h)
	page, err := os.Create(r.Page)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(timeline.Write(page, h, r.Verdicts), page.Close())
}

// Violations are all promises that were broken.
func (r *MixReport) Violations() (all []string) {
	for _, v := range r.Verdicts {
		for _, one := range v.Violations {
			all = append(all, fmt.Sprintf("%s at %.1f s: %v", v.ID, one.At.Seconds(), one))
		}
	}
	return all
}

// shownViolations is how many of each promise a text shows.
const shownViolations = 5

// String is the report for a person.
func (r *MixReport) String() string {
	var b strings.Builder
	total := 0
	for _, n := range r.Faults {
		total += n
	}
	fmt.Fprintf(&b, "mix, %d nodes, store %s, seed %d: %d faults, %d processes killed, in %.0f s\n",
		r.Options.Nodes, r.Options.Store, r.Options.Seed, total, r.Kills, r.Took.Seconds())
	fmt.Fprintf(&b, "  %d transfers %v, %d results verified with %d MiB, %d completion groups, %d events\n",
		r.Transfers, r.Ended, r.Verified, r.Bytes/mib, r.Groups, r.Events)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(&b, "  %5d  %s\n", r.Faults[kind], kind)
	}
	r.tell(&b)
	return b.String()
}

// Judgement is the part of String that histories alone tell.
func (r *MixReport) Judgement() string {
	var b strings.Builder
	r.tell(&b)
	return b.String()
}

func (r *MixReport) tell(b *strings.Builder) {
	for _, measured := range r.Measures {
		fmt.Fprintf(b, "  %-48s %s\n", measured.Name+", "+measured.Unit+":", besideTargets(measured))
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(b, "  %-4s %-11s %s\n", v.ID, v.State(), judged(v))
		for _, one := range v.Violations[:min(len(v.Violations), shownViolations)] {
			fmt.Fprintf(b, "       VIOLATION at %.1f s: %.600v\n", one.At.Seconds(), one)
		}
		if more := len(v.Violations) - shownViolations; more > 0 {
			fmt.Fprintf(b, "       and %d more\n", more)
		}
	}
	fmt.Fprintf(b, "  %d violations; the report is %s\n", len(r.Violations()), r.Page)
}

// judged is what a promise was held against, and what could not be.
func judged(v check.Verdict) string {
	if v.Lacks == "" {
		return v.Judged
	}
	if v.Judged == "" {
		return "for want of " + v.Lacks
	}
	return v.Judged + "; the rest is not judged for want of " + v.Lacks
}

// besideTargets is a distribution with what it was to stay below.
func besideTargets(m check.Measure) string {
	d := Distribute(m.Values)
	text := d.String()
	told := func(name string, limit, got float64) {
		if limit == 0 {
			return
		}
		text += fmt.Sprintf(", %s %.0f", name, limit)
		if got > limit {
			text += " MISSED"
		}
	}
	told("target for p99", m.Target, d.P99)
	told("bound", m.Bound, d.Max)
	return text
}
