package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// print writes the report as asked for.
func (d *demoCommand) print(report demoReport, plan demoPlan) error {
	if d.a.format == formatTable {
		report.write(d.a.stdout, plan, d.a.colored(d.a.stdout))
		return nil
	}
	doc, err := json.Marshal(report)
	if err != nil {
		return err
	}
	return d.a.printJSON(doc)
}

// write tells a person what happened.
func (r demoReport) write(w io.Writer, plan demoPlan, colored bool) {
	fmt.Fprintln(w)
	r.table(plan, colored).write(w)
	fmt.Fprintln(w)
	if !r.OK {
		for _, p := range r.Problems {
			fmt.Fprintln(w, paint(colored, red, "Wrong: "+printable(p)))
		}
		return
	}
	for _, line := range r.story(plan) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w, paint(colored, green, "All files are equal to the origin's."))
}

// story is what happened, in lines that fit on a screen.
func (r demoReport) story(plan demoPlan) []string {
	orphans, heirs := 0, []string{}
	for _, t := range r.Transfers {
		if t.interrupted {
			orphans++
			heirs = append(heirs, t.nodes[len(t.nodes)-1])
		}
	}
	slices.Sort(heirs)
	heirs = slices.Compact(heirs)
	goingOn := fmt.Sprintf("Its %s went on %.1f s later on %s", counted(orphans, "download", "downloads"), r.TakeoverSeconds, enumerate(heirs))
	if plan.nodes == 1 {
		goingOn = fmt.Sprintf("Started again, it went on %.1f s later", r.TakeoverSeconds)
	}
	lines := []string{
		fmt.Sprintf("%s was killed with kill -9 when %d%% of all bytes had arrived.", r.KilledNode, r.killedAt),
		goingOn + ", from what was safely stored:",
		fmt.Sprintf("%s of %s had to be fetched twice (%.1f%%).",
			humanBytes(r.refetched()), humanBytes(plan.all()), 100*float64(r.refetched())/float64(plan.all())),
	}
	if others := len(r.Transfers) - orphans; others > 0 {
		lines = append(lines, fmt.Sprintf("The %s of the other nodes did not notice.", counted(others, "download", "downloads")))
	}
	return append(lines, fmt.Sprintf("The group's task ran once: a signed webhook told that %s completed.", haveAll(len(r.Transfers))))
}

func (r demoReport) table(plan demoPlan, colored bool) *table {
	t := &table{}
	if colored {
		t.paint = func(column int, text string) string {
			switch word := strings.TrimSpace(text); {
			case column == shaColumn && word == "equal":
				return green(text)
			case column == shaColumn:
				return red(text)
			}
			return text
		}
	}
	t.add("FILE", "STATUS", "SIZE", "SHA-256", "NODES", "EPOCHS", "FETCHED TWICE")
	for i, d := range r.Transfers {
		sum := "different"
		if d.SHA256Match {
			sum = "equal"
		}
		t.add(plan.file(i+1), strings.ToLower(d.Status), humanBytes(plan.size), sum,
			strings.Join(d.nodes, ", then "), fmt.Sprint(d.Epochs), humanBytes(d.RefetchedBytes))
	}
	return t
}

// shaColumn is where the table compares digests.
const shaColumn = 3

func (r demoReport) refetched() int64 {
	var sum int64
	for _, t := range r.Transfers {
		sum += t.RefetchedBytes
	}
	return sum
}

func paint(colored bool, color func(string) string, text string) string {
	if colored {
		return color(text)
	}
	return text
}

// haveAll is what one download has, or all of several have.
func haveAll(downloads int) string {
	if downloads == 1 {
		return "the download has"
	}
	return fmt.Sprintf("all %d downloads have", downloads)
}

// enumerate is "a", "a and b" or "a, b and c".
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
