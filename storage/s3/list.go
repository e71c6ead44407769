package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"godwit/storage"
)

// ListParts implements [storage.ObjectStore]. A part whose checksum the server
// does not know has CRC64 0 although it is not empty: only a caller who
// recorded its checksum under the same ETag may count on it.
//
// S3 does not know offsets. They follow from the sizes up to the first missing
// number; beyond it they are those of a plan of equal parts, and a caller with
// another plan must compare them with it. Parts that cannot lie in any such
// plan are left out.
func (s *Objects) ListParts(ctx context.Context, up storage.Upload) ([]storage.Part, error) {
	const op = "list parts"
	bucket, key, err := s.split(op, up.Name)
	if err != nil {
		return nil, err
	}
	id, _ := uploadID(up)
	var parts []storage.Part
	for marker := 0; ; {
		var page minio.ListObjectPartsResult
		err := s.ask(ctx, op, up.Name, func(ctx context.Context, _ *trip) (err error) {
			page, err = s.core.ListObjectParts(ctx, bucket, key, id, marker, maxPage)
			return err
		})
		if err != nil {
			return nil, uploadGone(err)
		}
		parts = append(parts, listed(page.ObjectParts)...)
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			break
		}
		marker = page.NextPartNumberMarker
	}
	return place(parts, s.layouts.get(up.ID)), nil
}

// uploadGone turns a plain 404 about an upload into ErrNoUpload.
func uploadGone(err error) error {
	var e *storage.Error
	if errors.As(err, &e) && e.Kind == storage.ErrNotFound {
		e.Kind = storage.ErrNoUpload
	}
	return err
}

// listed translates one page of parts.
func listed(page []minio.ObjectPart) []storage.Part {
	var parts []storage.Part
	for _, p := range page {
		crc, _ := decodeCRC(p.ChecksumCRC64NVME)
		parts = append(parts, storage.Part{
			Number: p.PartNumber, Size: p.Size, ETag: strings.Trim(p.ETag, `"`), CRC64: crc,
		})
	}
	return parts
}

// place sorts the parts and gives each its offset. Equal is the size of all
// parts but the last when it is known, unequal when they are known to differ,
// and 0 when nothing is known.
func place(parts []storage.Part, equal int64) []storage.Part {
	slices.SortFunc(parts, func(a, b storage.Part) int { return a.Number - b.Number })
	if equal == 0 {
		equal = equalSize(parts)
	}
	placed, next, end := parts[:0], 1, int64(0)
	for _, p := range parts {
		switch {
		case p.Number == next:
			p.Offset = end
		case equal != unequal && p.Size <= equal:
			p.Offset = int64(p.Number-1) * equal
		default:
			continue
		}
		placed = append(placed, p)
		next, end = p.Number+1, p.Offset+p.Size
	}
	return placed
}

// equalSize is the size that all parts but the last have in common, or unequal.
// A part is surely not the last when another one follows it.
func equalSize(parts []storage.Part) int64 {
	if len(parts) < 2 {
		return unequal
	}
	size := parts[0].Size
	for i, p := range parts {
		if p.Size > size || (p.Size < size && i < len(parts)-1) {
			return unequal
		}
	}
	return size
}

// unequal stands for the size of parts that differ.
const unequal int64 = -1

// maxLayouts bounds how many uploads' layouts are remembered.
const maxLayouts = 4096

// layouts remembers how the uploads that this process wrote to are cut. What
// is forgotten costs a guess, see place.
type layouts struct {
	mu sync.Mutex
	// size is the size of all parts but the last by Upload.ID, or unequal;
	// guarded by mu.
	size map[string]int64
}

// learn notes where a part lies. The first part alone proves nothing: it may
// be the only one, and shorter than announced.
func (l *layouts) learn(id string, number int, offset, size int64) {
	if number == 1 {
		return
	}
	equal := offset / int64(number-1)
	if offset%int64(number-1) != 0 || size > equal {
		equal = unequal
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.size[id]; ok && known != equal {
		l.size[id] = unequal
		return
	}
	if l.size == nil || len(l.size) >= maxLayouts {
		l.size = make(map[string]int64)
	}
	l.size[id] = equal
}

// get returns the size noted, or 0.
func (l *layouts) get(id string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size[id]
}

// forget drops an upload that is over.
func (l *layouts) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.size, id)
}
