package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

// lineInterval is how often progress is written where it is not watched live.
const lineInterval = 5 * time.Second

// manyTransfers is from how many on only the total is written.
const manyTransfers = 20

// lines writes progress as plain lines: one at each change of state, and one
// every few seconds in between.
type lines struct {
	w        io.Writer
	interval time.Duration
	now      func() time.Time
	// alone: there is one transfer; many: there are too many to write of each.
	alone, many bool

	mu    sync.Mutex // guards what follows
	seen  map[string]*line
	sum   tally
	total meter
	last  time.Time
}

// line is what was last written of one transfer.
type line struct {
	meter  meter
	status pb.Transfer_Status
	error  string
	at     time.Time
}

func newLines(w io.Writer, expected int, interval time.Duration, now func() time.Time) *lines {
	return &lines{
		w: w, interval: interval, now: now, alone: expected == 1, many: expected > manyTransfers,
		seen: map[string]*line{}, sum: newTally(expected), last: now(),
	}
}

func (l *lines) show(t *pb.Transfer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.take(t)
	if l.many {
		l.showTotal(t)
		return
	}
	l.showOne(t)
}

func (l *lines) showOne(t *pb.Transfer) {
	now := l.now()
	s := l.seen[t.GetId()]
	if s == nil {
		s = &line{at: now}
		l.seen[t.GetId()] = s
	}
	s.meter.follow(now, t)
	changed := s.status != t.GetStatus() || s.error != t.GetError().GetCode()
	due := t.GetStatus() == pb.Transfer_RUNNING && now.Sub(s.at) >= l.interval
	if !changed && !due {
		return
	}
	s.at, s.status, s.error = now, t.GetStatus(), t.GetError().GetCode()
	if l.alone && client.Terminal(t.GetStatus()) {
		return // the command itself says how its transfer ended
	}
	if changed && t.GetStatus() != pb.Transfer_RUNNING {
		fmt.Fprintf(l.w, "%s: %s\n", name(t), sentence(t, now))
		return
	}
	l.progress(t, &s.meter)
}

func (l *lines) progress(t *pb.Transfer, m *meter) {
	parts := []string{strings.TrimSpace(percent(t)), amount(t)}
	if due := answerDue(t); due != "" {
		parts = append(parts, due)
	} else if m.known {
		parts = append(parts, rateText(m), etaText(m, t))
	}
	if node := t.GetOwner().GetNode(); node != "" {
		parts = append(parts, "on "+printable(node))
	}
	fmt.Fprintf(l.w, "%s: running, %s\n", name(t), joinWords(parts))
}

// showTotal writes failures as they come and the sum now and then.
func (l *lines) showTotal(t *pb.Transfer) {
	now := l.now()
	l.total.observe(now, l.sum.bytes)
	if t.GetStatus() == pb.Transfer_FAILED && l.seen[t.GetId()] == nil {
		l.seen[t.GetId()] = &line{}
		fmt.Fprintf(l.w, "%s: %s\n", name(t), sentence(t, now))
	}
	if now.Sub(l.last) < l.interval {
		return
	}
	l.last = now
	fmt.Fprintf(l.w, "%s\n", joinWords([]string{l.sum.String(), rateText(&l.total)}))
}

func (l *lines) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, text)
}

func (l *lines) close() {}

// joinWords leaves out what is empty.
func joinWords(words []string) string {
	var kept []string
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, ", ")
}
