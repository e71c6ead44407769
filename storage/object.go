package storage

import (
	"context"
	"io"
	"time"
)

// UnknownSize stands where the number of bytes is not known beforehand.
const UnknownSize int64 = -1

// Limits say what plan of parts a store accepts.
type Limits struct {
	// MinPart and MaxPart bound the size of a part in bytes; the last part of
	// an object may be smaller than MinPart.
	MinPart, MaxPart int64
	// Preferred is the part size in bytes that moves bytes best.
	Preferred int64
	// MaxParts bounds the number of parts of one object.
	MaxParts int
	// Buffered tells that a part in flight holds its whole size in memory;
	// otherwise it streams through a buffer of at most [StreamBuffer] bytes.
	Buffered bool
	// Fenced tells that the store itself refuses a stale owner's completion
	// (S3 multipart: the recorded ETags must match).
	Fenced bool
	// Checkpoint is how often progress of a running transfer is worth a
	// record write.
	Checkpoint time.Duration
}

// StreamBuffer is the memory in bytes that a part streamed into a store which
// is not Buffered holds.
const StreamBuffer = 256 << 10

// Upload names one object under construction.
type Upload struct {
	// Name is the object's name within its store: "bucket/key", or an absolute
	// file path.
	Name string
	// ID is the store's own handle: a multipart upload id, or the name of the
	// partial file.
	ID string
}

// Part is one stored part.
type Part struct {
	// Number counts from 1; Offset and Size are in bytes within the object.
	Number int
	Offset int64
	Size   int64
	// ETag is the store's token for the stored bytes.
	ETag string
	// CRC64 is the CRC-64/NVME of the part's bytes.
	CRC64 uint64
}

// BeginOptions describe an object about to be built.
type BeginOptions struct {
	// Token identifies this attempt of this transfer, is unique to it and safe
	// as a file name. It is kept with the object so that a later owner
	// recognises its own result (see ObjectInfo.Token).
	Token string
	// Size is the object's size in bytes, or UnknownSize.
	Size int64
	// Retry tells that an earlier Begin with the same Token may have happened
	// without its outcome being known, at or after Since. The store then
	// removes or reuses what it left, so that nothing is leaked.
	Retry bool
	Since time.Time
	// ContentType is kept with the object where the store can.
	ContentType string
}

// CompleteOptions describe how an object is published.
type CompleteOptions struct {
	Token string
	// Size and CRC64 are the whole object's size in bytes and CRC-64/NVME; a
	// store refuses (ErrCorrupt) to publish anything else.
	Size  int64
	CRC64 uint64
	// Replace allows replacing an object of the same name; without it
	// Complete returns ErrExists when there is one that is not ours.
	Replace bool
	// Check has the parts read once more before they are published, where the store
	// keeps them as they were written without looking again; ErrPartLost when one
	// has changed. It is for callers that did not write them just now.
	Check bool
	// ModTime is set on the result where the store can, when not zero.
	ModTime time.Time
}

// ObjectInfo describes a published object.
type ObjectInfo struct {
	Size    int64
	ModTime time.Time
	// ETag changes whenever the content changes.
	ETag string
	// Token is the BeginOptions.Token the object was built with, if the store
	// keeps it.
	Token string
	// CRC64 is the CRC-64/NVME of the content when the store knows it.
	CRC64    uint64
	HasCRC64 bool
}

// PartWriter takes the bytes of one part. It is used by one goroutine. After an
// error of the source (not of the writer) more bytes may follow: the writer
// keeps what it has.
type PartWriter interface {
	// ReadFrom appends bytes of r until the part is full or r ends or fails.
	// Errors of r come back as they are; errors of the store as *[Error]. It
	// never reads more than the part has room for.
	io.ReaderFrom
	// Len is the number of bytes taken so far.
	Len() int64
	// Bytes is the content so far for buffered stores and nil for others. It
	// is valid until Commit or Discard.
	Bytes() []byte
	// Commit stores the part as it is (a part may be shorter than announced
	// only when it is the last one) and releases the writer's memory. After an
	// error the writer still holds the part: Commit may be repeated, and
	// Discard must be called in the end.
	Commit(ctx context.Context) (Part, error)
	// Discard drops the part and releases the writer's memory. It is a no-op
	// after Commit.
	Discard()
}

// ObjectStore builds objects from parts and publishes them whole.
//
// Every method returns a *[Error] when it fails. Begin, Commit, Complete,
// Abort and Delete are safe to repeat after an unknown outcome.
type ObjectStore interface {
	Limits() Limits
	// Stat describes a published object; ErrNotFound when there is none.
	Stat(ctx context.Context, name string) (ObjectInfo, error)
	// Begin starts an object. Nothing becomes visible under its name.
	Begin(ctx context.Context, name string, opts BeginOptions) (Upload, error)
	// OpenPart waits for memory and returns a writer for one part. Number and
	// Offset say where the part lies, size how long it is at most.
	OpenPart(ctx context.Context, up Upload, number int, offset, size int64) (PartWriter, error)
	// ListParts returns the parts that are stored intact, in order of their
	// numbers: the store has checked their checksums where it can. ErrNoUpload
	// when the upload is gone.
	ListParts(ctx context.Context, up Upload) ([]Part, error)
	// Sync makes the parts committed so far survive a power loss. A store
	// whose Commit is already durable does nothing.
	Sync(ctx context.Context, up Upload) error
	// ReadBack streams the object's first size bytes before it is published,
	// for checksums. ErrUnsupported where only published objects are readable.
	ReadBack(ctx context.Context, up Upload, size int64) (io.ReadCloser, error)
	// Complete publishes exactly the given parts. Repeating it after it
	// happened returns the same object. ErrExists when opts.Replace is false
	// and another object has the name; ErrNoUpload when the upload is gone and
	// no object with our Token is there; ErrPartLost when a part is missing or
	// differs.
	Complete(ctx context.Context, up Upload, parts []Part, opts CompleteOptions) (ObjectInfo, error)
	// Abort removes the upload and its parts. An upload that is gone, or was
	// completed, is no error.
	Abort(ctx context.Context, up Upload) error
	// Open streams a published object from offset to its end. ErrNotFound;
	// ErrInvalid when offset is negative or beyond the end.
	Open(ctx context.Context, name string, offset int64) (io.ReadCloser, ObjectInfo, error)
	// Delete removes a published object. One that is missing is no error;
	// ErrInvalid when the name is that of something else, a folder for example.
	Delete(ctx context.Context, name string) error
}
