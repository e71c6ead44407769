package node

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"godwit/endpoint/endpointtest"
)

// tap is a file of an origin that stops flowing at an offset, in bytes, until it
// is opened: a transfer of it is under way for as long as a test needs it.
type tap struct {
	origin *endpointtest.Origin
	at     int64
	opened chan struct{}
	open   func()
	// left gets the offset of each answer that a client did not wait for.
	left chan int64
}

// turnOn serves a path of an origin by a tap that begins closed.
func turnOn(o *endpointtest.Origin, path string, at int64) *tap {
	t := &tap{origin: o, at: at, opened: make(chan struct{}), left: make(chan int64, 64)}
	t.open = sync.OnceFunc(func() { close(t.opened) })
	o.Handle(path, t)
	return t
}

func (t *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", t.origin.ETag())
	http.ServeContent(w, r, "", time.Time{}, &flow{tap: t, content: t.origin.Content(), w: w, ctx: r.Context()})
}

// flow is what one answer reads.
type flow struct {
	tap     *tap
	content endpointtest.Content
	offset  int64
	w       http.ResponseWriter
	ctx     context.Context
}

func (f *flow) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.content.Size
	}
	f.offset = offset
	return offset, nil
}

func (f *flow) Read(b []byte) (int, error) {
	select {
	case <-f.tap.opened:
	default:
		if f.offset >= f.tap.at && f.offset < f.content.Size {
			if err := f.wait(); err != nil {
				return 0, err
			}
		} else {
			b = b[:min(int64(len(b)), max(f.tap.at-f.offset, 1))]
		}
	}
	n, err := f.content.ReadAt(b, f.offset)
	f.offset += int64(n)
	return n, err
}

func (f *flow) wait() error {
	_ = http.NewResponseController(f.w).Flush()
	select {
	case <-f.tap.opened:
		return nil
	case <-f.ctx.Done():
		f.tap.left <- f.offset
		return f.ctx.Err()
	}
}

// paritySecret signs what a hook is sent.
const paritySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hook is a receiver of webhooks that refuses what is not signed.
type hook struct {
	t    *testing.T
	URL  string
	mu   sync.Mutex
	seen []call
	// answer answers the n-th call, from 1 on.
	answer func(n int, w http.ResponseWriter)
}

// call is one request that a hook got. Event is its body.
type call struct {
	id    string
	event struct {
		Type    string
		Subject string
		Data    json.RawMessage
	}
}

func newHook(t *testing.T, answer func(n int, w http.ResponseWriter)) *hook {
	t.Helper()
	h := &hook{t: t, answer: answer}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.URL = server.URL
	return h
}

// accept answers 204 always.
func accept(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c := call{id: r.Header.Get("webhook-id")}
	if err != nil || !signed(r.Header, body) || json.Unmarshal(body, &c.event) != nil {
		h.t.Errorf("a delivery that is not as promised: %v %s", r.Header, body)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	h.seen = append(h.seen, c)
	n := len(h.seen)
	h.mu.Unlock()
	h.answer(n, w)
}

// signed checks a signature as docs/tasks.md says it is made.
func signed(h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(paritySecret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	return hmac.Equal([]byte(h.Get("webhook-signature")), []byte("v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))))
}

func (h *hook) calls() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]call(nil), h.seen...)
}

// brittle is a flow that breaks off where its tap is, and has no tap to open.
type brittle struct{ flow }

func (b *brittle) Read(p []byte) (int, error) {
	if b.offset >= b.tap.at && b.offset < b.content.Size {
		_ = http.NewResponseController(b.w).Flush()
		panic(http.ErrAbortHandler)
	}
	return b.flow.Read(p)
}
