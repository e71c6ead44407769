//go:build seeded && bug_decode_gzip

package bug

// Seeded is the bug that this program has.
const Seeded = DecodeGzip
