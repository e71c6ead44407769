package endpointtest

import (
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRecordedBody is how much of a request body is kept, in bytes.
const maxRecordedBody = 64 << 10

// answer is one response in the making.
type answer struct {
	o       *Origin
	w       http.ResponseWriter
	r       *http.Request
	conn    *connection
	b       Behavior
	content Content
	// cut and stall are offsets at which the fault strikes, or -1.
	cut, stall int64
}

func (o *Origin) serve(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	conn, _ := r.Context().Value(connKey{}).(*connection)
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxRecordedBody))
	o.ledger.request(Request{
		Method: r.Method, Path: r.URL.Path, Host: r.Host, Query: r.URL.RawQuery, Header: r.Header.Clone(),
		Body: body, Connection: conn.id, Proto: r.Proto, At: arrived,
	})
	active := o.ledger.enter()
	defer o.ledger.leave()

	o.mu.Lock()
	handler := o.routes[r.URL.Path]
	a := &answer{o: o, w: w, r: r, conn: conn, b: o.behavior, content: o.content, cut: -1, stall: -1}
	refused := handler == nil && o.behavior.Status != 0 && spend(&o.behavior.StatusTimes)
	o.mu.Unlock()

	if !a.wait(a.b.Latency) {
		return
	}
	for range a.b.Informational {
		w.WriteHeader(http.StatusEarlyHints)
	}
	if a.b.HeaderBytes > 0 {
		w.Header().Set("X-Filler", strings.Repeat("x", a.b.HeaderBytes))
	}
	switch {
	case handler != nil:
		handler.ServeHTTP(w, r)
	case refused:
		a.refuse(a.b.Status)
	case a.b.MaxActive > 0 && active > a.b.MaxActive:
		a.refuse(http.StatusServiceUnavailable)
	default:
		a.content200or206()
	}
}

// wait pauses unless the client or the origin goes first.
func (a *answer) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.r.Context().Done():
	case <-a.o.closed:
	}
	return false
}

func (a *answer) refuse(status int) {
	if a.b.RetryAfter != "" {
		a.w.Header().Set("Retry-After", a.b.RetryAfter)
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		a.w.WriteHeader(status)
		return
	}
	http.Error(a.w, "refused on command", status)
}

// ETag is the entity tag of the present generation as it is sent, or "".
func (o *Origin) ETag() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return etag(o.behavior.ETag, o.content)
}

func etag(mode ETagMode, c Content) string {
	tag := fmt.Sprintf(`"%x-%x"`, c.Seed, c.Generation)
	switch mode {
	case ETagNone:
		return ""
	case ETagWeak:
		return "W/" + tag
	default:
		return tag
	}
}

func lastModified(mode ModifiedMode, c Content, now time.Time) string {
	switch mode {
	case ModifiedNone:
		return ""
	case ModifiedRecent:
		return now.Add(-time.Second).UTC().Format(http.TimeFormat)
	default:
		// A fixed day, so that the date is constant within a generation.
		return time.Date(2024, 1, 1, 0, 0, int(c.Generation), 0, time.UTC).Format(http.TimeFormat)
	}
}

// content200or206 answers with the content, honouring Range and If-Range.
func (a *answer) content200or206() {
	h := a.w.Header()
	tag, modified := etag(a.b.ETag, a.content), lastModified(a.b.Modified, a.content, time.Now())
	if tag != "" {
		h.Set("ETag", tag)
	}
	if modified != "" {
		h.Set("Last-Modified", modified)
	}
	h.Set("Content-Type", "application/octet-stream")
	if im := a.r.Header.Get("If-Match"); im != "" && im != tag {
		a.refuse(http.StatusPreconditionFailed)
		return
	}
	asked := a.r.Header.Get("Range")
	if ir := a.r.Header.Get("If-Range"); ir != "" && (ir != tag || strings.HasPrefix(tag, "W/")) && ir != modified {
		asked = ""
	}
	switch {
	case a.b.Ranges == RangesOff:
		asked = ""
	case a.b.Ranges == RangesAlways && asked == "":
		asked = "bytes=0-"
	}
	if asked == "" {
		if a.b.Ranges != RangesOff {
			h.Set("Accept-Ranges", "bytes")
		}
		a.send(http.StatusOK, 0, a.content.Size)
		return
	}
	a.partial(asked)
}

// partial answers a Range request of one range.
func (a *answer) partial(asked string) {
	h, size := a.w.Header(), a.content.Size
	first, last, ok := parseRange(asked, size)
	if !ok || a.b.Ranges == RangesRefused {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		a.w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	h.Set("Accept-Ranges", "bytes")
	total := strconv.FormatInt(size, 10)
	switch a.b.Ranges {
	case RangesWrongStart:
		first = min(first+1, last)
	case RangesWrongTotal:
		total = strconv.FormatInt(size+1, 10)
	case RangesUnknownTotal:
		total = "*"
	case RangesShort:
		last = first + (last-first)/2
	case RangesMultipart:
		h.Set("Content-Type", "multipart/byteranges; boundary=x")
		a.w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(a.w, "--x\r\nContent-Range: bytes 0-0/1\r\n\r\nx\r\n--x--\r\n")
		return
	}
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", first, last, total))
	switch a.b.Ranges {
	case RangesNoHeader:
		h.Del("Content-Range")
	case RangesUnsatisfied:
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
	}
	a.send(http.StatusPartialContent, first, last-first+1)
}

// parseRange understands "bytes=first-[last]", nothing else.
func parseRange(s string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(strings.TrimPrefix(s, "bytes="), "-")
	if !ok || !strings.HasPrefix(s, "bytes=") {
		return 0, 0, false
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first >= size {
		return 0, 0, false
	}
	last = size - 1
	if to != "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < first {
			return 0, 0, false
		}
		last = min(last, n)
	}
	return first, last, true
}

// send answers with length bytes from first on.
func (a *answer) send(status int, first, length int64) {
	if a.r.Method == http.MethodHead {
		a.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
		a.w.WriteHeader(status)
		return
	}
	a.arm(first, length)
	entry := a.o.ledger.begin(Served{
		Path: a.r.URL.Path, Generation: a.content.Generation, Connection: a.conn.id, Offset: first,
	})
	if a.b.Encoding != "" {
		a.encoded(status, entry, first, length)
		return
	}
	switch a.b.Length {
	case LengthShort, LengthLong, LengthClose:
		a.rawSend(status, entry, first, length)
		return
	case LengthExact:
		a.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	a.w.WriteHeader(status)
	if a.b.Length == LengthNone {
		// Without a flush net/http would compute the length of a short body.
		_ = http.NewResponseController(a.w).Flush()
	}
	a.stream(a.w, entry, first, length)
}

// arm decides which faults strike this answer.
func (a *answer) arm(first, length int64) {
	a.o.mu.Lock()
	defer a.o.mu.Unlock()
	b := &a.o.behavior
	hits := func(at int64) bool { return at >= first && at <= first+length }
	if b.CutTimes != 0 && hits(b.CutAt) && spend(&b.CutTimes) {
		a.cut = b.CutAt
	}
	if b.StallTimes != 0 && hits(b.StallAt) && spend(&b.StallTimes) {
		a.stall = b.StallAt
	}
}

func (a *answer) encoded(status int, entry *Served, first, length int64) {
	a.w.Header().Set("Content-Encoding", a.b.Encoding)
	a.w.WriteHeader(status)
	if a.b.Encoding != "gzip" {
		a.stream(a.w, entry, first, length)
		return
	}
	z := gzip.NewWriter(a.w)
	a.stream(z, entry, first, length)
	_ = z.Close()
}

// rawSend writes an HTTP/1.1 answer by hand, to say what net/http would not.
func (a *answer) rawSend(status int, entry *Served, first, length int64) {
	header := a.w.Header().Clone()
	conn, _, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer a.o.ledger.disconnected()
	defer conn.Close()
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("Connection", "close")
	switch a.b.Length {
	case LengthShort:
		header.Set("Content-Length", strconv.FormatInt(length-1, 10))
	case LengthLong:
		header.Set("Content-Length", strconv.FormatInt(length+1, 10))
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = header.Write(conn)
	_, _ = io.WriteString(conn, "\r\n")
	a.stream(conn, entry, first, length)
}

// stream sends the bytes, with the faults that are armed.
func (a *answer) stream(w io.Writer, entry *Served, first, length int64) {
	step := int64(256 << 10)
	if a.b.Rate > 0 {
		step = min(step, max(a.b.Rate/50, 1))
	}
	buf := make([]byte, min(step, max(length, 1)))
	for off, end := first, first+length; off < end || off == a.cut || off == a.stall; {
		switch off {
		case a.stall:
			a.flush(w)
			a.hang()
			return
		case a.cut:
			a.flush(w)
			a.cutNow(w)
			return
		}
		p := buf[:min(int64(len(buf)), end-off)]
		for _, at := range []int64{a.cut, a.stall} {
			if at > off {
				p = p[:min(int64(len(p)), at-off)]
			}
		}
		if a.b.Rate > 0 {
			a.flush(w)
			if !a.wait(a.conn.pace(len(p), a.b.Rate)) {
				return
			}
		}
		if _, err := a.content.ReadAt(p, off); err != nil && !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler)
		}
		n, err := w.Write(p)
		a.o.ledger.add(entry, int64(n))
		if err != nil {
			return
		}
		off += int64(n)
	}
}

func (a *answer) flush(w io.Writer) {
	if w == io.Writer(a.w) {
		_ = http.NewResponseController(a.w).Flush()
	}
}

// hang waits until the client or the origin goes.
func (a *answer) hang() {
	select {
	case <-a.r.Context().Done():
	case <-a.o.closed:
	}
	panic(http.ErrAbortHandler)
}

// cutNow ends the connection (HTTP/2: the stream) in the middle of the body.
func (a *answer) cutNow(w io.Writer) {
	conn, _ := w.(net.Conn)
	if conn == nil {
		if a.b.Cut == CutClose || a.r.ProtoMajor > 1 {
			panic(http.ErrAbortHandler)
		}
		c, _, err := http.NewResponseController(a.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer a.o.ledger.disconnected()
		conn = c
	}
	if a.b.Cut == CutReset {
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	}
	_ = conn.Close()
}
