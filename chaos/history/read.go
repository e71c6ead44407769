package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxLine bounds one line of a history in bytes: a completion group's record
// may name ten thousand members.
const maxLine = 4 << 20

// eachLine decodes JSON lines. Only the last may be torn: whoever wrote it died.
func eachLine[T any](r io.Reader, use func(T)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var torn error
	for number := 1; lines.Scan(); number++ {
		if torn != nil {
			return torn
		}
		var line T
		if err := json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &line); err != nil {
			torn = fmt.Errorf("read a history: line %d: %w", number, err)
			continue
		}
		use(line)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read a history: %w", err)
	}
	return nil
}

// Read reads what a [Recorder] wrote, in the order of its lines. Only the last
// line may be torn.
func Read(r io.Reader) ([]Event, error) {
	var events []Event
	err := eachLine(r, func(e Event) { events = append(events, e) })
	return events, err
}

// nodeLine is a line of a node's own file.
type nodeLine struct {
	Time time.Time `json:"time"`
	// Mono is CLOCK_MONOTONIC in nanoseconds, 0 when it was not read.
	Mono int64  `json:"mono"`
	Node string `json:"node"`
	Write
}

// ReadWrites reads a node's own file, in any order of its lines, and makes one
// event of the two lines of each attempt. Only the last line may be torn. run
// tells when the run began; without one the time of an event is that of the
// clock.
func ReadWrites(r io.Reader, run Run) ([]Event, error) {
	var events []Event
	known := map[string]int{}
	began := func(l *nodeLine) time.Duration {
		switch {
		case l.Mono != 0:
			return time.Duration(l.Mono - run.Mono)
		case run.Began.IsZero():
			return time.Duration(l.Time.UnixNano())
		}
		return l.Time.Sub(run.Began)
	}
	err := eachLine(r, func(l nodeLine) {
		w := l.Write
		i, again := known[w.Attempt]
		if !again {
			i = len(events)
			known[w.Attempt] = i
			events = append(events, Event{At: began(&l), Node: l.Node, Write: &w})
			return
		}
		e := &events[i]
		if e.Write.Outcome == Begun {
			e.End, e.Write = began(&l), &w
		} else if w.Outcome == Begun {
			e.At, e.End = began(&l), e.At
		}
	})
	return events, err
}

// ReadNodes reads the files of several nodes; one that is missing is of a node
// that never wrote.
func ReadNodes(run Run, paths ...string) ([]Event, error) {
	var all []Event
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read a history: %w", err)
		}
		events, err := ReadWrites(f, run)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, events...)
	}
	return all, nil
}

// Load reads a whole history: the file of a [Recorder] and those of the nodes.
func Load(path string, nodes ...string) (*History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a history: %w", err)
	}
	events, err := Read(f)
	_ = f.Close() // it was only read
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	h := New(events)
	if len(nodes) == 0 {
		return h, nil
	}
	writes, err := ReadNodes(h.Run, nodes...)
	if err != nil {
		return nil, err
	}
	return New(append(events, writes...)), nil
}
