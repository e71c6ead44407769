package send

import (
	"slices"
	"sort"

	"godwit/storage"
)

// piece is a range of the content whose CRC-64/NVME is known, or, when it is a
// gap, is not.
type piece struct {
	offset, size int64
	crc          uint64
	gap          bool
}

func (p piece) end() int64 { return p.offset + p.size }

// sums knows the checksums of what was read: pieces in order, none over
// another.
type sums struct{ pieces []piece }

// mostPieces bounds what is remembered: neighbours are put together when there
// are more, so that content of any size takes the same memory.
const mostPieces = 4096

// from is the index of the first piece that ends behind offset.
func (s *sums) from(offset int64) int {
	return sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].end() > offset })
}

// add notes a piece in place of those that it touches.
func (s *sums) add(p piece) {
	if p.size == 0 {
		return
	}
	i := s.from(p.offset)
	j := i
	for j < len(s.pieces) && s.pieces[j].offset < p.end() {
		j++
	}
	s.pieces = slices.Replace(s.pieces, i, j, p)
	if len(s.pieces) > mostPieces {
		s.join()
	}
}

// join puts every two neighbours together.
func (s *sums) join() {
	out := s.pieces[:0]
	for i := 0; i < len(s.pieces); i++ {
		p := s.pieces[i]
		if i+1 < len(s.pieces) && p.end() == s.pieces[i+1].offset {
			next := s.pieces[i+1]
			p = piece{offset: p.offset, size: p.size + next.size, crc: storage.CombineCRC64(p.crc, next.crc, next.size)}
			i++
		}
		out = append(out, p)
	}
	s.pieces = out
}

// cover returns what makes the range from one offset to another: known pieces
// and gaps between them.
func (s *sums) cover(from, to int64) (out []piece) {
	for at := from; at < to; {
		next := piece{offset: at, size: to - at, gap: true}
		for _, p := range s.pieces[s.from(at):] {
			if p.offset >= to {
				break
			}
			if p.offset == at && p.end() <= to {
				next = p
				break
			}
			if p.offset > at {
				next.size = p.offset - at
				break
			}
		}
		out = append(out, next)
		at = next.end()
	}
	return out
}

// forget drops what lies within a range.
func (s *sums) forget(from, to int64) {
	s.pieces = slices.DeleteFunc(s.pieces, func(p piece) bool { return p.offset >= from && p.end() <= to })
}
