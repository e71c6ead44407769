package transfer

import "strings"

// sha256Digits is the length of a SHA-256 in hexadecimal digits.
const sha256Digits = 64

// ParseChecksum reads a declared SHA-256: 64 hexadecimal digits, alone or after
// "sha256:" or "sha-256=". It returns them in lower case, or fails with
// checksum.invalid.
func ParseChecksum(s string) (string, *Error) {
	digits := s
	if i := strings.IndexAny(s, ":="); i >= 0 {
		algorithm := strings.ToLower(s[:i])
		if algorithm != "sha256" && algorithm != "sha-256" {
			return "", invalid(CodeChecksum, "checksum", "the algorithm must be sha256")
		}
		digits = s[i+1:]
	}
	if len(digits) != sha256Digits {
		return "", invalid(CodeChecksum, "checksum", "a SHA-256 has %d hexadecimal digits, not %d characters",
			sha256Digits, len(digits))
	}
	for i := range len(digits) {
		if !isHex(digits[i]) {
			return "", invalid(CodeChecksum, "checksum", "character %d is no hexadecimal digit", i+1)
		}
	}
	return strings.ToLower(digits), nil
}
