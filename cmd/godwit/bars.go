package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"godwit/client"
	pb "godwit/protos/godwit/v1"
)

const (
	// maxBars is how many transfers have a bar at a time; the total counts all.
	maxBars = 8
	// nameWidth is the room for a transfer's name in characters.
	nameWidth = 24
	// barWidth bounds the bar itself in characters.
	barWidth = 32
	// barInterval is how often what is watched live is drawn.
	barInterval = 200 * time.Millisecond
	// totalPriority puts the total below all bars.
	totalPriority = 1 << 20
)

// bars draws a bar for each running transfer, and a total for several.
//
// The library draws in goroutines of its own, which also carry out what is
// asked of a bar. So that neither waits for the other, what is drawn are
// immutable views, handed over atomically.
type bars struct {
	w io.Writer
	p *mpb.Progress

	mu        sync.Mutex // guards what follows
	drawn     map[string]*bar
	sum       tally
	meter     meter
	order     int
	total     *mpb.Bar
	totalText atomic.Pointer[string]
}

// bar is one transfer on the screen.
type bar struct {
	b     *mpb.Bar
	meter meter
	view  atomic.Pointer[view]
}

// view is what a bar shows. It is not changed after it was handed over.
type view struct {
	t     *pb.Transfer
	meter meter
}

func newBars(w io.Writer, expected int) *bars {
	s := &bars{
		w: w, drawn: map[string]*bar{}, sum: newTally(expected),
		p: mpb.New(mpb.WithOutput(w), mpb.WithWidth(barWidth), mpb.WithRefreshRate(barInterval)),
	}
	if expected > 1 {
		s.totalText.Store(new(string))
		s.total = s.p.New(0, mpb.NopStyle(), mpb.BarPriority(totalPriority),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return *s.totalText.Load() })))
	}
	return s
}

func (s *bars) show(t *pb.Transfer) {
	s.mu.Lock()
	note := s.update(t)
	s.mu.Unlock()
	if note != "" {
		s.note(note)
	}
}

// update returns a line to be left on the screen, or "".
func (s *bars) update(t *pb.Transfer) string {
	now := time.Now()
	s.sum.take(t)
	s.meter.observe(now, s.sum.bytes)
	text := joinWords([]string{s.sum.String(), rateText(&s.meter)})
	s.totalText.Store(&text)
	b := s.drawn[t.GetId()]
	if b == nil {
		if b = s.draw(t); b == nil {
			return ""
		}
	}
	before := trouble(b.view.Load().t)
	b.meter.follow(now, t)
	b.view.Store(&view{t: t, meter: b.meter})
	b.b.SetTotal(max(total(t), 0), false)
	b.b.SetCurrent(position(t))
	if client.Terminal(t.GetStatus()) {
		s.end(b, t)
	}
	if after := trouble(t); after != "" && after != before && t.GetStatus() != pb.Transfer_FAILED {
		return name(t) + ": " + sentence(t, now)
	}
	return ""
}

// draw adds a bar if there is room for it; among several, only what runs gets
// one.
func (s *bars) draw(t *pb.Transfer) *bar {
	several := s.total != nil
	if client.Terminal(t.GetStatus()) || several && (len(s.drawn) >= maxBars || t.GetStatus() != pb.Transfer_RUNNING) {
		return nil
	}
	b := &bar{}
	b.view.Store(&view{t: t})
	s.order++
	b.b = s.p.New(max(total(t), 0), mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.BarPriority(s.order),
		mpb.BarOptional(mpb.BarRemoveOnComplete(), several),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.view.Load().left() })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.view.Load().right() })))
	s.drawn[t.GetId()] = b
	return b
}

// end takes a bar off the list; among several it also leaves the screen.
func (s *bars) end(b *bar, t *pb.Transfer) {
	if t.GetStatus() == pb.Transfer_COMPLETED {
		b.b.SetTotal(-1, true)
	} else {
		b.b.Abort(s.total != nil)
	}
	delete(s.drawn, t.GetId())
}

// left is what stands before a bar, right what follows it. Fixed widths keep
// the bars of a screen aligned and of one length.
func (v *view) left() string {
	return fmt.Sprintf("%s %s ", fit(name(v.t), nameWidth), percent(v.t))
}

func (v *view) right() string {
	text := fmt.Sprintf(" %-20s", amount(v.t))
	switch v.t.GetStatus() {
	case pb.Transfer_RUNNING:
		pace := fmt.Sprintf("%11s  %-10s", rateText(&v.meter), etaText(&v.meter, v.t))
		text += fmt.Sprintf(" %-23s", cmp.Or(answerDue(v.t), pace))
	case pb.Transfer_COMPLETED:
		text += fmt.Sprintf(" %11s  %-10s", "", "done")
	default:
		text += "  " + joinWords([]string{statusText(v.t), retryText(v.t, time.Now())})
	}
	return strings.TrimRight(text+" "+printable(v.t.GetOwner().GetNode()), " ")
}

// fit pads or shortens a text to a width in characters; the end of a file name
// tells more than its middle.
func fit(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s + strings.Repeat(" ", width-n)
	}
	r := []rune(s)
	tail := width / 3
	return string(r[:width-tail-1]) + "…" + string(r[n-tail:])
}

func (s *bars) note(line string) {
	if _, err := fmt.Fprintln(s.p, line); err != nil {
		fmt.Fprintln(s.w, line) // the bars have ended
	}
}

func (s *bars) close() {
	// The echo of Ctrl-C moved the cursor, which the library expects at the
	// beginning of a line.
	fmt.Fprint(s.w, "\r")
	s.mu.Lock()
	for _, b := range s.drawn {
		b.b.Abort(s.total != nil)
	}
	if s.total != nil {
		s.total.Abort(true)
	}
	s.mu.Unlock()
	s.p.Wait()
}
