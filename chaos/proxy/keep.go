package proxy

import (
	"bytes"
	"net/http"

	"godwit/chaos/history"
)

// copied is a request that is to come once more.
type copied struct {
	r    *http.Request
	body []byte
	node string
	seen history.Store
}

// remember keeps what rules need later, and sends again what was kept for now.
func (p *Proxy) remember(c *call, rule *Rule, body []byte, a answer) {
	if c.seen.Record && c.seen.Op == "get" {
		c.note(a.body)
	}
	wrote := a.status/100 == 2 && (c.seen.Op == "put" || c.seen.Op == "upload.complete" || c.seen.Op == "delete")
	p.mu.Lock()
	var due []*copied
	if wrote {
		due = p.kept[c.seen.Key]
		delete(p.kept, c.seen.Key)
	}
	if rule.Do == Duplicate && c.r.Method == http.MethodPut {
		p.kept[c.seen.Key] = append(p.kept[c.seen.Key], &copied{r: c.r.Clone(p.ctx), body: body, node: c.node, seen: c.seen})
	}
	if c.seen.Record && c.seen.Op == "get" && a.status == http.StatusOK {
		if last := p.now[c.seen.Key]; last.header.Get("ETag") != a.header.Get("ETag") {
			p.before[c.seen.Key] = last
		}
		p.now[c.seen.Key] = answer{status: a.status, header: a.header.Clone(), body: a.body}
	}
	p.mu.Unlock()
	for _, d := range due {
		p.repeat(d)
	}
}

// repeat sends a copy, whose client hears nothing of it.
func (p *Proxy) repeat(d *copied) {
	e := history.Event{At: p.opts.Clock(), Node: d.node, Life: p.opts.Life(d.node), Store: &d.seen}
	d.seen.Fault, d.seen.Status, d.seen.ETag = "repeated", 0, ""
	if a, err := p.ask(d.r, bytes.NewReader(d.body)); err == nil {
		d.seen.Status, d.seen.ETag = a.status, a.header.Get("ETag")
		a.close()
	}
	e.End = p.opts.Clock()
	p.opts.Record(e)
}

// stale is what a record was before, if that is known.
func (p *Proxy) stale(c *call, a answer) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.before[c.seen.Key]
	if !known || old.status == 0 || c.seen.Op != "get" {
		return a
	}
	return old
}
