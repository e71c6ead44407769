package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/bug"
	"godwit/storage"
)

// Complete may take completeTimeout plus the object's size at assemblyRate:
// some servers copy all parts before they answer (versitygw).
const (
	completeTimeout = 2 * time.Minute
	assemblyRate    = 16 << 20 // bytes a second
)

// Complete implements [storage.ObjectStore].
//
// An answer other than success is not believed before the object has been
// looked at: a lost reply, a proxy's repetition or another owner's earlier
// Complete all look like failures (NoSuchUpload, 412, 5xx) while the object is
// there and ours.
func (s *Objects) Complete(ctx context.Context, up storage.Upload, parts []storage.Part, opts storage.CompleteOptions) (storage.ObjectInfo, error) {
	const op = "complete"
	bucket, key, err := s.split(op, up.Name)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	if err := checkParts(up.Name, parts, opts); err != nil {
		return storage.ObjectInfo{}, err
	}
	var info storage.ObjectInfo
	for n := 0; ; n++ {
		if len(parts) == 0 {
			err = s.putEmpty(ctx, up, bucket, key, opts)
		} else {
			err = s.assemble(ctx, up, bucket, key, parts, opts)
		}
		info, err = s.judge(ctx, up.Name, opts, err)
		if !errors.Is(err, storage.ErrConflict) || n+1 == attempts || !pause(ctx, n) {
			break
		}
	}
	if err == nil && len(parts) == 0 {
		err = s.Abort(ctx, up) // the upload was not needed
	}
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	s.layouts.forget(up.ID)
	return info, nil
}

// checkParts compares the parts with what shall be published: numbers rise,
// offsets follow each other, sizes and checksums add up. ErrCorrupt when not;
// ErrInvalid for a part that S3 would refuse only after all were uploaded.
func checkParts(name string, parts []storage.Part, opts storage.CompleteOptions) error {
	const op = "complete"
	wrong := func(format string, args ...any) error {
		return &storage.Error{Op: op, Name: name, Kind: storage.ErrCorrupt, Err: fmt.Errorf(format, args...)}
	}
	var size int64
	var crc uint64
	for i, p := range parts {
		switch {
		case i > 0 && p.Number <= parts[i-1].Number:
			return wrong("part %d follows part %d", p.Number, parts[i-1].Number)
		case p.Offset != size:
			return wrong("part %d lies at byte %d, not at %d", p.Number, p.Offset, size)
		case p.Size < minPart && i < len(parts)-1:
			return invalid(op, name, fmt.Sprintf("part %d of %d bytes is too small", p.Number, p.Size))
		}
		size += p.Size
		crc = storage.CombineCRC64(crc, p.CRC64, p.Size)
	}
	switch {
	case size != opts.Size:
		return wrong("the parts hold %d bytes, not %d", size, opts.Size)
	case crc != opts.CRC64:
		return wrong("the parts' checksum is %s, not %s", encodeCRC(crc), encodeCRC(opts.CRC64))
	}
	return nil
}

// assemble sends one CompleteMultipartUpload with exactly the given ETags.
func (s *Objects) assemble(ctx context.Context, up storage.Upload, bucket, key string, parts []storage.Part, opts storage.CompleteOptions) error {
	id, checked := uploadID(up)
	if bug.Seeded == bug.CompleteWithListed {
		if found, err := s.ListParts(ctx, up); err == nil {
			parts = found
		}
	}
	list := make([]minio.CompletePart, len(parts))
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag}
		if checked {
			list[i].ChecksumCRC64NVME = encodeCRC(p.CRC64)
		}
	}
	var put minio.PutObjectOptions
	if checked {
		put.UserMetadata = map[string]string{headerCRC: encodeCRC(opts.CRC64), headerType: typeFullObject}
	}
	if !opts.Replace {
		put.SetMatchETagExcept("*")
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout+time.Duration(opts.Size/assemblyRate)*time.Second)
	defer cancel()
	ctx, t := newTrip(ctx)
	if _, err := s.core.CompleteMultipartUpload(ctx, bucket, key, id, list, put); err != nil {
		return uploadGone(t.fail("complete", up.Name, create, err))
	}
	return nil
}

// putEmpty publishes an object of no bytes; S3 completes no upload without
// parts.
func (s *Objects) putEmpty(ctx context.Context, up storage.Upload, bucket, key string, opts storage.CompleteOptions) error {
	put := putOptions(opts.Token, "")
	put.DisableContentSha256 = true
	if !opts.Replace {
		put.SetMatchETagExcept("*")
	}
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	ctx, t := newTrip(ctx)
	if _, err := s.core.PutObject(ctx, bucket, key, http.NoBody, 0, "", "", put); err != nil {
		return t.fail("complete", up.Name, create, err)
	}
	return nil
}

// judge looks at the object, unless the failure is beyond doubt, and decides.
func (s *Objects) judge(ctx context.Context, name string, opts storage.CompleteOptions, err error) (storage.ObjectInfo, error) {
	if err != nil && !doubtful(err) {
		return storage.ObjectInfo{}, err
	}
	info, statErr := s.Stat(ctx, name)
	kind, cause := verdict(opts, err, info, statErr)
	if kind == "" {
		return info, nil
	}
	return storage.ObjectInfo{}, &storage.Error{Op: "complete", Name: name, Kind: kind, Err: cause}
}

// verdict decides what a Complete came to, from its own outcome and from the
// object that is there afterwards. The empty kind is success.
//
// The object's token decides alone when it can be read: ours means success
// whatever the answer was, and somebody else's means failure even if the
// answer was success, because a server may take any object of that name for
// the result of an upload that is gone (versitygw does).
func verdict(opts storage.CompleteOptions, err error, info storage.ObjectInfo, statErr error) (storage.Kind, error) {
	absent := errors.Is(statErr, storage.ErrNotFound)
	switch {
	case statErr == nil && info.Token == opts.Token:
		if info.Size != opts.Size || (info.HasCRC64 && info.CRC64 != opts.CRC64) {
			return storage.ErrCorrupt, errors.New("the published object is not what was sent")
		}
		return "", nil
	case statErr == nil && err == nil:
		return storage.ErrNoUpload, errors.New("another object is there")
	case statErr != nil && (err == nil || !absent):
		return storage.ErrUnknown, statErr
	case absent && errors.Is(err, storage.ErrExists):
		// Whatever was in the way is gone again.
		return storage.ErrConflict, err
	}
	return storage.KindOf(err), err
}

// doubtful tells failures behind which a success may hide.
func doubtful(err error) bool {
	switch storage.KindOf(err) {
	case storage.ErrExists, storage.ErrMismatch, storage.ErrConflict, storage.ErrNoUpload, storage.ErrUnknown:
		return true
	}
	return false
}
