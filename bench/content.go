package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// cellSize is the unit in which content can be told apart, in bytes.
const cellSize = 4096

// version tells contents of the same length apart.
type version uint8

// The versions that the origin of the kill scenario serves.
const (
	before version = 1
	after  version = 2
)

// content is made, not stored: cells of noise, each of which begins with its
// version and number. So it can be said of every cell of a result where it
// comes from. It implements io.ReaderAt.
type content struct {
	version version
	size    int64
	noise   [cellSize]byte
}

func newContent(v version, size int64) *content {
	c := &content{version: v, size: size}
	newNoise(byte(v)).Read(c.noise[:]) //nolint:errcheck // noise has no end and no errors
	return c
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < c.size {
		cell := c.cell(off / cellSize)
		from := off % cellSize
		got := copy(p[n:], cell[from:min(cellSize, from+c.size-off)])
		n, off = n+got, off+int64(got)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *content) cell(number int64) [cellSize]byte {
	cell := c.noise
	binary.BigEndian.PutUint64(cell[:8], uint64(c.version)<<56|uint64(number))
	return cell
}

// census says of what a result is made.
type census struct {
	// size is its length in bytes.
	size int64
	// before, after and foreign count cells: of the two versions, and of neither
	// at this place.
	before, after, foreign int64
}

// count reads a result and compares each cell with both versions of size bytes.
func count(r io.Reader, size int64) (census, error) {
	old, young := newContent(before, size), newContent(after, size)
	var got census
	buf, want := make([]byte, cellSize), make([]byte, cellSize)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			switch {
			case old.holds(buf[:n], got.size, want):
				got.before++
			case young.holds(buf[:n], got.size, want):
				got.after++
			default:
				got.foreign++
			}
			got.size += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return got, nil
		case err != nil:
			return got, fmt.Errorf("read the result: %w", err)
		}
	}
}

// holds tells whether the content has these bytes at off; scratch is as long.
func (c *content) holds(p []byte, off int64, scratch []byte) bool {
	n, _ := c.ReadAt(scratch[:len(p)], off)
	return n == len(p) && string(scratch[:n]) == string(p)
}

// verdict names what a result is, when size bytes of version want are right.
func (c census) verdict(want version, size int64) string {
	right, other := c.before, c.after
	if want == after {
		right, other = other, right
	}
	switch {
	case c.size == size && other == 0 && c.foreign == 0:
		return "right"
	case c.foreign > 0:
		return fmt.Sprintf("damaged (%d cells)", c.foreign)
	case right > 0 && other > 0:
		return fmt.Sprintf("mixed (%d %% of the old version)", 100*other/(right+other))
	case c.size != size:
		return fmt.Sprintf("of %d bytes", c.size)
	default:
		return "the old version"
	}
}
