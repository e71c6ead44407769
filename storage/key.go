package storage

import "strings"

// The limits of a record key in bytes.
const (
	MaxKeySegment = 255
	MaxKey        = 900
)

// ValidKey tells whether key is acceptable as the key of a record (see
// [RecordStore]). The segments "." and ".." are refused: no store of files
// could keep them.
func ValidKey(key string) bool {
	if key == "" || len(key) > MaxKey {
		return false
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." ||
			len(segment) > MaxKeySegment || !keyBytes(segment) {
			return false
		}
	}
	return true
}

// ValidPrefix tells whether prefix is the beginning of some valid key, the
// empty one included.
func ValidPrefix(prefix string) bool {
	if prefix == "" {
		return true
	}
	folder, last := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder, last = prefix[:i], prefix[i+1:]
		if !ValidKey(folder) {
			return false
		}
	}
	return len(prefix) <= MaxKey && len(last) <= MaxKeySegment && keyBytes(last)
}

func keyBytes(segment string) bool {
	for i := range len(segment) {
		switch c := segment[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
