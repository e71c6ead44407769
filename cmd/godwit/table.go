package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table aligns columns. The last one is not padded.
type table struct {
	rows [][]string
	// paint colours a cell after it was padded, or is nil.
	paint func(column int, text string) string
}

// add makes each cell harmless before it is measured.
func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) {
	widths := t.widths()
	for r, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			text := cell
			if i < len(row)-1 {
				text += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
			if t.paint != nil && r > 0 {
				text = t.paint(i, text)
			}
			line.WriteString(text)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func (t *table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// Colours of a terminal (ECMA-48, select graphic rendition).
func red(s string) string    { return "\x1b[31m" + s + "\x1b[0m" }
func green(s string) string  { return "\x1b[32m" + s + "\x1b[0m" }
func yellow(s string) string { return "\x1b[33m" + s + "\x1b[0m" }
