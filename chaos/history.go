package chaos

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

// Outcome is what is known of a write.
type Outcome string

// The outcomes. A write that is only begun is one whose node died before it
// learned more: like an unknown one it may have happened.
const (
	WriteBegun   Outcome = "begun"
	WriteOK      Outcome = "ok"
	WriteLost    Outcome = "lost"
	WriteUnknown Outcome = "unknown"
	WriteError   Outcome = "error"
)

// Write is one attempt to change a record, as a node built with the tag
// "history" writes it down.
type Write struct {
	// Time is when its outcome was known, or when it began.
	Time    time.Time `json:"time"`
	Node    string    `json:"node"`
	Attempt string    `json:"attempt"`
	// Op is "create", "cas" or "delete".
	Op  string `json:"op"`
	Key string `json:"key"`
	// Old is the version to be replaced, New the one that took its place.
	Old     string  `json:"old"`
	New     string  `json:"new"`
	Outcome Outcome `json:"outcome"`
	Kind    string  `json:"kind"`
	// What follows is from the record's envelope; Epoch is 0 where there is none.
	Epoch       uint64 `json:"epoch"`
	Sequence    uint64 `json:"sequence"`
	Owner       string `json:"owner"`
	Incarnation string `json:"incarnation"`
	Released    bool   `json:"released"`
	// Phase is that of a transfer, or "".
	Phase string `json:"phase"`
	// Future tells that what a later version of the program wrote is in the record.
	Future bool `json:"future"`
}

// undecided tells that it may have happened or not.
func (w *Write) undecided() bool { return w.Outcome == WriteBegun || w.Outcome == WriteUnknown }

// by names the writer that the record speaks of.
func (w *Write) by() string { return w.Owner + "/" + w.Incarnation }

func (w *Write) String() string {
	return fmt.Sprintf("%s of %q by %s (epoch %d, sequence %d, %s) at %s: %s", w.Op, w.Old, w.by(), w.Epoch, w.Sequence,
		w.Phase, w.Time.Format("15:04:05.000"), w.Outcome)
}

// maxHistoryLine bounds one line of a history in bytes.
const maxHistoryLine = 64 << 10

// ReadHistory reads the lines of a history, in any order, and makes one Write of
// the two lines of each attempt. Only the last line may be torn.
func ReadHistory(r io.Reader) ([]Write, error) {
	var writes []Write
	at := map[string]int{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxHistoryLine)
	var torn error
	for number := 1; lines.Scan(); number++ {
		if torn != nil {
			return nil, torn
		}
		var w Write
		if err := json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &w); err != nil {
			torn = fmt.Errorf("read history: line %d: %w", number, err)
			continue
		}
		i, known := at[w.Attempt]
		switch {
		case !known:
			at[w.Attempt] = len(writes)
			writes = append(writes, w)
		case writes[i].Outcome == WriteBegun:
			writes[i] = w
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return writes, nil
}

// ReadHistories reads the files of several nodes; one that is missing is of a
// node that never wrote.
func ReadHistories(paths ...string) ([]Write, error) {
	var all []Write
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		writes, err := ReadHistory(f)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, writes...)
	}
	return all, nil
}
