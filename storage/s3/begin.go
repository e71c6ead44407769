package s3

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// plainPrefix marks in an Upload.ID that the upload was created without a
// checksum algorithm: its parts must then carry none, whoever sends them.
const plainPrefix = "plain:"

// Slack when a server's times are compared with ours. S3 dates have whole
// seconds; without a Date header the clocks may differ by as much as
// signatures allow.
const (
	dateSlack    = 2 * time.Second
	unknownSlack = 15 * time.Minute
)

// maxUploadPages bounds how many pages of uploads of one key are looked at.
const maxUploadPages = 20

// uploadID is what the server calls an upload, and whether its parts carry
// checksums.
func uploadID(up storage.Upload) (id string, checked bool) {
	id, plain := strings.CutPrefix(up.ID, plainPrefix)
	return id, !plain
}

// Begin implements [storage.ObjectStore]. ErrNotFound when there is no such
// bucket.
func (s *Objects) Begin(ctx context.Context, name string, opts storage.BeginOptions) (storage.Upload, error) {
	const op = "begin"
	bucket, key, err := s.split(op, name)
	switch {
	case err != nil:
		return storage.Upload{}, err
	case !isToken(opts.Token):
		return storage.Upload{}, invalid(op, name, "token may hold only [A-Za-z0-9._-]")
	}
	if opts.Retry {
		if err := s.sweep(ctx, name, bucket, key, opts.Since); err != nil {
			return storage.Upload{}, err
		}
	}
	checked := !s.plain.Load()
	id, err := s.initiate(ctx, name, bucket, key, opts, checked)
	if checked && refusesChecksum(err) {
		id, err = s.initiate(ctx, name, bucket, key, opts, false)
		if err == nil {
			s.plain.Store(true)
			checked = false
		}
	}
	if err != nil {
		return storage.Upload{}, err
	}
	if !checked {
		id = plainPrefix + id
	}
	return storage.Upload{Name: name, ID: id}, nil
}

// refusesChecksum tells that a server may dislike the checksum headers; it is
// the case when the same request without them succeeds.
func refusesChecksum(err error) bool {
	return errors.Is(err, storage.ErrInvalid) || errors.Is(err, storage.ErrUnsupported)
}

// initiate creates one multipart upload. It is sent once: a repetition after a
// lost answer would leave an upload behind that nobody knows.
func (s *Objects) initiate(ctx context.Context, name, bucket, key string, opts storage.BeginOptions, checked bool) (string, error) {
	const op = "begin"
	put := putOptions(opts.Token, opts.ContentType)
	if checked {
		put.UserMetadata[headerAlgorithm] = algorithmCRC
		put.UserMetadata[headerType] = typeFullObject
	}
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	id, err := s.core.NewMultipartUpload(ctx, bucket, key, put)
	switch {
	case err != nil:
		return "", t.fail(op, name, write, err)
	case id == "":
		return "", &storage.Error{
			Op: op, Name: name, Kind: storage.ErrUnknown,
			Err: errors.New("the answer names no upload"),
		}
	}
	return id, nil
}

// putOptions are the options that make an object recognisable.
func putOptions(token, contentType string) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{tokenKey: token}}
	if isContentType(contentType) {
		opts.ContentType = contentType
	}
	return opts
}

// isContentType tells whether s can be sent as a header. The type comes from
// far away and is not worth failing for.
func isContentType(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// sweep aborts what an earlier Begin of ours may have left: uploads of exactly
// this key, no older than since, that hold no part. S3 tells no metadata of an
// upload, so one of somebody else that began the same key in these moments
// may be hit; that one starts over. Without the permission to list uploads
// nothing is swept, and the bucket's lifecycle rule is left to do it.
func (s *Objects) sweep(ctx context.Context, name, bucket, key string, since time.Time) error {
	found, err := s.recentUploads(ctx, name, bucket, key, since)
	if errors.Is(err, storage.ErrDenied) || errors.Is(err, storage.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range found {
		up := storage.Upload{Name: name, ID: id}
		empty, err := s.isEmpty(ctx, name, bucket, key, id)
		if err != nil && !errors.Is(err, storage.ErrNoUpload) {
			return err
		}
		if !empty {
			continue
		}
		if err := s.Abort(ctx, up); err != nil {
			return err
		}
	}
	return nil
}

// recentUploads lists the uploads of a key that were initiated at or after
// since, by the server's clock. The whole key is the prefix because minio
// lists nothing for a shorter one.
func (s *Objects) recentUploads(ctx context.Context, name, bucket, key string, since time.Time) ([]string, error) {
	var ids []string
	keyMarker, idMarker := "", ""
	for range maxUploadPages {
		var page minio.ListMultipartUploadsResult
		var after time.Time
		err := s.ask(ctx, "list uploads", name, func(ctx context.Context, t *trip) (err error) {
			page, err = s.core.ListMultipartUploads(ctx, bucket, key, keyMarker, idMarker, "", maxPage)
			after = serverTime(since, t)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			if u.Key == key && !u.Initiated.Before(after) {
				ids = append(ids, u.UploadID)
			}
		}
		if !page.IsTruncated || page.NextKeyMarker > key {
			break
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
	return ids, nil
}

// serverTime is the time since on the server's clock, less some slack.
func serverTime(since time.Time, t *trip) time.Time {
	if skew, known := t.clock(); known {
		return since.Add(skew - dateSlack)
	}
	return since.Add(-unknownSlack)
}

// isEmpty tells whether an upload holds no part.
func (s *Objects) isEmpty(ctx context.Context, name, bucket, key, id string) (bool, error) {
	empty := false
	err := s.ask(ctx, "list parts", name, func(ctx context.Context, _ *trip) error {
		page, err := s.core.ListObjectParts(ctx, bucket, key, id, 0, 1)
		empty = len(page.ObjectParts) == 0
		return err
	})
	return empty && err == nil, err
}

// ask sends a request that reads, repeating it as often as it makes sense.
func (s *Objects) ask(ctx context.Context, op, name string, send func(context.Context, *trip) error) error {
	return retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, objectTimeout)
		defer cancel()
		ctx, t := newTrip(ctx)
		if err := send(ctx, t); err != nil {
			return t.fail(op, name, read, err)
		}
		return nil
	})
}

// Abort implements [storage.ObjectStore].
func (s *Objects) Abort(ctx context.Context, up storage.Upload) error {
	const op = "abort"
	bucket, key, err := s.split(op, up.Name)
	if err != nil {
		return err
	}
	id, _ := uploadID(up)
	s.layouts.forget(up.ID)
	return retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, objectTimeout)
		defer cancel()
		ctx, t := newTrip(ctx)
		err := s.core.AbortMultipartUpload(ctx, bucket, key, id)
		if err == nil {
			return nil
		}
		err = t.fail(op, up.Name, write, err)
		if errors.Is(err, storage.ErrNoUpload) || errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		return err
	})
}
