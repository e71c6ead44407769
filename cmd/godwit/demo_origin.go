package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// demoOrigin is the web server that the demo downloads from: files of
// [demoContent] on a loopback port, with ranges and a strong ETag, at a limited
// rate. It keeps count of every byte that it sends, which is how the demo knows
// what was fetched twice.
type demoOrigin struct {
	addr   string
	server *http.Server
	// corrupt serves one wrong byte in each file, so that a test can see the
	// demo fail.
	corrupt bool

	// files by path; which there are does not change.
	files map[string]*demoFile

	mu sync.Mutex // guards orphaned and sent of all files
}

// demoFile is one file and what was sent of it.
type demoFile struct {
	content demoContent
	pace    *rate.Limiter
	// orphaned: who asked for it is gone, and somebody else asks from now on.
	orphaned bool
	sent     demoSent
}

// demoSent counts what the origin sent of one file.
type demoSent struct {
	// bytes in all, and those that were asked for before the file was orphaned.
	bytes, first int64
	// resumed is when the first byte went to somebody else after that; zero if
	// none did.
	resumed time.Time
}

// demoBurst is what a file may send at once, in bytes; [http.ServeContent]
// writes no more than half of that at a time.
const demoBurst = 64 << 10

// startDemoOrigin serves files of the content, each at the given rate in bytes
// a second however many connections share it.
func startDemoOrigin(files map[string]demoContent, bytesPerSecond int64) (*demoOrigin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, &failure{code: codeDemo, message: "no port for the demo's origin", err: err}
	}
	o := &demoOrigin{addr: l.Addr().String(), files: map[string]*demoFile{}}
	for path, content := range files {
		o.files[path] = &demoFile{content: content, pace: rate.NewLimiter(rate.Limit(bytesPerSecond), demoBurst)}
	}
	o.server = &http.Server{
		Handler:           o,
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       keepLittle,
		ErrorLog:          log.New(io.Discard, "", 0), // it is meant that clients go away
	}
	go func() { _ = o.server.Serve(l) }() // ends with close, and says no more than that
	return o, nil
}

// keepLittle has the system keep little of what is sent: what lies there when a
// connection ends was sent and never received.
func keepLittle(ctx context.Context, c net.Conn) context.Context {
	if conn, ok := c.(*net.TCPConn); ok {
		_ = conn.SetWriteBuffer(demoBurst) // or the counts are a little less exact
	}
	return ctx
}

func (o *demoOrigin) url(path string) string { return "http://" + o.addr + path }

func (o *demoOrigin) close() { _ = o.server.Close() }

// ServeHTTP implements [http.Handler].
func (o *demoOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := o.files[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", f.content.etag())
	w.Header().Set("Content-Type", "application/octet-stream")
	var body io.ReaderAt = f.content
	if o.corrupt {
		body = oneWrongByte{f.content}
	}
	out := &demoWriter{ResponseWriter: w, ctx: r.Context(), origin: o, file: f, second: o.isOrphaned(f)}
	http.ServeContent(out, r, strings.TrimPrefix(r.URL.Path, "/"), time.Time{}, io.NewSectionReader(body, 0, f.content.size))
}

// orphan says that who asked for these files is gone: requests that begin from
// now on are somebody else's.
func (o *demoOrigin) orphan(paths []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, path := range paths {
		o.files[path].orphaned = true
	}
}

func (o *demoOrigin) isOrphaned(f *demoFile) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f.orphaned
}

// count notes n bytes of a file that were sent.
func (o *demoOrigin) count(f *demoFile, n int64, second bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.sent.bytes += n
	if !second {
		f.sent.first += n
	}
}

// resume notes when the first byte of a file went to who goes on with it.
func (o *demoOrigin) resume(f *demoFile, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f.sent.resumed.IsZero() || at.Before(f.sent.resumed) {
		f.sent.resumed = at
	}
}

// sentOf is what was sent of a file until now.
func (o *demoOrigin) sentOf(path string) demoSent {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.files[path].sent
}

// total is how many bytes were sent of all files until now.
func (o *demoOrigin) total() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	var sum int64
	for _, f := range o.files {
		sum += f.sent.bytes
	}
	return sum
}

// demoWriter paces and counts an answer's body.
type demoWriter struct {
	http.ResponseWriter
	ctx    context.Context // the request's, which ends when its client is gone
	origin *demoOrigin
	file   *demoFile
	// second: it began after the file was orphaned.
	second bool
	// began is when the first piece was sent.
	began time.Time
}

func (w *demoWriter) Write(p []byte) (int, error) {
	if err := w.file.pace.WaitN(w.ctx, len(p)); err != nil {
		return 0, err
	}
	// Counted before it is sent: whoever has received a byte finds it counted.
	w.origin.count(w.file, int64(len(p)), w.second)
	n, err := w.ResponseWriter.Write(p)
	w.origin.count(w.file, int64(n-len(p)), w.second)
	if w.second && err == nil {
		w.noteReceived()
	}
	return n, err
}

// noteReceived counts the first piece as received when a second one was sent: a
// request of a process that was killed meanwhile may still be in the queue, and
// only the first piece of its answer is sent without an error.
func (w *demoWriter) noteReceived() {
	if w.began.IsZero() {
		w.began = time.Now()
		return
	}
	w.origin.resume(w.file, w.began)
}

// oneWrongByte is the content with its first byte changed.
type oneWrongByte struct{ demoContent }

func (c oneWrongByte) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.demoContent.ReadAt(p, off)
	if off == 0 && n > 0 {
		p[0] ^= 0xff
	}
	return n, err
}
