package actors

import (
	"context"
	"errors"
	"time"

	"godwit/bug"
	"godwit/storage"
	"godwit/transfer"
)

// errFenced says that somebody else owns the record now: whoever learns it
// stops at once and destroys nothing.
var errFenced = errors.New("another owner has the record")

// recorder writes records on behalf of one incarnation of a node. It is shared
// by all actors and has no state of its own.
type recorder struct {
	store  storage.RecordStore
	sealer Sealer
	meter  Meter
	random func() float64
}

// write settles one write: it returns the version when the body is in the
// store, errFenced when another owner's is, and ctx's error when it was told to
// stop before anybody could know. Everything else is tried again for as long as
// it takes: a transfer never goes on with a state that is not recorded.
func (w *recorder) write(ctx context.Context, key string, old storage.Version, body []byte) (storage.Version, error) {
	for failures := 1; ; failures++ {
		version, err := w.once(ctx, key, old, body)
		switch {
		case err == nil:
			return version, nil
		case isLost(err):
			w.meter.Fenced()
			return "", errFenced
		}
		if err := sleep(ctx, min(transfer.Backoff(failures, w.random()), 5*time.Second)); err != nil {
			return "", err
		}
	}
}

// remove settles one deletion, as write settles a write. The record said before
// that it is to be deleted, so nobody but its owner writes it again.
func (w *recorder) remove(ctx context.Context, key string, version storage.Version) error {
	for failures := 1; ; failures++ {
		err := w.store.Delete(ctx, key, version)
		w.meter.StateWrite("delete", writeResult(err))
		switch {
		case err == nil:
			return nil
		case storage.KindOf(err) == storage.ErrMismatch:
			w.meter.Fenced()
			return errFenced
		}
		if err := sleep(ctx, min(transfer.Backoff(failures, w.random()), 5*time.Second)); err != nil {
			return err
		}
	}
}

// isLost tells that the record changed under us, or is gone.
func isLost(err error) bool {
	switch storage.KindOf(err) {
	case storage.ErrMismatch, storage.ErrExists, storage.ErrNotFound:
		return true
	}
	return false
}

// once writes and settles once.
func (w *recorder) once(ctx context.Context, key string, old storage.Version, body []byte) (storage.Version, error) {
	op := "update"
	var version storage.Version
	var err error
	if old == "" {
		op = "create"
		version, err = w.store.Create(ctx, key, body)
	} else {
		version, err = w.store.CompareAndSwap(ctx, key, body, old)
	}
	if err != nil {
		version, err = storage.Settle(ctx, w.store, key, body, old, err)
	}
	w.meter.StateWrite(op, writeResult(err))
	if bug.Seeded == bug.LostIsSuccess && isLost(err) {
		rec, err := w.store.Get(ctx, key) // as if it held our body
		return rec.Version, err
	}
	return version, err
}

func writeResult(err error) string {
	switch {
	case err == nil:
		return "ok"
	case isLost(err):
		return "lost"
	case storage.KindOf(err) == storage.ErrUnknown:
		return "unknown"
	}
	return "error"
}

// read loads a record. A missing one is transfer.not_found, an unusable one
// internal.quarantined.
func (w *recorder) read(ctx context.Context, id string) (*record, *transfer.Error) {
	rec, err := w.store.Get(ctx, transferKey(id))
	switch storage.KindOf(err) {
	case "":
		if err != nil {
			return nil, storeError(err)
		}
	case storage.ErrNotFound:
		return nil, notFound(id)
	case storage.ErrCorrupt:
		return nil, quarantined(id, err)
	default:
		return nil, storeError(err)
	}
	r, err := parseRecord(rec, w.sealer)
	if err != nil {
		return nil, quarantined(id, err)
	}
	return r, nil
}

// readPatiently is read, repeated while the store is away.
func (w *recorder) readPatiently(ctx context.Context, id string) (*record, *transfer.Error) {
	for failures := 1; ; failures++ {
		r, err := w.read(ctx, id)
		if err == nil || err.Code.Class() != transfer.Transient {
			return r, err
		}
		if sleep(ctx, min(transfer.Backoff(failures, w.random()), 5*time.Second)) != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
