package main

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// maxLine bounds a line of an input file in bytes.
const maxLine = 1 << 20

// entry is one download of an input file.
type entry struct {
	// line is where it begins, counted from 1.
	line    int
	url     string
	mirrors []string
	// dest is as written, or "".
	dest     string
	dir      string
	checksum string
	headers  []string
}

// parseBatch reads an input file. A line is a URL, then after tabs a
// destination or further URLs of the same content; indented lines below it are
// options as aria2 has them: out, dir, checksum and header. Empty lines and
// those that begin with # are skipped. Errors name the line, never its content.
func parseBatch(r io.Reader) ([]entry, error) {
	var entries []entry
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimRight(lines.Text(), " \t\r")
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case text[0] == ' ' || text[0] == '\t':
			if len(entries) == 0 {
				return nil, usagef("line %d: an option stands before the first URL", n)
			}
			if err := entries[len(entries)-1].option(n, strings.TrimSpace(text)); err != nil {
				return nil, err
			}
		default:
			e, err := parseEntry(n, text)
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, unreadable("--input-file", err)
	}
	return entries, nil
}

func parseEntry(n int, text string) (entry, error) {
	fields := slices.DeleteFunc(strings.Split(text, "\t"), func(s string) bool { return s == "" })
	e := entry{line: n, url: fields[0]}
	for _, field := range fields[1:] {
		switch {
		case isWeb(field):
			e.mirrors = append(e.mirrors, field)
		case e.dest != "":
			return entry{}, usagef("line %d: there are two destinations", n)
		default:
			e.dest = field
		}
	}
	return e, nil
}

func isWeb(s string) bool {
	scheme, _, found := strings.Cut(s, "://")
	return found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

func (e *entry) option(n int, text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return usagef("line %d: an option is written name=value", n)
	}
	switch key {
	case "out":
		e.dest = value
	case "dir":
		e.dir = value
	case "checksum":
		e.checksum = value
	case "header":
		e.headers = append(e.headers, value)
	default:
		return usagef("line %d: there is no option %q here; known are out, dir, checksum and header", n, printable(key))
	}
	return nil
}

// destination joins the parts: the entry's folder, else the one of the command.
func (e *entry) destination(folder string) string {
	if e.dir != "" {
		folder = e.dir
	}
	if folder == "" || strings.Contains(e.dest, "://") || strings.HasPrefix(e.dest, "/") {
		return e.dest
	}
	return strings.TrimSuffix(folder, "/") + "/" + e.dest
}
