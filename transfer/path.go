package transfer

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a file path: PATH_MAX and NAME_MAX of Linux in bytes, and a depth
// that no tool chokes on.
const (
	maxPath  = 4096
	maxName  = 255
	maxDepth = 255
)

// cleanPath returns an absolute path without empty and "." components. Paths
// that climb, relative ones and those of other systems are path.escape; names
// with trouble are path.invalid.
func cleanPath(raw, field string, trouble func(name string) string) (string, *Error) {
	if !strings.HasPrefix(raw, "/") {
		return "", invalid(CodePathEscape, field, "a path must be absolute: file:///absolute/path")
	}
	if slices.Contains(strings.FieldsFunc(raw, separator), "..") {
		return "", invalid(CodePathEscape, field, "a path must not hold '..'")
	}
	if len(raw) > maxPath {
		return "", invalid(CodePathInvalid, field, "a path has at most %d bytes", maxPath)
	}
	if strings.HasSuffix(raw, "/") || strings.HasSuffix(raw, "/.") {
		return "", invalid(CodePathInvalid, field, "the path names a folder; add a file name")
	}
	clean := path.Clean(raw)
	names := strings.Split(clean[1:], "/")
	if len(names) > maxDepth {
		return "", invalid(CodePathInvalid, field, "a path has at most %d components", maxDepth)
	}
	for _, name := range names {
		if why := trouble(name); why != "" {
			return "", invalid(CodePathInvalid, field, "a component of the path %s", why)
		}
	}
	return clean, nil
}

func separator(r rune) bool { return r == '/' || r == '\\' }

// newNameTrouble says why no file is to be made with a name, or "": some system
// cannot hold it, or it does not show what it is.
func newNameTrouble(name string) string {
	switch why := nameTrouble(name); {
	case why != "":
		return why
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return "ends with a dot or a space"
	case strings.Contains(name, ":"):
		return "holds a colon"
	case deviceName(name):
		return "is the name of a device on some systems"
	}
	return ""
}

// nameTrouble says why a file cannot have a name, or "".
func nameTrouble(name string) string {
	switch {
	case len(name) > maxName:
		return "is longer than 255 bytes"
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	case strings.ContainsFunc(name, unprintable):
		return "holds a control character"
	}
	return ""
}

// deviceName tells the names that Windows keeps for devices, with any extension.
func deviceName(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && '1' <= stem[3] && stem[3] <= '9'
}
