package transfer

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	// maxRemoteName leaves room for suffixes within the 255 bytes of a name.
	maxRemoteName = 200
	fallbackName  = "download"
)

// RemoteName proposes a file name for what a URL names: the last segment of
// its path, made harmless, or "download". The result is one component that
// every system can hold, at most 200 bytes, and never hidden.
func RemoteName(rawURL string) string {
	_, rest, found := strings.Cut(rawURL, "://")
	if !found {
		rest = rawURL
	}
	_, target := cutAuthority(rest)
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	segment := target[strings.LastIndexByte(target, '/')+1:]
	if decoded, err := url.PathUnescape(segment); err == nil {
		segment = decoded
	}
	return safeName(segment)
}

// safeName makes a name that a stranger chose into one that is safe as a file
// name: what precedes a separator goes, as do leading dots.
func safeName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = name[strings.LastIndexFunc(name, separator)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case unprintable(r):
			return -1
		case strings.ContainsRune(`:*?"<>|`, r):
			return '_'
		}
		return r
	}, name)
	name = cutBytes(strings.TrimLeft(name, ". "), maxRemoteName)
	name = strings.TrimRight(name, ". ")
	if name == "" {
		return fallbackName
	}
	if deviceName(name) {
		return "_" + name
	}
	return name
}

// cutBytes shortens s to at most n bytes without splitting a character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
