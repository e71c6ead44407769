//go:build history

package node

import (
	"context"

	"godwit/storage"
)

// pointRecords has the process die around writes of records.
func pointRecords(store storage.RecordStore) storage.RecordStore {
	if reached := failpoint(); reached != nil {
		return &pointedRecords{RecordStore: store, reached: reached}
	}
	return store
}

type pointedRecords struct {
	storage.RecordStore
	reached func(string)
}

func (s *pointedRecords) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	s.reached(pointRecordAsked)
	version, err := s.RecordStore.Create(ctx, key, body)
	s.reached(pointRecordWritten)
	return version, err
}

func (s *pointedRecords) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	s.reached(pointRecordAsked)
	version, err := s.RecordStore.CompareAndSwap(ctx, key, body, old)
	s.reached(pointRecordWritten)
	return version, err
}

// pointObjects has it die around what it does to results.
func pointObjects(stores map[string]storage.ObjectStore) map[string]storage.ObjectStore {
	reached := failpoint()
	if reached == nil {
		return stores
	}
	pointed := map[string]storage.ObjectStore{}
	for scheme, store := range stores {
		pointed[scheme] = &pointedObjects{ObjectStore: store, reached: reached}
	}
	return pointed
}

type pointedObjects struct {
	storage.ObjectStore
	reached func(string)
}

func (s *pointedObjects) Begin(ctx context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	up, err := s.ObjectStore.Begin(ctx, name, opts)
	s.reached(pointUploadBegun)
	return up, err
}

func (s *pointedObjects) OpenPart(ctx context.Context, up storage.Upload, number int, offset, size int64) (storage.PartWriter, error) {
	w, err := s.ObjectStore.OpenPart(ctx, up, number, offset, size)
	if err != nil {
		return nil, err
	}
	return &pointedPart{PartWriter: w, reached: s.reached}, nil
}

func (s *pointedObjects) Complete(ctx context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	s.reached(pointResultAsked)
	info, err := s.ObjectStore.Complete(ctx, up, parts, opts)
	s.reached(pointResultPublished)
	return info, err
}

func (s *pointedObjects) Abort(ctx context.Context, up storage.Upload) error {
	s.reached(pointAbortAsked)
	return s.ObjectStore.Abort(ctx, up)
}

type pointedPart struct {
	storage.PartWriter
	reached func(string)
}

func (w *pointedPart) Commit(ctx context.Context) (storage.Part, error) {
	w.reached(pointPartAsked)
	part, err := w.PartWriter.Commit(ctx)
	w.reached(pointPartStored)
	return part, err
}
