package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Units are powers of 1024, here as in all flags: K M G T P.
const units = "KMGTP"

var sizePattern = regexp.MustCompile(`^([0-9]{1,19})(\.[0-9]{1,9})?(?:([KMGTPkmgtp])i?)?B?$`)

// parseBytes reads a number of bytes: "512", "64K", "1.5GiB". A fraction of a
// byte is dropped.
func parseBytes(s string) (int64, error) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no size: write bytes, or a number with K, M, G or T (powers of 1024)", s)
	}
	value, _ := new(big.Rat).SetString(m[1] + m[2])
	if m[3] != "" {
		power := strings.Index(units, strings.ToUpper(m[3])) + 1
		value.Mul(value, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(10*power))))
	}
	n := new(big.Int).Quo(value.Num(), value.Denom())
	if !n.IsInt64() {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n.Int64(), nil
}

// exactBytes writes n so that parseBytes gives n again.
func exactBytes(n int64) string {
	unit := ""
	for i := 0; i < len(units) && n != 0 && n%1024 == 0; i++ {
		n /= 1024
		unit = units[i : i+1]
	}
	return fmt.Sprintf("%d%s", n, unit)
}

// humanBytes writes n for a person, with four digits at most.
func humanBytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 1023.95 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// bytesFlag is a flag that holds a number of bytes.
type bytesFlag int64

func (b *bytesFlag) String() string { return exactBytes(int64(*b)) }
func (b *bytesFlag) Type() string   { return "size" }

func (b *bytesFlag) Set(s string) error {
	n, err := parseBytes(s)
	*b = bytesFlag(n)
	return err
}

// rateFlag is a flag that holds bytes a second; "10M" and "10M/s" are the same.
type rateFlag int64

func (r *rateFlag) String() string { return exactBytes(int64(*r)) }
func (r *rateFlag) Type() string   { return "rate" }

func (r *rateFlag) Set(s string) error {
	n, err := parseBytes(strings.TrimSuffix(s, "/s"))
	*r = rateFlag(n)
	return err
}
