package transfer

import (
	"strings"
	"unicode"
)

// unprintable tells the characters that change how text around them is shown
// or read: controls, and marks of direction, which make a name look like
// another one (Unicode, Bidi_Control).
func unprintable(r rune) bool { return unicode.IsControl(r) || bidiControl(r) }

func bidiControl(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F ||
		0x202A <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069
}

// only tells whether s consists of letters and digits of ASCII and of the
// characters of extra.
func only(s, extra string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune(extra, r))
	})
}
