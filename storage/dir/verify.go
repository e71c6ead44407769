package dir

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/minio/crc64nvme"

	"godwit/storage"
)

// ListParts implements [storage.ObjectStore]: it reads every range that the
// journal names and leaves out those whose checksum does not hold.
func (o *Objects) ListParts(ctx context.Context, up storage.Upload) ([]storage.Part, error) {
	const op = "list parts"
	p, err := o.openUpload(ctx, op, up)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	f, err := p.openFile(up.ID, os.O_RDONLY, 0)
	if err != nil {
		return nil, noUpload(op, up, err)
	}
	defer f.Close()
	journal, _, err := o.recorded(p, f, up.ID)
	if err != nil {
		return nil, noUpload(op, up, err)
	}
	parts, err := o.intact(ctx, f, journal)
	if err != nil {
		return nil, fail(op, up.Name, storage.ErrUnavailable, err)
	}
	return parts, nil
}

// intact returns, in order, the parts whose bytes are as the journal says; of
// several entries for a part the newest that holds.
func (o *Objects) intact(ctx context.Context, f *os.File, journal []storage.Part) ([]storage.Part, error) {
	buf, err := o.buffers.Get(ctx, storage.StreamBuffer)
	if err != nil {
		return nil, err
	}
	defer o.buffers.Put(buf)
	tried := make(map[storage.Part]bool, len(journal))
	found := make(map[int]bool, len(journal))
	var parts []storage.Part
	for _, part := range slices.Backward(journal) {
		if found[part.Number] || tried[part] {
			continue
		}
		tried[part] = true
		crc, err := checksum(ctx, io.NewSectionReader(f, part.Offset, part.Size), buf)
		if err != nil {
			return nil, err
		}
		if crc == (summed{part.Size, part.CRC64}) {
			found[part.Number] = true
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b storage.Part) int { return a.Number - b.Number })
	return parts, nil
}

// summed is the length in bytes and the CRC-64/NVME of a stream.
type summed struct {
	size int64
	crc  uint64
}

// checksum reads r to its end through buf.
func checksum(ctx context.Context, r io.Reader, buf []byte) (summed, error) {
	var sum summed
	for {
		if err := ctx.Err(); err != nil {
			return summed{}, err
		}
		n, err := r.Read(buf)
		sum.crc = crc64nvme.Update(sum.crc, buf[:n])
		sum.size += int64(n)
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return summed{}, err
		}
	}
}

// checkParts verifies, without reading the bytes again, that parts are what a
// complete request says: in order, without gaps, of this size and checksum,
// and each one the newest entry of its number in the journal.
func checkParts(op, name string, parts, journal []storage.Part, opts storage.CompleteOptions) error {
	newest := make(map[int]storage.Part, len(journal))
	for _, part := range journal {
		newest[part.Number] = part
	}
	var sum summed
	for _, part := range parts {
		stored, ok := newest[part.Number]
		if !ok || stored != part || part.Offset != sum.size {
			return &storage.Error{Op: op, Name: name, Kind: storage.ErrPartLost}
		}
		sum.crc = storage.CombineCRC64(sum.crc, part.CRC64, part.Size)
		sum.size += part.Size
	}
	if sum != (summed{opts.Size, opts.CRC64}) {
		return &storage.Error{
			Op: op, Name: name, Kind: storage.ErrCorrupt,
			Err: errors.New("size or checksum of the parts is not that of the object"),
		}
	}
	return nil
}
