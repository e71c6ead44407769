package storagetest

import (
	"context"
	"io"

	"godwit/storage"
)

// Records decorates a record store.
func (f *Faults) Records(rs storage.RecordStore) storage.RecordStore {
	return &faultyRecords{f: f, rs: rs}
}

// Objects decorates an object store and the part writers it returns. The
// streams of Open and ReadBack are not decorated.
func (f *Faults) Objects(store storage.ObjectStore) storage.ObjectStore {
	return &faultyObjects{f: f, os: store}
}

type faultyRecords struct {
	f  *Faults
	rs storage.RecordStore
}

func (r *faultyRecords) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	return do(ctx, r.f, OpCreate, key, func() (storage.Version, error) {
		return r.rs.Create(ctx, key, body)
	}, nil)
}

func (r *faultyRecords) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	return do(ctx, r.f, OpSwap, key, func() (storage.Version, error) {
		return r.rs.CompareAndSwap(ctx, key, body, old)
	}, nil)
}

func (r *faultyRecords) Get(ctx context.Context, key string) (storage.Record, error) {
	return do(ctx, r.f, OpGet, key, func() (storage.Record, error) { return r.rs.Get(ctx, key) }, nil)
}

func (r *faultyRecords) List(ctx context.Context, prefix, startAfter string, limit int) ([]string, error) {
	return do(ctx, r.f, OpList, prefix, func() ([]string, error) {
		return r.rs.List(ctx, prefix, startAfter, limit)
	}, nil)
}

func (r *faultyRecords) Delete(ctx context.Context, key string, old storage.Version) error {
	return act(ctx, r.f, OpDelete, key, func() error { return r.rs.Delete(ctx, key, old) })
}

type faultyObjects struct {
	f  *Faults
	os storage.ObjectStore
}

func (o *faultyObjects) Limits() storage.Limits { return o.os.Limits() }

func (o *faultyObjects) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	return do(ctx, o.f, OpStat, name, func() (storage.ObjectInfo, error) { return o.os.Stat(ctx, name) }, nil)
}

func (o *faultyObjects) Begin(ctx context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	return do(ctx, o.f, OpBegin, name, func() (storage.Upload, error) { return o.os.Begin(ctx, name, opts) }, nil)
}

func (o *faultyObjects) OpenPart(ctx context.Context, up storage.Upload, number int, offset, size int64) (storage.PartWriter, error) {
	return do(ctx, o.f, OpOpenPart, up.Name, func() (storage.PartWriter, error) {
		w, err := o.os.OpenPart(ctx, up, number, offset, size)
		if err != nil {
			return nil, err
		}
		return &faultyWriter{PartWriter: w, ctx: ctx, f: o.f, name: up.Name}, nil
	}, storage.PartWriter.Discard)
}

func (o *faultyObjects) ListParts(ctx context.Context, up storage.Upload) ([]storage.Part, error) {
	return do(ctx, o.f, OpListParts, up.Name, func() ([]storage.Part, error) { return o.os.ListParts(ctx, up) }, nil)
}

func (o *faultyObjects) Sync(ctx context.Context, up storage.Upload) error {
	return act(ctx, o.f, OpSync, up.Name, func() error { return o.os.Sync(ctx, up) })
}

func (o *faultyObjects) ReadBack(ctx context.Context, up storage.Upload, size int64) (io.ReadCloser, error) {
	return do(ctx, o.f, OpReadBack, up.Name, func() (io.ReadCloser, error) {
		return o.os.ReadBack(ctx, up, size)
	}, func(body io.ReadCloser) { _ = body.Close() })
}

func (o *faultyObjects) Complete(ctx context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	return do(ctx, o.f, OpComplete, up.Name, func() (storage.ObjectInfo, error) {
		return o.os.Complete(ctx, up, parts, opts)
	}, nil)
}

func (o *faultyObjects) Abort(ctx context.Context, up storage.Upload) error {
	return act(ctx, o.f, OpAbort, up.Name, func() error { return o.os.Abort(ctx, up) })
}

func (o *faultyObjects) Delete(ctx context.Context, name string) error {
	return act(ctx, o.f, OpRemove, name, func() error { return o.os.Delete(ctx, name) })
}

// opened is what Open returns beside the error.
type opened struct {
	body io.ReadCloser
	info storage.ObjectInfo
}

func (o *faultyObjects) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, storage.ObjectInfo, error) {
	result, err := do(ctx, o.f, OpOpen, name, func() (opened, error) {
		body, info, err := o.os.Open(ctx, name, offset)
		return opened{body, info}, err
	}, func(result opened) { _ = result.body.Close() })
	return result.body, result.info, err
}

// faultyWriter decorates what can fail of a part writer. It keeps the context
// of OpenPart for ReadFrom, which has none of its own.
type faultyWriter struct {
	storage.PartWriter
	ctx  context.Context
	f    *Faults
	name string
}

// ReadFrom fails before it has taken a byte, or after it has taken them all:
// then the bytes are in the writer, and Len tells.
func (w *faultyWriter) ReadFrom(r io.Reader) (int64, error) {
	before := w.Len()
	n, err := do(w.ctx, w.f, OpReadFrom, w.name, func() (int64, error) { return w.PartWriter.ReadFrom(r) }, nil)
	return max(n, w.Len()-before), err
}

func (w *faultyWriter) Commit(ctx context.Context) (storage.Part, error) {
	return do(ctx, w.f, OpCommit, w.name, func() (storage.Part, error) { return w.PartWriter.Commit(ctx) }, nil)
}
