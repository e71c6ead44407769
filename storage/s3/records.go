package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/bug"
	"godwit/storage"
)

// Timeouts of one request for a record, answer included. They are well under
// the time after which a node that cannot reach the store gives up its lease.
const (
	readTimeout  = 8 * time.Second
	writeTimeout = 8 * time.Second
)

// maxPage is the most keys or parts that S3 lists in one answer.
const maxPage = 1000

// Records is a [storage.RecordStore] in one bucket. It repeats nothing.
type Records struct {
	core   *minio.Core
	bucket string
	prefix string
}

var (
	_ storage.RecordStore = (*Records)(nil)
	_ storage.ClockSkewer = (*Records)(nil)
)

// OpenRecords returns the record store that cfg describes. It does not talk to
// the server; ErrInvalid when cfg cannot be right.
func OpenRecords(cfg Config) (*Records, error) {
	cfg = cfg.withDefaults()
	if err := ValidateBucket(cfg.Bucket); err != nil {
		return nil, err
	}
	if err := validatePrefix(cfg.Prefix); err != nil {
		return nil, err
	}
	core, err := newCore(cfg)
	if err != nil {
		return nil, err
	}
	prefix := ""
	if cfg.Prefix != "" {
		prefix = cfg.Prefix + "/"
	}
	return &Records{core: core, bucket: cfg.Bucket, prefix: prefix}, nil
}

// Create implements [storage.RecordStore].
func (s *Records) Create(ctx context.Context, key string, body []byte) (storage.Version, error) {
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	return s.put(ctx, "create", key, body, create, opts)
}

// CompareAndSwap implements [storage.RecordStore].
func (s *Records) CompareAndSwap(ctx context.Context, key string, body []byte, old storage.Version) (storage.Version, error) {
	if !isVersion(old) {
		return "", invalid("swap", printable(key), "version is not one of this store")
	}
	var opts minio.PutObjectOptions
	opts.SetMatchETag(string(old))
	if bug.Seeded == bug.DropIfMatch && !strings.HasPrefix(key, "probe/") {
		opts = minio.PutObjectOptions{} // a starting node's probe would refuse the store
	}
	return s.put(ctx, "swap", key, body, swap, opts)
}

// put sends one conditional PUT.
func (s *Records) put(ctx context.Context, op, key string, body []byte, n nature, opts minio.PutObjectOptions) (storage.Version, error) {
	if err := checkRecord(op, key, body); err != nil {
		return "", err
	}
	opts.DisableContentSha256 = true // the hash below is signed instead of a stream
	opts.ContentType = "application/octet-stream"
	sum := sha256.Sum256(body)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	t.body = body
	defer t.wait()
	info, err := s.core.PutObject(ctx, s.bucket, s.prefix+key, bytes.NewReader(body), int64(len(body)),
		"", hex.EncodeToString(sum[:]), opts)
	switch {
	case err != nil:
		err = s.fail(t, op, key, n, err)
		if bug.Seeded == bug.TimeoutIsSuccess && storage.KindOf(err) == storage.ErrUnknown {
			return versionOf(body), nil
		}
		return "", err
	case !isVersion(storage.Version(info.ETag)):
		// Written, yet without a version that the next write could name.
		return "", &storage.Error{Op: op, Name: key, Kind: storage.ErrUnknown}
	}
	return storage.Version(info.ETag), nil
}

// Get implements [storage.RecordStore]. ErrCorrupt when the body is longer
// than any record may be.
func (s *Records) Get(ctx context.Context, key string) (storage.Record, error) {
	const op = "get"
	if !storage.ValidKey(key) {
		return storage.Record{}, invalid(op, printable(key), "is no record key")
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	rc, info, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return storage.Record{}, s.fail(t, op, key, read, err)
	}
	defer rc.Close() //nolint:errcheck // nothing depends on it once the body is read
	body, err := io.ReadAll(io.LimitReader(rc, storage.MaxRecordSize+1))
	switch {
	case err != nil:
		return storage.Record{}, &storage.Error{Op: op, Name: key, Kind: storage.ErrUnavailable, Err: err}
	case len(body) > storage.MaxRecordSize:
		return storage.Record{}, &storage.Error{
			Op: op, Name: key, Kind: storage.ErrCorrupt,
			Err: fmt.Errorf("longer than %d bytes", storage.MaxRecordSize),
		}
	}
	return storage.Record{Key: key, Body: body, Version: storage.Version(info.ETag)}, nil
}

// List implements [storage.RecordStore].
func (s *Records) List(ctx context.Context, prefix, startAfter string, limit int) ([]string, error) {
	const op = "list"
	if !storage.ValidPrefix(prefix) || limit < 1 {
		return nil, invalid(op, printable(prefix), "is no prefix of record keys, or the limit is not positive")
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout*time.Duration(1+limit/maxPage))
	defer cancel()
	ctx, t := newTrip(ctx)
	opts := minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true, MaxKeys: min(limit, maxPage)}
	if startAfter != "" {
		opts.StartAfter = s.prefix + startAfter
	}
	var keys []string
	for obj := range s.core.ListObjectsIter(ctx, s.bucket, opts) {
		if obj.Err != nil {
			return nil, s.fail(t, op, prefix, read, obj.Err)
		}
		if keys = append(keys, strings.TrimPrefix(obj.Key, s.prefix)); len(keys) == limit {
			break
		}
	}
	if err := ctx.Err(); err != nil && len(keys) < limit {
		// The iterator ends quietly when the context does; a short list would
		// be taken for the end.
		return nil, &storage.Error{Op: op, Name: prefix, Kind: storage.ErrUnavailable, Err: err}
	}
	return keys, nil
}

// Delete implements [storage.RecordStore]. The condition goes out as If-Match,
// which minio-go has no option for and some servers ignore (minio does).
func (s *Records) Delete(ctx context.Context, key string, old storage.Version) error {
	const op = "delete"
	if !storage.ValidKey(key) || !isVersion(old) {
		return invalid(op, printable(key), "key or version is not one of this store")
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	t.header = http.Header{"If-Match": {`"` + string(old) + `"`}}
	err := s.core.RemoveObject(ctx, s.bucket, s.prefix+key, minio.RemoveObjectOptions{})
	if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil
	}
	return s.fail(t, op, key, swap, err)
}

// ClockSkew returns the store's clock minus this machine's, to about half a
// second. Signatures stop being accepted at 15 minutes.
func (s *Records) ClockSkew(ctx context.Context) (time.Duration, error) {
	return clockSkew(ctx, s.core, s.bucket)
}

// fail corrects what means something else for records than for objects.
func (s *Records) fail(t *trip, op, key string, n nature, err error) error {
	out := t.fail(op, key, n, err)
	var e *storage.Error
	if !errors.As(out, &e) {
		return out
	}
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchBucket:
		// That a record does not exist is a fact nobody knows without a bucket.
		e.Kind = storage.ErrUnavailable
	case "ExistingObjectIsDirectory":
		// No record key is a folder: versitygw says so when a create meets a
		// delete of the same key.
		e.Kind = storage.ErrConflict
	}
	return out
}

// versionOf is the version that a server gives a body which it stores as it is:
// only a seeded bug guesses it.
func versionOf(body []byte) storage.Version {
	sum := md5.Sum(body)
	return storage.Version(hex.EncodeToString(sum[:]))
}

func checkRecord(op, key string, body []byte) error {
	if !storage.ValidKey(key) {
		return invalid(op, printable(key), "is no record key")
	}
	if len(body) > storage.MaxRecordSize {
		return invalid(op, key, "record is too long")
	}
	return nil
}

// isVersion tells whether v can be an ETag; "*" would match anything.
func isVersion(v storage.Version) bool {
	if v == "" || v == "*" || len(v) > 256 {
		return false
	}
	for i := range len(v) {
		if c := v[i]; c <= ' ' || c > '~' || c == '"' {
			return false
		}
	}
	return true
}
