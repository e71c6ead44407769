package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// Limits of S3 multipart uploads ("Amazon S3 multipart upload limits").
const (
	minPart       = 5 << 20
	preferredPart = 16 << 20
	maxPart       = 5 << 30
	maxParts      = 10000
)

// checkpoint is how often progress is worth a request that costs money.
const checkpoint = 10 * time.Second

// objectTimeout bounds one request about an object that moves no bytes.
const objectTimeout = 20 * time.Second

// tokenKey is the user metadata that holds BeginOptions.Token.
const tokenKey = "godwit-token"

// Objects is a [storage.ObjectStore]; names are "bucket/key".
type Objects struct {
	core     *minio.Core
	pool     *storage.BufferPool
	reserved string
	// plain is set for good once the server refused CRC-64/NVME.
	plain atomic.Bool
	// layouts helps ListParts to place parts.
	layouts layouts
}

var _ storage.ObjectStore = (*Objects)(nil)

// OpenObjects returns the object store that cfg describes. It does not talk
// to the server; ErrInvalid when cfg cannot be right.
func OpenObjects(cfg Config) (*Objects, error) {
	if cfg.Pool == nil {
		return nil, invalid("open", "s3 objects", "has no memory for parts")
	}
	core, err := newCore(cfg.withDefaults())
	if err != nil {
		return nil, err
	}
	return &Objects{core: core, pool: cfg.Pool, reserved: strings.Trim(cfg.Reserved, "/")}, nil
}

// Limits implements [storage.ObjectStore].
func (s *Objects) Limits() storage.Limits {
	return storage.Limits{
		MinPart: minPart, MaxPart: maxPart, Preferred: preferredPart, MaxParts: maxParts,
		Buffered: true, Fenced: true, Checkpoint: checkpoint,
	}
}

// Stat implements [storage.ObjectStore].
func (s *Objects) Stat(ctx context.Context, name string) (storage.ObjectInfo, error) {
	bucket, key, err := s.split("stat", name)
	if err != nil {
		return storage.ObjectInfo{}, err
	}
	var info storage.ObjectInfo
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, objectTimeout)
		defer cancel()
		ctx, t := newTrip(ctx)
		found, err := s.core.StatObject(ctx, bucket, key, minio.StatObjectOptions{Checksum: true})
		if err != nil {
			return t.fail("stat", name, read, err)
		}
		info = objectInfo(found)
		return nil
	})
	return info, err
}

// Delete implements [storage.ObjectStore].
func (s *Objects) Delete(ctx context.Context, name string) error {
	bucket, key, err := s.split("delete", name)
	if err != nil {
		return err
	}
	return retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, objectTimeout)
		defer cancel()
		ctx, t := newTrip(ctx)
		err := s.core.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
		if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil
		}
		return t.fail("delete", name, write, err)
	})
}

// Sync implements [storage.ObjectStore]: a stored part is as durable as the
// server makes it.
func (s *Objects) Sync(context.Context, storage.Upload) error { return nil }

// ReadBack implements [storage.ObjectStore]: parts cannot be read before they
// are published.
func (s *Objects) ReadBack(_ context.Context, up storage.Upload, _ int64) (io.ReadCloser, error) {
	return nil, &storage.Error{Op: "read back", Name: up.Name, Kind: storage.ErrUnsupported}
}

// ClockSkew returns the server's clock minus this machine's, asked through the
// bucket of name.
func (s *Objects) ClockSkew(ctx context.Context, bucket string) (time.Duration, error) {
	return clockSkew(ctx, s.core, bucket)
}

// split takes a name apart and keeps transfers away from the state store.
func (s *Objects) split(op, name string) (bucket, key string, err error) {
	bucket, key, err = SplitName(name)
	if err != nil {
		return "", "", err
	}
	if s.reserved != "" && (name == s.reserved || strings.HasPrefix(name, s.reserved+"/")) {
		return "", "", &storage.Error{
			Op: op, Name: name, Kind: storage.ErrDenied,
			Err: fmt.Errorf("the name is reserved for the state store"),
		}
	}
	return bucket, key, nil
}

// objectInfo translates what a HEAD or GET answered.
func objectInfo(o minio.ObjectInfo) storage.ObjectInfo {
	info := storage.ObjectInfo{Size: o.Size, ModTime: o.LastModified, ETag: o.ETag}
	for k, v := range o.UserMetadata {
		if strings.EqualFold(k, tokenKey) {
			info.Token = v
		}
	}
	// A composite checksum ("…-3") covers the parts' checksums, not the bytes.
	info.CRC64, info.HasCRC64 = decodeCRC(o.ChecksumCRC64NVME)
	if o.ChecksumMode != "" && !strings.EqualFold(o.ChecksumMode, "FULL_OBJECT") {
		info.CRC64, info.HasCRC64 = 0, false
	}
	return info
}

// Checksum headers (S3 API reference, "Checking object integrity").
const (
	headerCRC       = "X-Amz-Checksum-Crc64nvme"
	headerAlgorithm = "X-Amz-Checksum-Algorithm"
	headerType      = "X-Amz-Checksum-Type"
	headerMode      = "X-Amz-Checksum-Mode"
	algorithmCRC    = "CRC64NVME"
	typeFullObject  = "FULL_OBJECT"
)

// encodeCRC writes a CRC as S3 does: base64 of its big-endian bytes.
func encodeCRC(crc uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc))
}

// decodeCRC is the inverse of encodeCRC; false when s is anything else.
func decodeCRC(s string) (uint64, bool) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw), true
}

// crcHeader says what the CRC of a part's body is.
func crcHeader(crc uint64) http.Header {
	return http.Header{headerCRC: {encodeCRC(crc)}, headerAlgorithm: {algorithmCRC}}
}
