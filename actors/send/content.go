package send

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/minio/crc64nvme"

	"godwit/actors/fetch"
	"godwit/storage"
	"godwit/transfer"
)

// pieceSize is the least number of bytes whose checksum is kept apart: where the
// far side confirms a part of that much, it is read again.
const pieceSize = 1 << 20

// Content is what an upload sends: pieces of text and of stored sources, in
// order. It is safe for use by several goroutines.
type Content struct {
	segments []segment
	size     int64
	// run counts and limits what is handed to the far side, counted is told of it
	// too.
	run     *fetch.Run
	counted func(n int64)

	mu   sync.Mutex
	sums sums
}

// segment is a transfer.Segment and where it begins.
type segment struct {
	offset, size int64
	text         []byte
	source       *Pinned // nil for text
}

// Stores finds the store of a source and its name there; nil for none.
type Stores func(source string) (storage.ObjectStore, string)

// NewContent returns the content made of segments. StoreError says of a store's
// failure what it means, counted is told of every byte that is handed to the far
// side; run counts and limits them.
func NewContent(
	run *fetch.Run, segments []transfer.Segment, stores Stores, storeError func(error) *transfer.Error, counted func(n int64),
) *Content {
	c := &Content{run: run, counted: counted}
	for _, s := range segments {
		size := s.Size()
		if size == 0 && s.Source == "" {
			continue
		}
		at := segment{offset: c.size, size: size, text: s.Text}
		if s.Source != "" {
			store, name := stores(s.Source)
			at.source = &Pinned{Store: store, Name: name, Pin: s.Pin, What: "the source", StoreError: storeError}
		}
		c.segments = append(c.segments, at)
		c.size += size
	}
	return c
}

// Size is the length of the content in bytes.
func (c *Content) Size() int64 { return c.size }

// Lost is why the content cannot be sent any more, nil while that is not known.
func (c *Content) Lost() *transfer.Error {
	for i := range c.segments {
		if p := c.segments[i].source; p != nil && p.Lost() != nil {
			return p.Lost()
		}
	}
	return nil
}

// Open delivers length bytes of the content from offset on, to be handed to the
// far side: they are counted, limited, and their checksums noted. The result
// implements io.WriterTo with large buffers.
func (c *Content) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	raw, err := c.open(ctx, offset, length)
	if err != nil {
		cancel()
		return nil, err
	}
	return &reader{raw: raw, cancel: cancel, content: c, at: offset}, nil
}

// open is Open for the content's own use.
func (c *Content) open(ctx context.Context, offset, length int64) (*rawReader, error) {
	if offset < 0 || length < 0 || offset > c.size-length {
		return nil, transfer.Errorf(transfer.CodeInternal, "bytes %d to %d of %d were asked for", offset, offset+length, c.size)
	}
	r := &rawReader{ctx: ctx, content: c, at: offset, end: offset + length}
	// A source that has changed is found before anything is sent.
	if err := r.next(); err != nil {
		return nil, err
	}
	return r, nil
}

// rawReader reads a range of the content over its segments.
type rawReader struct {
	ctx     context.Context
	content *Content
	at, end int64
	index   int
	body    io.ReadCloser // of the segment at hand, nil for text or none
}

// next goes to the segment that holds the next byte.
func (r *rawReader) next() error {
	r.close()
	for r.index < len(r.content.segments) {
		s := &r.content.segments[r.index]
		if s.offset+s.size > r.at || s.size == 0 && s.offset >= r.at {
			break
		}
		r.index++
	}
	if r.index == len(r.content.segments) || r.at == r.end && r.end > 0 {
		return nil
	}
	s := &r.content.segments[r.index]
	if s.source == nil {
		return nil
	}
	body, err := s.source.Open(r.ctx, r.at-s.offset)
	r.body = body
	return err
}

// Read implements io.Reader. It fails with a *transfer.Error.
func (r *rawReader) Read(p []byte) (int, error) {
	if r.at == r.end {
		return 0, io.EOF
	}
	s := &r.content.segments[r.index]
	if left := min(s.offset+s.size, r.end) - r.at; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.readSegment(s, p)
	r.at += int64(n)
	if err == nil && r.at == s.offset+s.size && r.at < r.end {
		r.index++
		err = r.next()
	}
	return n, err
}

func (r *rawReader) readSegment(s *segment, p []byte) (int, error) {
	switch {
	case len(p) == 0: // an empty segment
		return 0, nil
	case s.source == nil:
		return copy(p, s.text[r.at-s.offset:]), nil
	}
	n, err := r.body.Read(p)
	switch {
	case err == nil || n > 0 && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, s.source.Changed()
	}
	return n, s.source.StoreError(err)
}

func (r *rawReader) close() {
	if r.body != nil {
		_ = r.body.Close() // nothing was written
		r.body = nil
	}
}

// reader hands content to the far side. It may be closed while it is read, which
// the transport does when an answer comes early.
type reader struct {
	content *Content
	cancel  context.CancelFunc

	mu     sync.Mutex
	raw    *rawReader
	closed bool
	// at is where the piece at hand begins; its size and CRC so far.
	at, size int64
	crc      uint64
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := r.raw.Read(p[:r.content.run.Piece(len(p))])
	if n > 0 {
		r.crc, r.size = crc64nvme.Update(r.crc, p[:n]), r.size+int64(n)
		if r.size >= pieceSize || r.raw.at == r.raw.end {
			r.note()
		}
		r.content.counted(int64(n))
		if waitErr := r.content.run.Sent(n); waitErr != nil && err == nil {
			err = waitErr
		}
	}
	return n, err
}

// buffers serve WriteTo.
var buffers = sync.Pool{New: func() any { return new([storage.StreamBuffer]byte) }}

// WriteTo implements io.WriterTo: large reads, and no copy but into the writer.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	buf := buffers.Get().(*[storage.StreamBuffer]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			written, writeErr := w.Write(buf[:n])
			total += int64(written)
			if writeErr != nil {
				return total, writeErr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// note ends the piece at hand.
func (r *reader) note() {
	r.content.mu.Lock()
	r.content.sums.add(piece{offset: r.at, size: r.size, crc: r.crc})
	r.content.mu.Unlock()
	r.at, r.size, r.crc = r.at+r.size, 0, 0
}

// Close implements io.Closer. What was read of the piece at hand is known from
// now on.
func (r *reader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.note()
		r.raw.close()
	}
	return nil
}

// CRC64 is the CRC-64/NVME of size bytes from offset on. What was not read yet,
// or only as part of more, is read now; that is neither counted nor limited.
func (c *Content) CRC64(ctx context.Context, offset, size int64) (crc uint64, err error) {
	c.mu.Lock()
	pieces := c.sums.cover(offset, offset+size)
	c.mu.Unlock()
	for _, p := range pieces {
		if p.gap {
			if p.crc, err = c.sum(ctx, p.offset, p.size); err != nil {
				return 0, err
			}
		}
		crc = storage.CombineCRC64(crc, p.crc, p.size)
	}
	return crc, nil
}

func (c *Content) sum(ctx context.Context, offset, size int64) (uint64, error) {
	h := crc64nvme.New()
	if err := c.copy(ctx, h, offset, size); err != nil {
		return 0, err
	}
	return h.Sum64(), nil
}

// copy reads a range for its own sake.
func (c *Content) copy(ctx context.Context, w io.Writer, offset, size int64) error {
	raw, err := c.open(ctx, offset, size)
	if err != nil {
		return err
	}
	defer raw.close()
	buf := buffers.Get().(*[storage.StreamBuffer]byte)
	defer buffers.Put(buf)
	_, err = io.CopyBuffer(w, struct{ io.Reader }{raw}, buf[:])
	return err
}

// forget drops the checksums of a range that the far side has.
func (c *Content) forget(offset, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums.forget(offset, offset+size)
}
