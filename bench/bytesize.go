package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes as a flag: 64MiB, 2G, 512k; K, M and G are
// powers of 1024.
type byteSize int64

const (
	kib byteSize = 1 << 10
	mib byteSize = 1 << 20
	gib byteSize = 1 << 30
)

// parseByteSize reads a size.
func parseByteSize(text string) (byteSize, error) {
	number := strings.ToLower(strings.TrimSpace(text))
	number = strings.TrimSuffix(strings.TrimSuffix(number, "b"), "i")
	unit := byteSize(1)
	for suffix, size := range map[string]byteSize{"k": kib, "m": mib, "g": gib} {
		if rest, found := strings.CutSuffix(number, suffix); found {
			number, unit = rest, size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return 0, fmt.Errorf("size %q: not a number of bytes such as 64MiB", text)
	}
	return byteSize(n) * unit, nil
}

// Set implements flag.Value.
func (s *byteSize) Set(text string) (err error) {
	*s, err = parseByteSize(text)
	return err
}

// String writes the size in its largest whole unit.
func (s *byteSize) String() string {
	switch n := *s; {
	case n >= gib && n%gib == 0:
		return fmt.Sprintf("%dGiB", n/gib)
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%dKiB", n/kib)
	default:
		return strconv.FormatInt(int64(n), 10)
	}
}

// scaled is the size times a factor, at least one KiB and a multiple of it.
func (s byteSize) scaled(factor float64) byteSize {
	return max(byteSize(float64(s)*factor)/kib*kib, kib)
}
