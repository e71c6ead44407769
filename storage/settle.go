package storage

import (
	"bytes"
	"context"
	"errors"
)

// Settle turns the outcome of a conditional write into a definite one.
//
// A write may report failure although it happened: the reply was lost, or a
// retry inside some proxy met our own first attempt and got 412. As every body
// carries a write id and so is unlike any other, reading the key back tells:
// if it holds our body, we won. Settle returns the version when our body is
// there; ErrMismatch (or ErrExists for a create) when another body is;
// ErrNotFound when there is none and old was not empty; the original error
// when nothing is there yet (the write did not happen and may be retried).
// ErrUnknown means that even the read failed: the caller still knows nothing.
func Settle(ctx context.Context, rs RecordStore, key string, body []byte, old Version, err error) (Version, error) {
	switch kind := KindOf(err); kind {
	case ErrExists, ErrMismatch, ErrConflict, ErrUnknown:
	default:
		return "", err
	}
	rec, readErr := rs.Get(ctx, key)
	switch {
	case readErr == nil && bytes.Equal(rec.Body, body):
		return rec.Version, nil
	case readErr == nil && old != "" && rec.Version == old:
		// Nobody has written yet: not lost, only not done.
		return "", &Error{Op: "settle", Name: key, Kind: ErrConflict, Err: err}
	case readErr == nil && old == "":
		return "", &Error{Op: "settle", Name: key, Kind: ErrExists, Err: err}
	case readErr == nil:
		return "", &Error{Op: "settle", Name: key, Kind: ErrMismatch, Err: err}
	case errors.Is(readErr, ErrNotFound) && old == "":
		return "", &Error{Op: "settle", Name: key, Kind: ErrConflict, Err: err}
	case errors.Is(readErr, ErrNotFound):
		return "", readErr
	default:
		return "", &Error{Op: "settle", Name: key, Kind: ErrUnknown, Err: readErr}
	}
}
