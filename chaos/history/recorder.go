package history

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Recorder writes events to a file as they happen, a line each, so that a run
// that is cut off leaves all but its last line. It may be used by many at once.
// A nil Recorder records nothing.
type Recorder struct {
	base time.Duration // what the clock said when the run began

	mu     sync.Mutex // held while writing, so that lines stay whole
	out    io.WriteCloser
	failed error // the first, after which nothing is written
}

// Create makes a file and records to it what is run. Everything that is
// recorded from now on is told relative to this moment.
func Create(path string, run Run) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create a history: %w", err)
	}
	r := &Recorder{base: monotonic(), out: f}
	run.Began, run.Mono = time.Now(), int64(r.base)
	r.write(Event{Run: &run})
	return r, nil
}

// Clock reads the clock of histories: that of events which were read for a zero
// [Run].
func Clock() time.Duration { return monotonic() }

// Now is the time since the run began.
func (r *Recorder) Now() time.Duration {
	if r == nil {
		return 0
	}
	return monotonic() - r.base
}

// Add records an event. One whose At is 0 happens now.
func (r *Recorder) Add(e Event) {
	if r == nil {
		return
	}
	if e.At == 0 {
		e.At = r.Now()
	}
	r.write(e)
}

func (r *Recorder) write(e Event) {
	line, err := json.Marshal(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return
	}
	if err == nil {
		_, err = r.out.Write(append(line, '\n'))
	}
	r.failed = err
}

// Close ends the file. Its error is the first of any event: a history with
// holes proves nothing.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.out.Close()
	if r.failed == nil {
		r.failed = err
	}
	if r.failed != nil {
		return fmt.Errorf("record a history: %w", r.failed)
	}
	r.failed = os.ErrClosed
	return nil
}
