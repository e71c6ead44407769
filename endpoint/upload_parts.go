package endpoint

import (
	"cmp"
	"slices"
	"sync"

	"godwit/transfer"
)

// parts sends the parts of an upload that the far side does not have, several at
// a time, in any order.
type parts struct {
	d *Upload
	// own is how many the protocol sends at a time by itself, inFlight how many
	// bytes they have together at most.
	own      int
	inFlight int64
	// send sends one part and notes what the far side calls it.
	send func(*transfer.SessionPart) *Failure

	mu         sync.Mutex // guards what follows
	todo, have []transfer.SessionPart
	failure    *Failure // the first
	active     int      // workers

	running sync.WaitGroup
}

// newParts divides the content into parts of the session's size. Empty content is
// one part.
func newParts(d *Upload, own int, inFlight int64, send func(*transfer.SessionPart) *Failure) *parts {
	p := &parts{d: d, own: own, inFlight: inFlight, send: send, have: slices.Clone(d.Session.Parts)}
	known := map[int]bool{}
	for _, part := range p.have {
		known[part.Number] = true
	}
	size := d.Session.PartSize
	for i := range max(1, (d.Size+size-1)/size) {
		part := transfer.SessionPart{Number: int(i) + 1, Offset: i * size, Size: min(size, d.Size-i*size)}
		if !known[part.Number] {
			p.todo = append(p.todo, part)
		}
	}
	return p
}

// workers is how many parts are to be sent at a time, as things are now.
func (p *parts) workers() int {
	return max(1, min(p.d.connections(p.own), int(p.inFlight/p.d.Session.PartSize)))
}

// run sends parts until there are none left, or one has failed; those under way
// then are finished, for their bytes would be lost. It returns all parts, in
// order.
func (p *parts) run(sent func(transfer.SessionPart)) ([]transfer.SessionPart, *Failure) {
	p.start(sent)
	p.running.Wait()
	slices.SortFunc(p.have, func(a, b transfer.SessionPart) int { return cmp.Compare(a.Number, b.Number) })
	return p.have, p.failure
}

// start begins as many workers as there may be more.
func (p *parts) start(sent func(transfer.SessionPart)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.active < min(p.workers(), p.active+len(p.todo)) && p.failure == nil {
		p.active++
		p.running.Go(func() { p.work(sent) })
	}
}

func (p *parts) work(sent func(transfer.SessionPart)) {
	for {
		part, ok := p.next()
		if !ok {
			return
		}
		if f := p.send(&part); p.done(part, f) {
			sent(part)
		}
		p.start(sent)
	}
}

// next takes a part to be sent. There is none after a failure, nor for a worker
// that is one too many by now.
func (p *parts) next() (part transfer.SessionPart, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.failure != nil || len(p.todo) == 0 || p.active > p.workers():
	case p.d.finishing():
		p.failure = stopping()
	default:
		part, p.todo = p.todo[0], p.todo[1:]
		return part, true
	}
	p.active--
	return part, false
}

// done notes what came of a part, and tells whether the far side has it.
func (p *parts) done(part transfer.SessionPart, f *Failure) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f == nil {
		p.have = append(p.have, part)
	} else if p.failure == nil {
		p.failure = f
	}
	return f == nil
}
