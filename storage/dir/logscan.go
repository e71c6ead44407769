package dir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/minio/crc64nvme"
)

// foundKind says what lies at some place of a log.
type foundKind int

const (
	// foundNothing: the log ends, or what follows was not written whole.
	foundNothing foundKind = iota
	// foundEntry: an entry as it was written.
	foundEntry
	// foundBadBody: an entry whose body is damaged.
	foundBadBody
	// foundBadHead: an entry of which only the footer is readable.
	foundBadHead
	// foundGap: bytes in which entries lie that nobody can name.
	foundGap
)

// found is what lies at a place of a log.
type found struct {
	kind foundKind
	off  int64
	// size is the length in bytes; 0 for nothing.
	size int64
	// seq is the sequence of the entry, and for a gap that of the entry
	// behind it.
	seq uint64
	// head is that of an entry whose head is readable.
	head entryHeader
	key  string
	// hash is the hash of the key.
	hash uint64
	// raw is the whole entry, valid until the scanner moves on.
	raw []byte
}

// scanner reads a log from its file. It decides nothing: what was never
// acknowledged and what was damaged later look alike to it.
type scanner struct {
	f     io.ReaderAt
	marks logMarks
	// size is where the log ends, in bytes.
	size int64
	// buf holds the bytes from bufAt on.
	buf   []byte
	bufAt int64
}

// scanChunk is how many bytes are read at once where as many are there.
const scanChunk = 1 << 20

// bytes returns n bytes at off, fewer where the log ends before. They are
// valid until the next call.
func (s *scanner) bytes(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(0, s.size-off)))
	if from := off - s.bufAt; from >= 0 && from+int64(n) <= int64(len(s.buf)) {
		return s.buf[from : from+int64(n)], nil
	}
	want := int(min(int64(max(n, scanChunk)), s.size-off))
	if cap(s.buf) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.bufAt = s.buf[:want], off
	got, err := s.f.ReadAt(s.buf, off)
	s.buf = s.buf[:got]
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s.buf[:min(n, got)], nil
}

// at tells what lies at off.
func (s *scanner) at(off int64) (found, error) {
	e, whole, err := s.entry(off)
	if err != nil || whole || e.kind == foundNothing && e.head.kind != 0 {
		return e, err
	}
	foot, ok, err := s.footerOf(off)
	if err != nil {
		return found{}, err
	}
	if ok {
		return found{kind: foundBadHead, off: off, size: int64(foot.size), seq: foot.seq, hash: foot.hash}, nil
	}
	next, err := s.resync(off + 1)
	if err != nil || next.kind == foundNothing {
		return found{off: off}, err
	}
	return found{kind: foundGap, off: off, size: next.off - off, seq: next.seq}, nil
}

// entry reads the entry at off. whole is false when its head is not readable,
// and also when the log ends within it; then its head is set.
func (s *scanner) entry(off int64) (e found, whole bool, err error) {
	b, err := s.bytes(off, entryHead)
	if err != nil {
		return found{}, false, err
	}
	h, need, ok := decodeHead(b, s.marks)
	if !ok && need > len(b) && len(b) == entryHead {
		if b, err = s.bytes(off, need); err != nil {
			return found{}, false, err
		}
		h, need, ok = decodeHead(b, s.marks)
	}
	if !ok {
		return found{off: off}, false, nil
	}
	if b, err = s.bytes(off, h.size()); err != nil {
		return found{}, false, err
	}
	if len(b) < h.size() {
		return found{off: off, head: h}, false, nil
	}
	key, body := b[entryHead:need], b[need:need+h.bodyLen]
	e = found{kind: foundEntry, off: off, size: int64(h.size()), seq: h.seq, head: h, key: string(key), raw: b}
	e.hash = hashKey(e.key)
	switch {
	case crc64nvme.Checksum(body) != h.bodyChecksum:
		e.kind = foundBadBody
	case h.kind == entryLost && h.bodyLen == 8:
		e.hash = binary.LittleEndian.Uint64(body)
	}
	return e, true, nil
}

// footerOf looks for the footer of the entry that begins at off. The first
// footer behind off is that of this entry, or this entry has none.
func (s *scanner) footerOf(off int64) (footer, bool, error) {
	limit := min(s.size, off+maxEntrySize)
	for from := off; ; {
		at, err := s.find(s.marks.foot[:], from, limit)
		if err != nil || at < 0 {
			return footer{}, false, err
		}
		b, err := s.bytes(at, entryFoot)
		if err != nil {
			return footer{}, false, err
		}
		if f, ok := decodeFooter(b, s.marks); ok {
			return f, at+entryFoot == off+int64(f.size), nil
		}
		from = at + 1
	}
}

// resync returns the first entry at or behind off whose head is readable.
func (s *scanner) resync(off int64) (found, error) {
	for {
		at, err := s.find(s.marks.entry[:], off, s.size)
		if err != nil || at < 0 {
			return found{}, err
		}
		if e, whole, err := s.entry(at); err != nil || whole {
			return e, err
		}
		off = at + 1
	}
}

// find returns where mark begins first in [from, to), or -1.
func (s *scanner) find(mark []byte, from, to int64) (int64, error) {
	for from+markSize <= to {
		b, err := s.bytes(from, int(min(scanChunk, to-from)))
		if err != nil {
			return -1, err
		}
		if i := bytes.Index(b, mark); i >= 0 {
			return from + int64(i), nil
		}
		if len(b) < markSize {
			break
		}
		from += int64(len(b)) - markSize + 1
	}
	return -1, nil
}

// vouched tells whether an entry behind off says that everything up to seq
// had been synced when it was written.
func (s *scanner) vouched(off int64, seq uint64) (bool, error) {
	for {
		e, err := s.resync(off)
		if err != nil || e.kind == foundNothing {
			return false, err
		}
		if e.head.durable >= seq {
			return true, nil
		}
		off = e.off + e.size
	}
}
