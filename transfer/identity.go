package transfer

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxID is the longest id in bytes.
const maxID = 128

// CheckID tells whether an id is acceptable: letters, digits, dots, hyphens
// and underscores, at most 128, the first one a letter or a digit. It fails
// with id.invalid.
func CheckID(id string) *Error {
	if id == "" || len(id) > maxID || !only(id, "_.-") || !only(id[:1], "") {
		return invalid(CodeID, "id",
			"an id is 1 to %d letters, digits, dots, hyphens and underscores, the first a letter or a digit", maxID)
	}
	return nil
}

// DeriveID makes the id of a transfer that was given none from its canonical
// source and destination: the same command finds its transfer again. It tells
// nothing about either.
func DeriveID(source, destination string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + destination))
	return "t" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// CanonicalDestinationKey is equal for canonical destinations that some file
// system takes for one: those that differ in case or in Unicode composition.
// Object keys are bytes and stay as they are.
func CanonicalDestinationKey(destination string) string {
	if !strings.HasPrefix(destination, fileScheme) {
		return destination
	}
	folded := strings.Map(func(r rune) rune {
		// By way of upper case, so that forms with one capital fall together.
		return unicode.ToLower(unicode.ToUpper(r))
	}, norm.NFD.String(destination))
	return norm.NFC.String(folded)
}
