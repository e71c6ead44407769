package endpointtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// BlockSize is the unit of content in bytes. Each block begins with its seed,
// generation and offset, so that a splice shows where it came from.
const BlockSize = 4096

const headerSize = 24

// Content is a deterministic sequence of bytes of any size.
type Content struct {
	Seed       uint64
	Generation uint64
	// Size is in bytes.
	Size int64
}

// ReadAt fills p with the bytes from off on. It implements io.ReaderAt.
func (c Content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > c.Size {
		return 0, fmt.Errorf("endpointtest: offset %d outside of %d bytes", off, c.Size)
	}
	var err error
	if rest := c.Size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		done += c.fill(p[done:], at)
	}
	return len(p), err
}

// fill writes what fits of the block that holds off and returns how much.
func (c Content) fill(p []byte, off int64) int {
	within := int(off % BlockSize)
	start := off - int64(within)
	if within == 0 && len(p) >= BlockSize {
		c.block(p[:BlockSize], start)
		return BlockSize
	}
	var block [BlockSize]byte
	c.block(block[:], start)
	return copy(p, block[within:])
}

// block makes the whole block that starts at offset start.
func (c Content) block(p []byte, start int64) {
	binary.LittleEndian.PutUint64(p, c.Seed)
	binary.LittleEndian.PutUint64(p[8:], c.Generation)
	binary.LittleEndian.PutUint64(p[16:], uint64(start))
	x := mix(c.Seed ^ mix(c.Generation^mix(uint64(start))))
	for i := headerSize; i < BlockSize; i += 8 {
		x += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(p[i:], mix(x))
	}
}

// GenerationIn is the generation that the beginning of a block says it is of, 0
// where too little of it is there.
func GenerationIn(block []byte) uint64 {
	if len(block) < headerSize {
		return 0
	}
	return binary.LittleEndian.Uint64(block[8:])
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Reader reads the content from off to its end.
func (c Content) Reader(off int64) io.Reader {
	return io.NewSectionReader(c, off, c.Size-off)
}

// SHA256 is the digest of the content in lower-case hex.
func (c Content) SHA256() string {
	h := sha256.New()
	// A hash never fails, and the reader covers exactly the content.
	_, _ = io.CopyBuffer(h, struct{ io.Reader }{c.Reader(0)}, make([]byte, 64<<10))
	return hex.EncodeToString(h.Sum(nil))
}

// Verify reads r to its end and says where it differs from the content, and
// which seed, generation and offset the differing block claims.
func (c Content) Verify(r io.Reader) error {
	var got, want [BlockSize]byte
	for off := int64(0); ; off += BlockSize {
		n, err := io.ReadFull(r, got[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("endpointtest: read at %d: %w", off, err)
		}
		rest := min(max(c.Size-off, 0), BlockSize)
		if n > 0 && rest > 0 {
			c.block(want[:], off)
			if e := compare(got[:min(int64(n), rest)], want[:rest], off); e != nil {
				return e
			}
		}
		if int64(n) != rest {
			return fmt.Errorf("endpointtest: size is not %d: %d bytes at offset %d, want %d", c.Size, n, off, rest)
		}
		if rest < BlockSize {
			return nil
		}
	}
}

func compare(got, want []byte, off int64) error {
	for i := range got {
		if got[i] == want[i] {
			continue
		}
		e := fmt.Errorf("endpointtest: byte %d differs", off+int64(i))
		if len(got) >= headerSize {
			e = fmt.Errorf("%w: the block says seed %d generation %d offset %d, want generation %d offset %d", e,
				binary.LittleEndian.Uint64(got), binary.LittleEndian.Uint64(got[8:]),
				binary.LittleEndian.Uint64(got[16:]), binary.LittleEndian.Uint64(want[8:]), off)
		}
		return e
	}
	return nil
}
