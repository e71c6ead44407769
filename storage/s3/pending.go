package s3

import (
	"context"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

var _ storage.PendingLister = (*Objects)(nil)

// splitPlace takes "bucket/prefix/" apart; the prefix may be empty.
func splitPlace(op, place string) (bucket, prefix string, err error) {
	bucket, prefix, _ = strings.Cut(place, "/")
	if err := ValidateBucket(bucket); err != nil {
		return "", "", err
	}
	if prefix != "" && ValidateKey(prefix) != nil {
		return "", "", invalid(op, place, "is no folder of a bucket")
	}
	return bucket, prefix, nil
}

// Clock implements [storage.PendingLister].
func (s *Objects) Clock(ctx context.Context, place string) (time.Time, error) {
	bucket, _, err := splitPlace("clock", place)
	if err != nil {
		return time.Time{}, err
	}
	skew, err := s.ClockSkew(ctx, bucket)
	return time.Now().Add(skew), err
}

// ListPending implements [storage.PendingLister]. An upload counts as changed when
// it was begun; Touched knows of its parts. Some servers (minio) list the uploads
// of whole keys only, so that nothing is found below a shorter place.
func (s *Objects) ListPending(ctx context.Context, place string, visit func(storage.Pending) error) error {
	const op = "list uploads"
	bucket, prefix, err := splitPlace(op, place)
	if err != nil {
		return err
	}
	for keyMarker, idMarker := "", ""; ; {
		var page minio.ListMultipartUploadsResult
		err := s.ask(ctx, op, place, func(ctx context.Context, _ *trip) (err error) {
			page, err = s.core.ListMultipartUploads(ctx, bucket, prefix, keyMarker, idMarker, "", maxPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if !strings.HasPrefix(u.Key, prefix) {
				continue
			}
			name := bucket + "/" + u.Key
			up := storage.Pending{Upload: storage.Upload{Name: name, ID: u.UploadID}, Names: []string{name}, Changed: u.Initiated}
			if err := visit(up); err != nil {
				return err
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
			return nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// Touched implements [storage.PendingLister]: when the newest of its parts was
// stored, the zero time for an upload without parts.
func (s *Objects) Touched(ctx context.Context, up storage.Upload) (time.Time, error) {
	const op = "look at upload"
	bucket, key, err := s.split(op, up.Name)
	if err != nil {
		return time.Time{}, err
	}
	id, _ := uploadID(up)
	var newest time.Time
	for marker := 0; ; {
		var page minio.ListObjectPartsResult
		err := s.ask(ctx, op, up.Name, func(ctx context.Context, _ *trip) (err error) {
			page, err = s.core.ListObjectParts(ctx, bucket, key, id, marker, maxPage)
			return err
		})
		if err != nil {
			return time.Time{}, uploadGone(err)
		}
		for _, part := range page.ObjectParts {
			if part.LastModified.After(newest) {
				newest = part.LastModified
			}
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return newest, nil
		}
		marker = page.NextPartNumberMarker
	}
}

// ListPublished implements [storage.PendingLister].
func (s *Objects) ListPublished(ctx context.Context, place string, visit func(storage.Published) error) error {
	const op = "list"
	bucket, prefix, err := splitPlace(op, place)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx, t := newTrip(ctx)
	for obj := range s.core.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, MaxKeys: maxPage}) {
		switch {
		case obj.Err != nil:
			return t.fail(op, place, read, obj.Err)
		case strings.HasSuffix(obj.Key, "/"):
			continue // what lies deeper
		}
		if err := visit(storage.Published{Name: bucket + "/" + obj.Key, Changed: obj.LastModified, Size: obj.Size}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		// The iterator ends quietly when the context does.
		return &storage.Error{Op: op, Name: place, Kind: storage.ErrUnavailable, Err: err}
	}
	return nil
}
