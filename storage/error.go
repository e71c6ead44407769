package storage

import (
	"errors"
	"fmt"
)

// Kind classifies what went wrong, independent of the store. Each kind is an
// error itself, to be used with errors.Is.
type Kind string

func (k Kind) Error() string { return string(k) }

// The kinds. Who returns which is said at the methods of [RecordStore] and
// [ObjectStore].
const (
	// ErrNotFound: the key or object does not exist. Definite.
	ErrNotFound Kind = "not found"
	// ErrExists: create-if-absent lost; something is there. Definite for the
	// store's view, yet it may be our own earlier write: see Settle.
	ErrExists Kind = "already exists"
	// ErrMismatch: the version given is not the current one (HTTP 412).
	ErrMismatch Kind = "version mismatch"
	// ErrConflict: concurrent writers, the store does not say who won (409).
	ErrConflict Kind = "conflicting operation"
	// ErrUnknown: the write may or may not have happened (timeout, broken
	// connection, 5xx after the request was sent).
	ErrUnknown Kind = "outcome unknown"
	// ErrUnavailable: a read failed, or a write was refused before it began
	// (503 SlowDown, connection refused). Try again later.
	ErrUnavailable Kind = "store unavailable"
	// ErrDenied: credentials or permissions.
	ErrDenied Kind = "access denied"
	// ErrFull: no space or quota left.
	ErrFull Kind = "no space left"
	// ErrNoUpload: the upload does not exist (any more).
	ErrNoUpload Kind = "no such upload"
	// ErrPartLost: a part that should be there is missing or differs.
	ErrPartLost Kind = "part lost"
	// ErrCorrupt: bytes read back are not the bytes written.
	ErrCorrupt Kind = "corrupt"
	// ErrInvalid: the name, key or size is not acceptable to this store.
	ErrInvalid Kind = "invalid"
	// ErrNotFolder: what the name takes for a folder is something else, so that
	// nothing can lie below it.
	ErrNotFolder Kind = "not a folder"
	// ErrUnsupported: this store cannot do that.
	ErrUnsupported Kind = "not supported"
)

// Error is how every store reports a failure.
type Error struct {
	// Op is the operation, for example "create" or "put part".
	Op string
	// Name is the key or object concerned; it never holds a secret.
	Name string
	Kind Kind
	// Err is the cause, or nil.
	Err error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s %s: %s", e.Op, e.Name, e.Kind)
	}
	return fmt.Sprintf("%s %s: %s: %v", e.Op, e.Name, e.Kind, e.Err)
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// KindOf returns the kind of err, or "" when err is no storage error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
