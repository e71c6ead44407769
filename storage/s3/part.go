package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/minio/crc64nvme"
	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// A part's request may take partTimeout plus its size at slowestRate.
const (
	partTimeout = time.Minute
	slowestRate = 64 << 10 // bytes a second
)

// maxEmptyReads is how often a source may return nothing and no error.
const maxEmptyReads = 100

// OpenPart implements [storage.ObjectStore].
func (s *Objects) OpenPart(ctx context.Context, up storage.Upload, number int, offset, size int64) (storage.PartWriter, error) {
	const op = "open part"
	if _, _, err := s.split(op, up.Name); err != nil {
		return nil, err
	}
	if number < 1 || number > maxParts || size < 0 || size > maxPart || offset < 0 {
		return nil, invalid(op, up.Name, fmt.Sprintf("part %d of %d bytes is outside the limits", number, size))
	}
	buf, err := s.pool.Get(ctx, int(size))
	if err != nil {
		return nil, err
	}
	s.layouts.learn(up.ID, number, offset, size)
	return &partWriter{store: s, up: up, number: number, offset: offset, buf: buf, crc: crc64nvme.New()}, nil
}

// partWriter gathers one part in a pooled buffer.
type partWriter struct {
	store  *Objects
	up     storage.Upload
	number int
	offset int64
	// buf has the part's greatest length; the first n bytes are taken. It is
	// nil once the memory went back.
	buf []byte
	n   int
	crc hash.Hash64
	// over is set by Commit and Discard, stored by Commit.
	over   bool
	stored storage.Part
}

// ReadFrom implements [storage.PartWriter]. The checksum is computed piece by
// piece, while the bytes are still in the processor's cache.
func (w *partWriter) ReadFrom(r io.Reader) (int64, error) {
	start, empty := w.n, 0
	for w.n < len(w.buf) {
		n, err := r.Read(w.buf[w.n:])
		if n < 0 || n > len(w.buf)-w.n {
			return int64(w.n - start), errors.New("source returned an impossible count")
		}
		w.crc.Write(w.buf[w.n : w.n+n]) //nolint:errcheck // a hash never fails
		w.n += n
		switch {
		case err == io.EOF:
			return int64(w.n - start), nil
		case err != nil:
			return int64(w.n - start), err
		case n > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return int64(w.n - start), io.ErrNoProgress
			}
		}
	}
	return int64(w.n - start), nil
}

// Len implements [storage.PartWriter].
func (w *partWriter) Len() int64 { return int64(w.n) }

// Bytes implements [storage.PartWriter].
func (w *partWriter) Bytes() []byte { return w.buf[:w.n] }

// Commit implements [storage.PartWriter]. It repeats the upload from the
// buffer. After an error the part is still there: Commit may be called again,
// or Discard.
func (w *partWriter) Commit(ctx context.Context) (storage.Part, error) {
	const op = "put part"
	switch {
	case w.stored.Number > 0:
		return w.stored, nil
	case w.over:
		return storage.Part{}, invalid(op, w.up.Name, "part was discarded")
	}
	part := storage.Part{Number: w.number, Offset: w.offset, Size: int64(w.n), CRC64: w.crc.Sum64()}
	err := retry(ctx, func() (err error) {
		part.ETag, err = w.store.putPart(ctx, w.up, w.number, w.buf[:w.n], part.CRC64)
		return err
	})
	if err != nil {
		return storage.Part{}, err
	}
	w.stored = part
	w.Discard()
	return part, nil
}

// Discard implements [storage.PartWriter].
func (w *partWriter) Discard() {
	if w.over {
		return
	}
	w.over = true
	w.store.pool.Put(w.buf)
	w.buf, w.n = nil, 0
}

// putPart sends a part once. When it returns, nothing reads body any more.
func (s *Objects) putPart(ctx context.Context, up storage.Upload, number int, body []byte, crc uint64) (string, error) {
	const op = "put part"
	bucket, key, err := s.split(op, up.Name)
	if err != nil {
		return "", err
	}
	id, checked := uploadID(up)
	opts := minio.PutObjectPartOptions{DisableContentSha256: true}
	if checked {
		opts.CustomHeader = crcHeader(crc)
	}
	ctx, cancel := context.WithTimeout(ctx, partTimeout+time.Duration(len(body)/slowestRate)*time.Second)
	defer cancel()
	ctx, t := newTrip(ctx)
	t.body = body
	defer t.wait()
	stored, err := s.core.PutObjectPart(ctx, bucket, key, id, number, bytes.NewReader(body), int64(len(body)), opts)
	if err != nil {
		return "", t.fail(op, up.Name, write, err)
	}
	if got, ok := decodeCRC(stored.ChecksumCRC64NVME); ok && got != crc {
		return "", &storage.Error{
			Op: op, Name: up.Name, Kind: storage.ErrCorrupt,
			Err: errors.New("the server's checksum differs from ours"),
		}
	}
	if stored.ETag == "" {
		return "", &storage.Error{
			Op: op, Name: up.Name, Kind: storage.ErrUnknown,
			Err: errors.New("the answer has no ETag"),
		}
	}
	return stored.ETag, nil
}
