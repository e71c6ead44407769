package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// demoContent is a file that exists only as a rule: which byte lies where
// follows from the seed, so that any range can be made without the rest, and
// bytes of two files, or of two places of one, are practically never the same.
type demoContent struct {
	seed uint64
	// size in bytes.
	size int64
}

// wordSize is how many bytes are made at a time.
const wordSize = 8

// ReadAt implements [io.ReaderAt].
func (c demoContent) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	var word [wordSize]byte
	for done := 0; done < n; {
		at := off + int64(done)
		binary.LittleEndian.PutUint64(word[:], c.word(uint64(at/wordSize)))
		done += copy(p[done:n], word[at%wordSize:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// word is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, 2014), whose n-th output needs none of those before it.
func (c demoContent) word(n uint64) uint64 {
	x := c.seed + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// etag is a strong validator: another content has another one.
func (c demoContent) etag() string { return fmt.Sprintf(`"%016x-%x"`, c.seed, c.size) }

// sha256 is the digest in lower-case hex.
func (c demoContent) sha256() string {
	digest, err := hexSHA256(io.NewSectionReader(c, 0, c.size))
	if err != nil {
		panic(err) // nothing is read from anywhere
	}
	return digest
}

func hexSHA256(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
