package proxy

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// serverPatience bounds one request to the server.
	serverPatience = 2 * time.Minute
	// maxWhole bounds a body that is held whole, in bytes: a part, at most.
	maxWhole = 64 << 20
)

// answer is what a server answered. Its body is in memory, or still to be read.
type answer struct {
	status int
	header http.Header
	body   []byte
	stream io.ReadCloser
}

// serve handles a call of a node.
func (p *Proxy) serve(node string, w http.ResponseWriter, r *http.Request) {
	c := p.read(node, r)
	rule := p.strike(c)
	if rule.Do != Pass || rule.Delay > 0 || rule.Rate > 0 {
		c.seen.Fault = rule.fault()
	}
	defer func() {
		if e := c.event(p); e != nil {
			p.opts.Record(*e)
		}
	}()
	if rule.Do != Lose {
		p.idle(r.Context(), rule.Delay)
	}
	var a answer
	if unasked(rule) {
		if _, err := io.Copy(io.Discard, c); err != nil {
			return // the client went away
		}
	} else {
		var err error
		if a, err = p.forward(c, rule); err != nil {
			panic(http.ErrAbortHandler) // nobody knows what became of it
		}
		c.seen.Status = a.status
		defer a.close()
	}
	c.answered = p.opts.Clock()
	if rule.Then != nil {
		rule.Then()
	}
	p.tell(w, c, rule, a)
}

// unasked tells that a call goes wrong before the server hears of it.
func unasked(r *Rule) bool {
	return r.Do == Drop || (r.Do == Refuse || r.Do == Hang) && !r.After
}

// tell answers the client, or not.
func (p *Proxy) tell(w http.ResponseWriter, c *call, rule *Rule, a answer) {
	switch rule.Do {
	case Lose:
		p.idle(c.r.Context(), rule.Delay)
		panic(http.ErrAbortHandler) // closes the connection without an answer
	case Drop:
		panic(http.ErrAbortHandler)
	case Hang:
		select {
		case <-c.r.Context().Done():
		case <-p.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case Refuse:
		a.close()
		a = p.refuse(rule)
	case Corrupt:
		if len(a.body) > 0 {
			a.body = slices.Clone(a.body)
			a.body[p.roll(len(a.body))] ^= byte(1 + p.roll(255))
		}
	case Stale:
		a = p.stale(c, a)
	case Truncate:
		p.truncate(w, c, a)
	}
	p.send(w, c, rule, a)
}

// refuse is an answer that says no.
func (p *Proxy) refuse(rule *Rule) answer {
	status, code := rule.refusal()
	if p.opts.Plain {
		return answer{status: status, header: http.Header{}, body: []byte(code)}
	}
	var text bytes.Buffer
	text.WriteString(xml.Header)
	fmt.Fprintf(&text, "<Error><Code>%s</Code><Message>refused on purpose</Message></Error>", code)
	return answer{status: status, header: http.Header{"Content-Type": {"application/xml"}}, body: text.Bytes()}
}

// send passes an answer on.
func (p *Proxy) send(w http.ResponseWriter, c *call, rule *Rule, a answer) {
	if c.r.Context().Err() != nil {
		return // nobody is told
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	c.seen.Told = a.status
	if c.r.Method == http.MethodHead {
		return
	}
	body := a.reader()
	if rule.Rate > 0 {
		body = &throttle{body, rule.Rate, func(d time.Duration) { p.idle(c.r.Context(), d) }}
	}
	var err error
	if c.told, err = io.Copy(flushing(w, rule.Rate > 0), body); err != nil {
		panic(http.ErrAbortHandler) // the length would be wrong
	}
}

// truncate sends half of a body, and does not return.
func (p *Proxy) truncate(w http.ResponseWriter, c *call, a answer) {
	body, err := io.ReadAll(io.LimitReader(a.reader(), maxWhole))
	if err == nil && len(body) > 1 && c.r.Method != http.MethodHead {
		for k, v := range a.header {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(a.status)
		n, _ := w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // it may have gone
		c.told = int64(n)
	}
	panic(http.ErrAbortHandler)
}

// flushing is w, or one that sends each piece at once.
func flushing(w http.ResponseWriter, at bool) io.Writer {
	if !at {
		return w
	}
	return writerFunc(func(b []byte) (int, error) {
		n, err := w.Write(b)
		_ = http.NewResponseController(w).Flush() // the next write fails then
		return n, err
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (a answer) reader() io.Reader {
	if a.stream != nil {
		return a.stream
	}
	return bytes.NewReader(a.body)
}

func (a answer) close() {
	if a.stream != nil {
		a.stream.Close()
	}
}

// forward asks the server. What it was sent whole it does whole, also when the
// client has gone since.
func (p *Proxy) forward(c *call, rule *Rule) (answer, error) {
	var body io.Reader = c
	if rule.Rate > 0 {
		body = &throttle{c, rule.Rate, func(d time.Duration) { p.idle(c.r.Context(), d) }}
	}
	var held []byte
	if c.whole() || rule.Do == Duplicate {
		var err error
		if held, err = io.ReadAll(io.LimitReader(body, maxWhole)); err != nil {
			return answer{}, fmt.Errorf("read the request: %w", err)
		}
		body = bytes.NewReader(held)
	}
	if c.seen.Record && c.seen.Op == "put" {
		c.note(held)
	}
	if rule.Do == Expire && c.seen.Upload != "" {
		if err := p.abort(c); err != nil {
			return answer{}, err
		}
	}
	a, err := p.ask(c.r, body)
	if err != nil {
		return answer{}, err
	}
	c.seen.ETag = strings.Trim(a.header.Get("ETag"), `"`)
	if c.whole() {
		if a.body, err = io.ReadAll(io.LimitReader(a.stream, maxWhole)); err != nil {
			return answer{}, fmt.Errorf("read the answer: %w", err)
		}
		a.close()
		a.stream = nil
	}
	if c.seen.Op == "upload.create" {
		c.noteUpload(a.body)
	}
	p.remember(c, rule, held, a)
	return a, nil
}

// ask sends a request on as it came.
func (p *Proxy) ask(r *http.Request, body io.Reader) (answer, error) {
	ctx, cancel := context.WithTimeout(p.ctx, serverPatience)
	u := *r.URL
	u.Scheme, u.Host = p.server.Scheme, p.server.Host
	out := (&http.Request{
		Method: r.Method, URL: &u, Host: r.Host, Header: r.Header.Clone(), ContentLength: r.ContentLength,
	}).WithContext(ctx)
	out.Header.Del("Connection")
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = nil // else the transport names itself
	}
	if r.ContentLength != 0 {
		out.Body = io.NopCloser(body)
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		cancel()
		return answer{}, fmt.Errorf("ask the server: %w", err)
	}
	resp.Header.Del("Connection")
	return answer{status: resp.StatusCode, header: resp.Header, stream: &ending{resp.Body, cancel}}, nil
}

// ending is a body whose context ends with it.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}
