package s3

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"godwit/storage"
)

// MaxKey is the longest object key in bytes that S3 takes.
const MaxKey = 1024

// maxPrefix leaves a record key its 900 bytes below [MaxKey].
const maxPrefix = 120

// ValidateBucket checks a bucket name by the rules for general purpose buckets
// (S3 User Guide, "Bucket naming rules"): 3 to 63 of a-z, 0-9, dot and hyphen,
// a letter or digit at both ends, no two dots in a row, not an IPv4 address.
func ValidateBucket(bucket string) error {
	if len(bucket) < 3 || len(bucket) > 63 {
		return invalid("validate", "bucket", "must be 3 to 63 characters long")
	}
	for i := range len(bucket) {
		c := bucket[i]
		if isLower(c) || isDigit(c) {
			continue
		}
		if c != '-' && c != '.' {
			return invalid("validate", "bucket", "may hold only a-z, 0-9, dot and hyphen")
		}
		if i == 0 || i == len(bucket)-1 {
			return invalid("validate", "bucket", "must begin and end with a letter or digit")
		}
	}
	if strings.Contains(bucket, "..") {
		return invalid("validate", "bucket", "has two dots in a row")
	}
	if a, err := netip.ParseAddr(bucket); err == nil && a.Is4() {
		return invalid("validate", "bucket", "looks like an IP address")
	}
	return nil
}

// ValidateKey checks an object key: 1 to [MaxKey] bytes of UTF-8 without
// control characters. Everything else is literal: "/x", "a//b" and "../x" are
// keys like any other, and it is up to the server whether it takes them.
func ValidateKey(key string) error {
	switch {
	case strings.TrimSpace(key) == "":
		return invalid("validate", "key", "is empty")
	case len(key) > MaxKey:
		return invalid("validate", "key", "is longer than 1024 bytes")
	case !utf8.ValidString(key):
		return invalid("validate", "key", "is not valid UTF-8")
	case strings.ContainsFunc(key, isUnprintable):
		return invalid("validate", "key", "holds a control character")
	}
	return nil
}

// SplitName splits an object name "bucket/key" and validates both halves.
func SplitName(name string) (bucket, key string, err error) {
	bucket, key, ok := strings.Cut(name, "/")
	if !ok {
		return "", "", invalid("validate", "object", "must be bucket/key")
	}
	if err := ValidateBucket(bucket); err != nil {
		return "", "", err
	}
	return bucket, key, ValidateKey(key)
}

// validatePrefix checks the folder that holds a store's records. It obeys the
// rules of record keys, short enough to leave them 900 bytes.
func validatePrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if !storage.ValidKey(prefix) || len(prefix) > maxPrefix {
		return invalid("validate", "prefix", "must be segments of [A-Za-z0-9._-], 120 bytes in all")
	}
	return nil
}

// isUnprintable tells characters that would break XML listings or terminals.
func isUnprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff'
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken tells whether s may stand in a metadata header and in a file name.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		upper := 'A' <= c && c <= 'Z'
		if !isLower(c) && !isDigit(c) && !upper && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 200
}

// invalid builds the error for something that cannot be sent at all.
func invalid(op, name, why string) error {
	return &storage.Error{Op: op, Name: name, Kind: storage.ErrInvalid, Err: errors.New(why)}
}
