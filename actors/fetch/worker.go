package fetch

import (
	"io"

	"godwit/bug"
	"godwit/endpoint"
	"godwit/storage"
	"godwit/transfer"
)

// worthReopening is how many bytes a connection must have brought before it is
// silently opened again where it broke.
const worthReopening = 64 << 10

// worker is one connection: it fetches a run of parts, one after another.
type worker struct {
	*session
	id         int
	part, last int
	next       chan assignment
	resp       *endpoint.Response
	// left is how many bytes of the open answer are still to come, gained how
	// many it has brought.
	left, gained int64
}

func newWorker(s *session, id, first, last int, resp *endpoint.Response) *worker {
	w := &worker{session: s, id: id, part: first, last: last, next: make(chan assignment, 1)}
	w.use(resp)
	return w
}

func (w *worker) use(resp *endpoint.Response) {
	w.resp, w.left, w.gained = resp, 0, 0
	if resp != nil {
		w.left = resp.Length
	}
}

// work fetches until the run of parts has ended or something failed.
func (w *worker) work() {
	end := finished{worker: w}
	defer func() {
		if cause := recover(); cause != nil {
			end.cause = cause
		}
		w.closeAnswer()
		w.messages <- end
	}()
	for {
		more, err, storeErr := w.fetchPart()
		if err != nil || storeErr != nil || !more {
			end.err, end.storeErr = err, storeErr
			return
		}
	}
}

func (w *worker) closeAnswer() {
	if w.resp != nil {
		_ = w.resp.Body.Close()
		w.use(nil)
	}
}

// fetchPart fetches one part and says whether there is another.
func (w *worker) fetchPart() (more bool, err *transfer.Error, storeErr error) {
	ctx := w.run.ctx
	select {
	case w.tokens <- struct{}{}:
	case <-ctx.Done():
		return false, nil, nil
	}
	offset, size := w.Gen.Plan.Part(w.part)
	pw, storeErr := w.Store.OpenPart(ctx, storage.Upload(w.Gen.Upload), w.part, offset, size)
	if storeErr != nil {
		<-w.tokens
		return false, nil, storeErr
	}
	ended, err, storeErr := w.fillSafely(pw, offset, size)
	if got := pw.Len(); err != nil || storeErr != nil || ended && got == 0 {
		w.drop(pw)
		if ended {
			w.messages <- streamEnded{size: offset}
		}
		return false, err, storeErr
	}
	if ended {
		w.messages <- streamEnded{size: offset + pw.Len()}
	}
	w.commit(pw, offset)
	if ended {
		return false, nil, nil
	}
	w.messages <- advance{worker: w, part: w.part}
	a := <-w.next
	w.part, w.last = a.part, a.last
	return a.ok, nil, nil
}

// drop discards a part that will have to be fetched again.
func (w *worker) drop(pw storage.PartWriter) {
	w.run.flight.Add(-pw.Len())
	if n := pw.Len(); n > 0 {
		w.Refetched(n)
	}
	pw.Discard()
	<-w.tokens
}

// fillSafely is fill; a panic of the source does not cost the part's memory.
func (w *worker) fillSafely(pw storage.PartWriter, offset, size int64) (ended bool, err *transfer.Error, storeErr error) {
	defer func() {
		if cause := recover(); cause != nil {
			pw.Discard()
			panic(cause)
		}
	}()
	return w.fill(pw, offset, size)
}

// fill reads until the part is full. Ended tells that a stream of unknown
// length is over.
func (w *worker) fill(pw storage.PartWriter, offset, size int64) (ended bool, err *transfer.Error, storeErr error) {
	for pw.Len() < size {
		if w.resp == nil || w.left == 0 {
			if err := w.open(offset + pw.Len()); err != nil {
				return false, err, nil
			}
		}
		n, readErr := pw.ReadFrom(&meteredReader{worker: w})
		w.gained += n
		if w.left != transfer.UnknownSize {
			w.left -= n
		}
		switch {
		case readErr == nil && w.resp.Length == transfer.UnknownSize && pw.Len() < size:
			if w.Gen.Plan.Size != transfer.UnknownSize {
				return false, transfer.Errorf(transfer.CodeReset, "the answer ended before the content did"), nil
			}
			return true, nil, nil
		case readErr == nil && n == 0 && pw.Len() < size:
			return false, transfer.Errorf(transfer.CodeReset, "the answer ended before it was complete"), nil
		case readErr == nil:
			continue
		case storage.KindOf(readErr) != "":
			return false, nil, readErr
		}
		err := asError(readErr)
		again := w.Gen.Resumable && err.Code.Class() == transfer.Transient && w.gained >= worthReopening
		w.closeAnswer()
		if !again || w.run.ctx.Err() != nil {
			return false, err, nil
		}
	}
	return false, nil, nil
}

// open asks for the rest of the run from offset on.
func (w *worker) open(offset int64) *transfer.Error {
	w.closeAnswer()
	if !w.Gen.Resumable {
		return transfer.Errorf(transfer.CodeReset, "the connection was lost and this source cannot be resumed")
	}
	length := w.Gen.Plan.End(w.last) - offset
	resp, err := w.Source.Open(w.run.ctx, w.Request(offset, length))
	if err != nil {
		return asError(err)
	}
	if resp.Offset != offset && bug.Seeded != bug.AppendWholeAnswer {
		_ = resp.Body.Close()
		return w.whole(resp)
	}
	if resp.Length == 0 {
		_ = resp.Body.Close()
		return transfer.Errorf(transfer.CodeRange, "the answer is empty, %d bytes were asked for", length)
	}
	w.use(resp)
	return nil
}

// whole says what it means that an answer has all of the content where a part of
// it was asked for: with If-Range that is how a change is told (RFC 9110, section
// 13.1.5).
func (w *worker) whole(resp *endpoint.Response) *transfer.Error {
	if !w.Gen.Validator.Same(resp.Validator) || resp.Size >= 0 && resp.Size != w.Gen.Plan.Size {
		return transfer.Errorf(transfer.CodeSourceChanged, "the content is not the one this transfer began with")
	}
	return transfer.Errorf(transfer.CodeRangeIgnored, "the source no longer serves ranges")
}

// commit stores a full part: at once where that is cheap, in the background
// where the store has the part in memory and sends it somewhere.
func (w *worker) commit(pw storage.PartWriter, offset int64) {
	var done committed
	if w.hash != nil {
		done.hashed, done.hashedSize = w.hash.add(offset, pw.Bytes())
	}
	if !w.Store.Limits().Buffered {
		w.messages <- w.store(pw, done)
		return
	}
	done.background = true
	w.messages <- committing{}
	go func() { w.messages <- w.store(pw, done) }()
}

// store commits a part. A panic of the store is for the owner of the session to
// know, whose goroutine this may not be.
func (w *worker) store(pw storage.PartWriter, done committed) (out committed) {
	size := pw.Len()
	defer func() {
		out.cause = recover()
		w.run.flight.Add(-size)
		<-w.tokens
	}()
	out = done
	if out.part, out.err = pw.Commit(w.run.ctx); out.err != nil {
		pw.Discard()
	}
	return out
}

// meteredReader counts and limits what an answer brings.
type meteredReader struct{ *worker }

func (r *meteredReader) Read(p []byte) (int, error) {
	if burst := r.run.limiter.Burst(); r.run.limited() && len(p) > burst {
		p = p[:burst]
	}
	n, err := r.resp.Body.Read(p)
	if n > 0 {
		r.run.wire.Add(int64(n))
		r.run.ever.Add(int64(n))
		r.run.flight.Add(int64(n))
		r.Received(int64(n))
		if waitErr := r.run.wait(n); waitErr != nil && err == nil {
			err = waitErr
		}
	}
	return n, err
}

var _ io.Reader = (*meteredReader)(nil)
