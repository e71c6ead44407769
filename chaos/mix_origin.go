package chaos

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"godwit/chaos/history"
	"godwit/endpoint/endpointtest"
)

// originFault is what an origin does to an answer.
type originFault string

const (
	// originReset ends the connection in the middle of the body.
	originReset originFault = "reset"
	// originChange begins a new generation in the middle of the body.
	originChange originFault = "change"
	// originWhole ignores Range.
	originWhole originFault = "ignore range"
	// originBusy answers 503 with Retry-After.
	originBusy originFault = "unavailable"
	// originWrong names another range than it sends.
	originWrong originFault = "wrong range"
	// originStall sends nothing more.
	originStall originFault = "stall"
)

// once are faults that an origin makes once for each content: more of them are
// a reason to give up.
var once = map[originFault]bool{originChange: true, originWhole: true, originWrong: true}

// stalled is how long a stalled answer is held.
const stalled = 20 * time.Second

// mixOrigin serves a content of its own under each path, and writes down every
// answer.
type mixOrigin struct {
	rec    *history.Recorder
	rate   int64
	server *http.Server
	addr   string
	// nodes are the names of nodes by their address, empty where they have none of
	// their own.
	nodes map[string]string

	mu       sync.Mutex // guards what follows
	contents map[string]*served
	streams  map[string]int
	// fault strikes the answers that begin while it is set, one of every so many;
	// hits are the ids that it has struck.
	fault  originFault
	every  int
	number int
	hits   []string
}

// served is a content and what became of it.
type served struct {
	endpointtest.Content
	whole bool
	// gzip: every answer is compressed, so that nobody may take it.
	gzip  bool
	spent map[originFault]bool
}

// startMixOrigin listens on a host. The caller closes the server.
func startMixOrigin(host string, rate int64, rec *history.Recorder) (*mixOrigin, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("start an origin: %w", err)
	}
	o := &mixOrigin{
		rec: rec, rate: rate, addr: l.Addr().String(), nodes: map[string]string{}, contents: map[string]*served{}, streams: map[string]int{},
	}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = o.server.Serve(l) }() // ends with Close, and says no more than that
	return o, nil
}

// url is where an id is served, add makes it so, forget ends it.
func (o *mixOrigin) url(id string) string { return "http://" + o.addr + "/" + id }

func (o *mixOrigin) add(id string, c endpointtest.Content, whole bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.contents[id] = &served{Content: c, whole: whole, spent: map[originFault]bool{}}
}

// compress has an id answered with a body that nobody asked to be compressed.
func (o *mixOrigin) compress(id string, c endpointtest.Content) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.contents[id] = &served{Content: c, gzip: true, spent: map[originFault]bool{}}
}

func (o *mixOrigin) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.contents, id)
}

// set has one of so many answers go wrong, "" none; it returns whom the last
// fault has struck.
func (o *mixOrigin) set(f originFault, every int) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	hits := o.hits
	o.fault, o.every, o.number, o.hits = f, every, 0, nil
	return union(hits, nil)
}

// strike decides what goes wrong with an answer for a content.
func (o *mixOrigin) strike(id string, s *served) originFault {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fault == "" {
		return ""
	}
	o.number++
	if o.number%o.every != 0 || once[o.fault] && s.spent[o.fault] {
		return ""
	}
	s.spent[o.fault] = true
	o.hits = append(o.hits, id)
	return o.fault
}

// ServeHTTP implements [http.Handler].
func (o *mixOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/")
	e := history.Event{At: o.rec.Now(), Serve: &history.Serve{ID: id}}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	e.Node = o.nodes[host]
	o.mu.Lock()
	s := o.contents[id]
	if e.Node != "" {
		o.streams[e.Node]++
		e.Serve.Streams = o.streams[e.Node]
	}
	o.mu.Unlock()
	defer func() {
		if e.Node != "" {
			o.mu.Lock()
			o.streams[e.Node]--
			o.mu.Unlock()
		}
		e.End = o.rec.Now()
		o.rec.Add(e)
	}()
	if s == nil {
		e.Serve.Status = http.StatusNotFound
		http.Error(w, "there is no such content", http.StatusNotFound)
		return
	}
	e.Serve.Fault = string(o.strike(id, s))
	o.answer(w, r, s, e.Serve)
}

// answer serves a content, honouring Range and If-Range unless a fault strikes.
func (o *mixOrigin) answer(w http.ResponseWriter, r *http.Request, s *served, e *history.Serve) {
	fault := originFault(e.Fault)
	if fault == originBusy {
		e.Status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy on purpose", e.Status)
		return
	}
	o.mu.Lock()
	c := s.Content
	o.mu.Unlock()
	tag, h := fmt.Sprintf(`"%x-%d"`, c.Seed, c.Generation), w.Header()
	h.Set("ETag", tag)
	h.Set("Content-Type", "application/octet-stream")
	e.Generation = int(c.Generation)
	first, last, partial := int64(0), c.Size-1, false
	if asked := r.Header.Get("Range"); asked != "" && !s.whole && fault != originWhole && cmp.Or(r.Header.Get("If-Range"), tag) == tag {
		var ok bool
		if first, last, ok = rangeOf(asked, c.Size); !ok {
			e.Status = http.StatusRequestedRangeNotSatisfiable
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", c.Size))
			w.WriteHeader(e.Status)
			return
		}
		partial = true
	}
	if fault == originWrong && partial && first < last {
		first++
	}
	e.Status, e.Offset = http.StatusOK, first
	if partial {
		e.Status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, c.Size))
	}
	if !s.whole {
		h.Set("Accept-Ranges", "bytes")
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(e.Status)
		return
	}
	if s.gzip {
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(e.Status)
		z := gzip.NewWriter(w)
		defer z.Close() //nolint:errcheck // nobody is to believe it
		o.stream(z, r, s, c, first, last, e)
		return
	}
	h.Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	w.WriteHeader(e.Status)
	o.stream(w, r, s, c, first, last, e)
}

// rangeOf understands "bytes=first-[last]".
func rangeOf(s string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(strings.TrimPrefix(s, "bytes="), "-")
	first, err := strconv.ParseInt(from, 10, 64)
	if !ok || err != nil || first >= size {
		return 0, 0, false
	}
	if to == "" {
		return first, size - 1, true
	}
	last, err = strconv.ParseInt(to, 10, 64)
	return first, min(last, size-1), err == nil && last >= first
}

// stream sends bytes at the origin's rate, with the fault in the middle.
func (o *mixOrigin) stream(w io.Writer, r *http.Request, s *served, c endpointtest.Content, first, last int64, e *history.Serve) {
	buf := make([]byte, max(min(o.rate/20, 256<<10), 1))
	middle := first + (last-first)/2
	next := time.Now()
	for off := first; off <= last; {
		if off >= middle && e.Fault != "" && !o.strikeMiddle(r, s, originFault(e.Fault)) {
			panic(http.ErrAbortHandler)
		}
		if off >= middle {
			middle = last + 1 // once
		}
		p := buf[:min(int64(len(buf)), last-off+1)]
		next = next.Add(time.Duration(int64(len(p)) * int64(time.Second) / o.rate))
		if idle(r.Context(), time.Until(next)) != nil {
			return
		}
		if _, err := c.ReadAt(p, off); err != nil && !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler)
		}
		n, err := w.Write(p)
		e.Bytes += int64(n)
		if err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		off += int64(n)
	}
}

// strikeMiddle makes a fault in the middle of a body; false ends the connection.
func (o *mixOrigin) strikeMiddle(r *http.Request, s *served, f originFault) bool {
	switch f {
	case originReset:
		return false
	case originStall:
		_ = idle(r.Context(), stalled) // or the client goes
		return false
	case originChange:
		o.mu.Lock()
		s.Generation++
		o.mu.Unlock()
		return false
	}
	return true
}
