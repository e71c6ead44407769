package storage

import "github.com/minio/crc64nvme"

// crcOne is the polynomial 1, and crcByte x^8, in the reflected order of
// CRC-64/NVME: bit 63 is the coefficient of x^0.
const (
	crcOne  uint64 = 1 << 63
	crcByte uint64 = 1 << (63 - 8)
)

// CombineCRC64 returns the CRC-64/NVME of two strings of bytes put together,
// given the CRC of each and the length of the second in bytes. The CRC of
// nothing is 0.
//
// Appending len2 bytes multiplies the first CRC by x^(8*len2) modulo the
// polynomial; the method is that of zlib's crc32_combine.
func CombineCRC64(crc1, crc2 uint64, len2 int64) uint64 {
	shift, square := crcOne, crcByte
	for n := len2; n > 0; n >>= 1 {
		if n&1 != 0 {
			shift = crcMultiply(square, shift)
		}
		square = crcMultiply(square, square)
	}
	return crcMultiply(shift, crc1) ^ crc2
}

// crcMultiply returns a*b modulo the polynomial.
func crcMultiply(a, b uint64) uint64 {
	var product uint64
	for ; a != 0; a <<= 1 {
		if a&crcOne != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc64nvme.NVME
		} else {
			b >>= 1
		}
	}
	return product
}
