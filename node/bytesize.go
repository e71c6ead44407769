package node

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written as in 1048576, 256M, 64MiB or 10KB;
// K, M, G and T are powers of 1024.
type ByteSize int64

var errByteSize = errors.New("must be a size such as 1048576, 256M or 2GiB")

// ParseByteSize reads a size; it refuses fractions, signs and what does not fit
// in 63 bits.
func ParseByteSize(text string) (ByteSize, error) {
	digits := strings.TrimRight(text, "KMGTiBkmgtb")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' {
		return 0, errByteSize
	}
	unit := strings.ToUpper(text[len(digits):])
	unit = strings.TrimSuffix(unit, "B")
	unit = strings.TrimSuffix(unit, "I")
	shift, ok := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
	if !ok || n > math.MaxInt64>>shift {
		return 0, errByteSize
	}
	return ByteSize(n << shift), nil
}

// UnmarshalText reads a size, for YAML and flags.
func (b *ByteSize) UnmarshalText(text []byte) error {
	size, err := ParseByteSize(string(text))
	if err != nil {
		return err
	}
	*b = size
	return nil
}

// String writes the size with the largest unit that divides it.
func (b ByteSize) String() string {
	units := "KMGT"
	n, unit := int64(b), ""
	for i := range len(units) {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, units[i:i+1]
	}
	return strconv.FormatInt(n, 10) + unit
}
