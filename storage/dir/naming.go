package dir

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"godwit/storage"
)

// The names beside a destination while it grows.
const (
	partSuffix    = ".godwit-part"
	journalSuffix = ".godwit-journal"
	maxName       = 255
	maxToken      = 128
)

// partialName is the name of the partial file of base: ".<base>.<token>" and a
// suffix. Where that would be longer than a file name may be, base is cut and
// a hash of base and token takes the place of the token.
func partialName(base, token string) string {
	// The journal's suffix is the longer one, and both names must fit.
	const room = maxName - len(journalSuffix) - len("..")
	if len(base)+len(token) > room {
		hash := xxhash.Sum64String(base + "\x00" + token)
		token = fmt.Sprintf("%016x", hash)
		base = cutString(base, room-len(token))
	}
	return "." + base + "." + token + partSuffix
}

// cutString cuts s to at most n bytes, not within a character.
func cutString(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// journalName is the name of the journal that belongs to a partial file.
func journalName(id string) string {
	return strings.TrimSuffix(id, partSuffix) + journalSuffix
}

// checkName refuses what is not the path of a file: it must be absolute, in
// its shortest form, and its last element short enough.
func checkName(op, name string) error {
	switch {
	case !filepath.IsAbs(name) || filepath.Clean(name) != name:
		return refuse(op, name, "not an absolute path in its shortest form")
	case strings.ContainsRune(name, 0):
		return refuse(op, name, "a path holds no zero byte")
	case filepath.Dir(name) == name:
		return refuse(op, name, "the root folder is no file")
	case len(filepath.Base(name)) > maxName:
		return refuse(op, name, "the file name is too long")
	}
	return nil
}

// checkUpload refuses handles that no Begin has given out.
func checkUpload(op string, up storage.Upload) error {
	if err := checkName(op, up.Name); err != nil {
		return err
	}
	if filepath.Base(up.ID) != up.ID || !strings.HasPrefix(up.ID, ".") || !strings.HasSuffix(up.ID, partSuffix) {
		return refuse(op, up.Name, "not the handle of an upload")
	}
	return nil
}

// checkToken refuses tokens that are not safe in a file name.
func checkToken(op, name, token string) error {
	if strings.Contains(token, "/") || !storage.ValidKey(token) || len(token) > maxToken {
		return refuse(op, name, "not a valid token")
	}
	return nil
}
