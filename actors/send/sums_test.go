package send

import (
	"testing"

	"github.com/minio/crc64nvme"
	"pgregory.net/rapid"

	"godwit/storage"
)

// TestSums notes pieces of some content in any order, twice and overlapping, and
// covers ranges of it: what is covered is the range, in order, and each known
// piece has its checksum.
func TestSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "content")
		size := int64(len(content))
		span := func(name string) (int64, int64) {
			from := rapid.Int64Range(0, size).Draw(t, name+" from")
			return from, rapid.Int64Range(from, size).Draw(t, name+" to")
		}
		var s sums
		for range rapid.IntRange(0, 20).Draw(t, "pieces") {
			from, to := span("piece")
			s.add(piece{offset: from, size: to - from, crc: crc64nvme.Checksum(content[from:to])})
			if rapid.IntRange(0, 5).Draw(t, "then") == 0 {
				s.join()
			}
			if rapid.IntRange(0, 9).Draw(t, "forget") == 0 {
				s.forget(span("forgotten"))
			}
			from, to = span("covered")
			at, crc := from, uint64(0)
			for _, p := range s.cover(from, to) {
				sum := crc64nvme.Checksum(content[p.offset:p.end()])
				if p.offset != at || p.size <= 0 || !p.gap && p.crc != sum {
					t.Fatalf("from %d to %d: %+v at %d", from, to, p, at)
				}
				crc, at = storage.CombineCRC64(crc, sum, p.size), p.end()
			}
			if at != to || crc != crc64nvme.Checksum(content[from:to]) {
				t.Fatalf("covered up to %d of %d", at, to)
			}
		}
	})
}

// TestSumsOfMuch keeps what is remembered bounded.
func TestSumsOfMuch(t *testing.T) {
	var s sums
	for n := range int64(100_000) {
		s.add(piece{offset: n, size: 1, crc: crc64nvme.Checksum([]byte{byte(n)})})
	}
	if len(s.pieces) > mostPieces {
		t.Errorf("%d pieces are remembered", len(s.pieces))
	}
	for _, p := range s.cover(0, 100_000) {
		if p.gap {
			t.Fatalf("the piece at %d is not known", p.offset)
		}
	}
}
