package storage

import "context"

// Version is the opaque token of one written body of one key. Two writes never
// share a version as long as their bodies differ; bodies of godwit always do,
// because each carries a write id (an S3 ETag is only an MD5 of the body).
type Version string

// Record is one body as the store holds it, with the version to name when
// replacing it.
type Record struct {
	Key     string
	Body    []byte
	Version Version
}

// RecordStore keeps small bodies (at most [MaxRecordSize]) under keys and
// changes them only conditionally.
//
// Keys are slash-separated segments of [A-Za-z0-9._-], at most 255 bytes a
// segment and 900 bytes in all; no key is a prefix folder of another key.
// Reads see the last acknowledged write (read-after-write for one key); nothing
// is promised across keys.
//
// Every method returns a *[Error] when it fails. A write that fails with
// [ErrUnknown] may have happened: use [Settle]. Implementations never retry a
// write by themselves.
type RecordStore interface {
	// Create writes the body if the key has none. ErrExists when it has one,
	// ErrConflict when the store could not tell who won.
	Create(ctx context.Context, key string, body []byte) (Version, error)
	// CompareAndSwap replaces the body if its version still is old.
	// ErrMismatch when it is not, ErrNotFound when the key has no body,
	// ErrConflict when the store could not tell who won.
	CompareAndSwap(ctx context.Context, key string, body []byte, old Version) (Version, error)
	// Get returns body and version from one read. ErrNotFound when absent.
	Get(ctx context.Context, key string) (Record, error)
	// List returns up to limit keys under prefix that sort after startAfter, in
	// byte order. Fewer than limit keys means the end was reached. The listing
	// may lag behind writes; correctness never depends on it.
	List(ctx context.Context, prefix, startAfter string, limit int) ([]string, error)
	// Delete removes the key if its version still is old. Deleting an absent
	// key succeeds. Some stores ignore the condition, so callers delete only
	// what nobody will write again.
	Delete(ctx context.Context, key string, old Version) error
}

// MaxRecordSize bounds one record body in bytes, written or read back.
const MaxRecordSize = 4 << 20
