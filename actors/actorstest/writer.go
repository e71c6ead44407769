package actorstest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// OpenPart implements [storage.ObjectStore].
func (o *Objects) OpenPart(_ context.Context, up storage.Upload, number int, offset, size int64) (storage.PartWriter, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.uploads[up.ID]; !ok {
		return nil, fail("open part", up.Name, storage.ErrNoUpload)
	}
	return &writer{objects: o, up: up, number: number, offset: offset, size: size}, nil
}

// writer takes the bytes of one part.
type writer struct {
	objects      *Objects
	up           storage.Upload
	number       int
	offset, size int64
	data         []byte
}

func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	before := len(w.data)
	buf := make([]byte, readSize)
	for int64(len(w.data)) < w.size {
		n, err := r.Read(buf[:min(int64(len(buf)), w.size-int64(len(w.data)))])
		w.data = append(w.data, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return int64(len(w.data) - before), err
		}
	}
	return int64(len(w.data) - before), nil
}

func (w *writer) Len() int64 { return int64(len(w.data)) }

func (w *writer) Bytes() []byte {
	if !w.objects.limits.Buffered {
		return nil
	}
	return w.data
}

func (w *writer) Commit(ctx context.Context) (storage.Part, error) {
	if ctx.Err() != nil {
		return storage.Part{}, fail("commit part", w.up.Name, storage.ErrUnavailable)
	}
	w.objects.mu.Lock()
	defer w.objects.mu.Unlock()
	u, ok := w.objects.uploads[w.up.ID]
	if !ok {
		return storage.Part{}, fail("commit part", w.up.Name, storage.ErrNoUpload)
	}
	w.objects.commits++
	sum := crc64nvme.Checksum(w.data)
	p := storage.Part{Number: w.number, Offset: w.offset, Size: w.Len(), ETag: fmt.Sprintf("%x", sum), CRC64: sum}
	u.parts[w.number] = part{Part: p, data: w.data}
	return p, nil
}

func (w *writer) Discard() {}
