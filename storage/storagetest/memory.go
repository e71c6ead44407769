package storagetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"godwit/storage"
)

// Memory is a record store in memory. It does no I/O and never waits, so it
// works inside testing/synctest. It is safe for use by several goroutines.
type Memory struct {
	mu sync.Mutex
	// writes counts all writes and makes the versions, guarded by mu.
	writes uint64
	// records is guarded by mu; bodies in it are never changed.
	records map[string]storage.Record
}

var _ storage.RecordStore = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{records: make(map[string]storage.Record)}
}

// Create implements [storage.RecordStore].
func (m *Memory) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	if err := checkWrite(ctx, "create", key, body); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.records[key]; ok {
		return "", &storage.Error{Op: "create", Name: key, Kind: storage.ErrExists}
	}
	return m.put(key, body), nil
}

// CompareAndSwap implements [storage.RecordStore].
func (m *Memory) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	if err := checkWrite(ctx, "swap", key, body); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch rec, ok := m.records[key]; {
	case !ok:
		return "", &storage.Error{Op: "swap", Name: key, Kind: storage.ErrNotFound}
	case rec.Version != old:
		return "", &storage.Error{Op: "swap", Name: key, Kind: storage.ErrMismatch}
	}
	return m.put(key, body), nil
}

// put stores a copy of body; mu is held.
func (m *Memory) put(key string, body []byte) storage.Version {
	m.writes++
	version := storage.Version(strconv.FormatUint(m.writes, 16))
	m.records[key] = storage.Record{Key: key, Body: bytes.Clone(body), Version: version}
	return version
}

// Get implements [storage.RecordStore].
func (m *Memory) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := checkKey(ctx, "get", key); err != nil {
		return storage.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, ok := m.records[key]
	if !ok {
		return storage.Record{}, &storage.Error{Op: "get", Name: key, Kind: storage.ErrNotFound}
	}
	rec.Body = bytes.Clone(rec.Body)
	return rec, nil
}

// List implements [storage.RecordStore].
func (m *Memory) List(ctx context.Context, prefix, startAfter string, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, &storage.Error{Op: "list", Name: prefix, Kind: storage.ErrUnavailable, Err: err}
	}
	if !storage.ValidPrefix(prefix) || limit < 1 {
		return nil, &storage.Error{Op: "list", Name: prefix, Kind: storage.ErrInvalid}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for key := range m.records {
		if strings.HasPrefix(key, prefix) && key > startAfter {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(limit, len(keys))], nil
}

// Delete implements [storage.RecordStore].
func (m *Memory) Delete(ctx context.Context, key string, old storage.Version) error {
	if err := checkKey(ctx, "delete", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, ok := m.records[key]
	if ok && rec.Version != old {
		return &storage.Error{Op: "delete", Name: key, Kind: storage.ErrMismatch}
	}
	delete(m.records, key)
	return nil
}

func checkWrite(ctx context.Context, op, key string, body []byte) error {
	if len(body) > storage.MaxRecordSize {
		return &storage.Error{
			Op: op, Name: key, Kind: storage.ErrInvalid,
			Err: errors.New("the body is too large"),
		}
	}
	return checkKey(ctx, op, key)
}

func checkKey(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return &storage.Error{Op: op, Name: key, Kind: storage.ErrUnavailable, Err: err}
	}
	if !storage.ValidKey(key) {
		return &storage.Error{Op: op, Name: key, Kind: storage.ErrInvalid}
	}
	return nil
}
