package actorstest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"godwit/endpoint"
	"godwit/transfer"
)

// FarOp names a request to a far side of uploads.
type FarOp string

// The requests. Each chunk, part and completion is a FarSend of its own.
const (
	FarProbe   FarOp = "probe"
	FarOpen    FarOp = "open session"
	FarFind    FarOp = "find session"
	FarSend    FarOp = "send"
	FarDiscard FarOp = "discard"
)

// FarCall is one request about to be made. Index counts all of them from 1.
type FarCall struct {
	Index int
	Op    FarOp
	// From is where the content of the request begins, and Size how long it is.
	From, Size int64
	URL        string
}

// FarFault says what becomes of a request. The zero value takes it.
type FarFault struct {
	// Err refuses it.
	Err *transfer.Error
	// Panic, if not empty, panics with it.
	Panic string
	// Cut is after how many bytes of content the connection breaks, 0 for never.
	Cut int64
	// LostReply carries it out, and nobody is told.
	LostReply bool
	// Forget drops the session first.
	Forget bool
	// Lie is how many bytes fewer than it has the far side claims to have.
	Lie int64
	// Delay passes before anything; Rate is in bytes a second, 0 for no limit.
	Delay time.Duration
	Rate  int64
	// Never, if not nil, lets the request hang until the channel is closed.
	Never <-chan struct{}
}

// Far is a far side of uploads that keeps everything in memory. It is safe for
// use by several goroutines.
type Far struct {
	// Script decides about each request, nil takes all. It must not be changed
	// while there are any.
	Script func(FarCall) FarFault
	// Speaks is what Probe finds; Chunk the size of chunks in bytes, Answer the
	// body of its answers.
	Speaks transfer.Protocol
	Chunk  int64
	Answer string

	mu       sync.Mutex
	calls    []FarCall
	serial   int
	sessions map[string]*farSession
	arrived  map[string][][]byte
	keys     map[string]bool
	read     int64
}

// farSession is one upload that is not whole, or was completed.
type farSession struct {
	target string
	size   int64
	data   []byte
	parts  map[int][]byte
	done   bool
}

// NewFar returns a far side that speaks a protocol, in chunks of so many bytes.
func NewFar(speaks transfer.Protocol, chunk int64) *Far {
	return &Far{
		Speaks: speaks, Chunk: chunk, Answer: "taken",
		sessions: map[string]*farSession{}, arrived: map[string][][]byte{}, keys: map[string]bool{},
	}
}

// Calls are all requests so far.
func (f *Far) Calls() []FarCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Count is how many requests of a kind were made.
func (f *Far) Count(op FarOp) (n int) {
	for _, c := range f.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

// Arrived is what has arrived whole at a URL, in order. Requests with one
// idempotency key are one.
func (f *Far) Arrived(url string) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.arrived[url])
}

// Sessions are the unfinished uploads.
func (f *Far) Sessions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(f.sessions)) {
		if !f.sessions[id].done {
			out = append(out, id)
		}
	}
	return out
}

// Read is how many bytes of content came in all.
func (f *Far) Read() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read
}

// begin counts a request and lets happen what comes before it.
func (f *Far) begin(ctx context.Context, u *endpoint.Upload, op FarOp, from, size int64) (FarFault, *endpoint.Failure) {
	f.mu.Lock()
	call := FarCall{Index: len(f.calls) + 1, Op: op, From: from, Size: size, URL: u.URL}
	f.calls = append(f.calls, call)
	var fault FarFault
	if f.Script != nil {
		fault = f.Script(call)
	}
	if fault.Forget {
		delete(f.sessions, f.key(u))
	}
	f.mu.Unlock()
	if fault.Panic != "" {
		panic(fault.Panic)
	}
	if fault.Never != nil {
		select {
		case <-fault.Never:
		case <-ctx.Done():
			return fault, farBroken(true)
		}
	}
	if err := pause(ctx, fault.Delay); err != nil {
		return fault, farBroken(false)
	}
	if fault.Err != nil {
		answer := &endpoint.UploadAnswer{Shown: transfer.Response{StatusCode: fault.Err.Status}, Body: []byte("no"), Size: 2}
		if fault.Err.Status == 0 {
			answer = nil
		}
		return fault, &endpoint.Failure{Err: fault.Err, Answer: answer}
	}
	return fault, nil
}

// key is where the state of an upload is kept.
func (f *Far) key(u *endpoint.Upload) string {
	if u.Session.URL != "" {
		return u.Session.URL
	}
	return u.URL
}

func farBroken(unknown bool) *endpoint.Failure {
	return &endpoint.Failure{Err: transfer.Errorf(transfer.CodeReset, "the connection broke"), Unknown: unknown, Sent: unknown}
}

func farLost() *endpoint.Failure {
	return &endpoint.Failure{Err: transfer.Errorf(transfer.CodeSessionLost, "there is no such upload"), Lost: true}
}

// Probe implements actors.Uploads.
func (f *Far) Probe(ctx context.Context, u *endpoint.Upload) (endpoint.Choice, *endpoint.Failure) {
	if _, fail := f.begin(ctx, u, FarProbe, 0, 0); fail != nil {
		return endpoint.Choice{}, fail
	}
	return endpoint.Choice{Protocol: f.Speaks, Reason: "it is the only one"}, nil
}

// OpenSession implements actors.Uploads.
func (f *Far) OpenSession(ctx context.Context, u *endpoint.Upload) (transfer.Session, *endpoint.Failure) {
	fault, fail := f.begin(ctx, u, FarOpen, 0, 0)
	if fail != nil {
		return transfer.Session{}, fail
	}
	f.mu.Lock()
	f.serial++
	id := fmt.Sprintf("%s/upload-%d?key=SECRET", u.URL, f.serial)
	f.sessions[id] = &farSession{target: u.URL, size: u.Size, parts: map[int][]byte{}}
	f.mu.Unlock()
	if fault.LostReply {
		return transfer.Session{}, farBroken(true)
	}
	return transfer.Session{URL: id}, nil
}

// FindSession implements actors.Uploads.
func (f *Far) FindSession(ctx context.Context, u *endpoint.Upload) (endpoint.Found, *endpoint.Failure) {
	fault, fail := f.begin(ctx, u, FarFind, 0, 0)
	if fail != nil {
		return endpoint.Found{}, fail
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch s := f.sessions[f.key(u)]; {
	case s == nil:
		return endpoint.Found{}, farLost()
	case s.done:
		return endpoint.Found{Offset: s.size, Answer: f.answer(u)}, nil
	default:
		return endpoint.Found{Offset: max(0, int64(len(s.data))-fault.Lie)}, nil
	}
}

// Discard implements actors.Uploads.
func (f *Far) Discard(ctx context.Context, u *endpoint.Upload, url string) *transfer.Error {
	if _, fail := f.begin(ctx, u, FarDiscard, 0, 0); fail != nil {
		return fail.Err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, url)
	return nil
}

func (f *Far) answer(u *endpoint.Upload) *endpoint.UploadAnswer {
	return &endpoint.UploadAnswer{
		Shown: transfer.Response{ActualURL: transfer.RedactURL(u.URL), StatusCode: 201},
		Body:  []byte(f.Answer), Size: int64(len(f.Answer)),
	}
}

// arrive notes content that is whole.
func (f *Far) arrive(u *endpoint.Upload, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if key := u.Outgoing.IdempotencyKey; key != "" {
		if f.keys[key] {
			return
		}
		f.keys[key] = true
	}
	f.arrived[u.URL] = append(f.arrived[u.URL], bytes.Clone(content))
}
