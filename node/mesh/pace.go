package mesh

import (
	"sync"
	"time"
)

const (
	// paceWindow is for how long the earliest request is remembered: clocks of
	// different machines do not run equally fast, and in this time not noticeably
	// differently. It is short because a machine that was paused from outside seems
	// late with all it sends until its quickest request from before is forgotten.
	paceWindow = time.Minute
	// maxPaces bounds how many nodes are remembered.
	maxPaces = 4096
)

// paces tell how late requests are, without comparing wall clocks of different
// machines: any of them may be wrong by years. A request says when it was sent by
// the monotonic clock of its process; how much longer than the quickest one it took
// is how long it was held up.
type paces struct {
	mu sync.Mutex // guards what follows
	of map[string]*pace
}

// pace is that of requests of one process.
type pace struct {
	incarnation string
	// least is how far our clock is ahead of its, in this window, before in the one
	// before that, as the quickest request says.
	least, before time.Duration
	turned        time.Duration
}

// late is how long a request was held up that was sent and has come, by the clocks
// of the two processes.
func (p *paces) late(from, incarnation string, sent, come time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	ahead := come - sent
	known := p.of[from]
	switch {
	case known == nil || known.incarnation != incarnation:
		if p.of == nil || len(p.of) >= maxPaces {
			p.of = map[string]*pace{}
		}
		known = &pace{incarnation: incarnation, least: ahead, before: ahead, turned: come}
		p.of[from] = known
	case come-known.turned >= paceWindow:
		known.before, known.least, known.turned = known.least, ahead, come
	}
	known.least = min(known.least, ahead)
	return ahead - min(known.least, known.before)
}
