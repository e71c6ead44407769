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
	// send sends one part and notes what the far side calls it.
	send func(*transfer.SessionPart) *Failure

	mu         sync.Mutex // guards what follows
	todo, have []transfer.SessionPart
	failure    *Failure // the first
}

// newParts divides the content into parts of the session's size. Empty content is
// one part.
func newParts(d *Upload, send func(*transfer.SessionPart) *Failure) *parts {
	p := &parts{d: d, send: send, have: slices.Clone(d.Session.Parts)}
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

// workers is how many parts are sent at a time, where the protocol has own at a
// time by itself and inFlight bytes at most.
func (p *parts) workers(own int, inFlight int64) int {
	return max(1, min(p.d.connections(own), int(inFlight/p.d.Session.PartSize), len(p.todo)))
}

// run sends parts until there are none left, or one has failed; those under way
// then are finished, for their bytes would be lost. It returns all parts, in
// order.
func (p *parts) run(workers int, sent func(transfer.SessionPart)) ([]transfer.SessionPart, *Failure) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				part, ok := p.next()
				if !ok {
					return
				}
				if f := p.send(&part); p.done(part, f) {
					sent(part)
				}
			}
		})
	}
	all.Wait()
	slices.SortFunc(p.have, func(a, b transfer.SessionPart) int { return cmp.Compare(a.Number, b.Number) })
	return p.have, p.failure
}

// next takes a part to be sent. After a failure there is none.
func (p *parts) next() (transfer.SessionPart, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil || len(p.todo) == 0 {
		return transfer.SessionPart{}, false
	}
	if p.d.finishing() {
		p.failure = stopping()
		return transfer.SessionPart{}, false
	}
	part := p.todo[0]
	p.todo = p.todo[1:]
	return part, true
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
