package dir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// partWriter streams one part into the partial file through one buffer. The
// checksum is taken of each read while its bytes are in the processor's cache,
// and the file is written in whole buffers.
type partWriter struct {
	o    *Objects
	p    *place
	file *os.File
	up   storage.Upload
	// number and offset say where the part lies, size how long it may get.
	number       int
	offset, size int64

	// buf is lent by the pool; its first fill bytes are not yet written. It is
	// nil after Commit or Discard.
	buf  []byte
	fill int
	// taken counts all bytes, those in buf included; crc is their checksum.
	taken int64
	crc   uint64
	// part is the result once committed.
	part      storage.Part
	committed bool
}

// OpenPart implements [storage.ObjectStore].
func (o *Objects) OpenPart(ctx context.Context, up storage.Upload, number int, offset, size int64) (storage.PartWriter, error) {
	const op = "open part"
	if reason := checkPart(number, offset, size); reason != "" {
		return nil, refuse(op, up.Name, reason)
	}
	p, err := o.openUpload(ctx, op, up)
	if err != nil {
		return nil, err
	}
	file, err := p.openFile(up.ID, os.O_WRONLY, 0)
	if err != nil {
		_ = p.Close()
		return nil, noUpload(op, up, err)
	}
	buf, err := o.buffers.Get(ctx, storage.StreamBuffer)
	if err != nil {
		_ = file.Close()
		_ = p.Close()
		return nil, fail(op, up.Name, storage.ErrUnavailable, err)
	}
	return &partWriter{o: o, p: p, file: file, up: up, number: number, offset: offset, size: size, buf: buf}, nil
}

// ReadFrom implements [storage.PartWriter].
func (w *partWriter) ReadFrom(r io.Reader) (int64, error) {
	before := w.taken
	for w.taken < w.size {
		if w.fill == len(w.buf) {
			if err := w.flush("write part"); err != nil {
				return w.taken - before, err
			}
		}
		room := min(int64(len(w.buf)-w.fill), w.size-w.taken)
		n, err := r.Read(w.buf[w.fill : w.fill+int(room)])
		w.crc = crc64nvme.Update(w.crc, w.buf[w.fill:w.fill+n])
		w.fill += n
		w.taken += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return w.taken - before, err
		}
	}
	return w.taken - before, nil
}

// flush writes what the buffer holds. What fails to be written stays in it.
func (w *partWriter) flush(op string) error {
	at := w.offset + w.taken - int64(w.fill)
	if _, err := w.file.WriteAt(w.buf[:w.fill], at); err != nil {
		return fail(op, w.up.Name, storage.ErrUnavailable, err)
	}
	w.fill = 0
	return nil
}

// Len implements [storage.PartWriter].
func (w *partWriter) Len() int64 { return w.taken }

// Bytes implements [storage.PartWriter]: nothing is kept.
func (w *partWriter) Bytes() []byte { return nil }

// Commit implements [storage.PartWriter]. After an error it may be called
// again.
func (w *partWriter) Commit(ctx context.Context) (storage.Part, error) {
	const op = "commit part"
	if w.committed {
		return w.part, nil
	}
	if err := ctx.Err(); err != nil {
		return storage.Part{}, fail(op, w.up.Name, storage.ErrUnavailable, err)
	}
	if err := w.flush(op); err != nil {
		return storage.Part{}, err
	}
	part := storage.Part{Number: w.number, Offset: w.offset, Size: w.taken, ETag: partETag(w.crc), CRC64: w.crc}
	if err := w.o.record(w.p, w.file, w.up.ID, part); err != nil {
		return storage.Part{}, noUpload(op, w.up, err)
	}
	startWriteback(w.file, w.offset, w.taken)
	w.part, w.committed = part, true
	w.release()
	return part, nil
}

// Discard implements [storage.PartWriter].
func (w *partWriter) Discard() { w.release() }

func (w *partWriter) release() {
	if w.buf == nil {
		return
	}
	w.o.buffers.Put(w.buf)
	w.buf, w.fill = nil, 0
	_ = w.file.Close()
	_ = w.p.Close()
}
