package storage_test

import (
	"testing"

	"github.com/minio/crc64nvme"
	"pgregory.net/rapid"

	"godwit/storage"
)

// The check value of CRC-64/NVME in the catalogue of parametrised CRCs pins
// the library itself.
func TestLibraryIsCRC64NVME(t *testing.T) {
	if got, want := crc64nvme.Checksum([]byte("123456789")), uint64(0xae8b14860a799888); got != want {
		t.Fatalf("check value %#x, want %#x", got, want)
	}
}

func TestCombineCRC64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "parts")
		var whole []byte
		var combined uint64
		for _, part := range parts {
			whole = append(whole, part...)
			combined = storage.CombineCRC64(combined, crc64nvme.Checksum(part), int64(len(part)))
		}
		if want := crc64nvme.Checksum(whole); combined != want {
			t.Fatalf("combined %#x, want %#x", combined, want)
		}
	})
}

// Lengths far beyond what can be hashed in a test still obey the algebra:
// combining is associative.
func TestCombineCRC64IsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b"), rapid.Uint64().Draw(t, "c")
		lenB := rapid.Int64Range(0, 1<<45).Draw(t, "lenB")
		lenC := rapid.Int64Range(0, 1<<45).Draw(t, "lenC")
		left := storage.CombineCRC64(storage.CombineCRC64(a, b, lenB), c, lenC)
		right := storage.CombineCRC64(a, storage.CombineCRC64(b, c, lenC), lenB+lenC)
		if left != right {
			t.Fatalf("(ab)c = %#x, a(bc) = %#x", left, right)
		}
	})
}

func BenchmarkCombineCRC64(b *testing.B) {
	var crc uint64
	for b.Loop() {
		crc = storage.CombineCRC64(crc, 0x1234567890abcdef, 16<<20)
	}
}
