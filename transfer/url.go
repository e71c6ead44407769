package transfer

import (
	"strings"
	"unicode/utf8"
)

// maxURL is the longest URL in bytes.
const maxURL = 8 << 10

// NormalizeURL returns the canonical form of an http or https URL. Scheme and
// host become lower-case, names outside ASCII punycode and addresses plain, the
// scheme's own port and the fragment go away, an empty path becomes "/". Path
// and query stay byte for byte: two URLs that differ there are two URLs. Field
// is named in errors, which never repeat the URL.
//
// It fails with url.empty, url.too_long, url.invalid, url.scheme, url.userinfo
// or url.host.
func NormalizeURL(raw, field string) (string, *Error) {
	if strings.TrimSpace(raw) == "" {
		return "", invalid(CodeURLEmpty, field, "a URL is needed")
	}
	if len(raw) > maxURL {
		return "", invalid(CodeURLTooLong, field, "a URL has at most %d bytes, this one has %d", maxURL, len(raw))
	}
	if err := checkURLBytes(raw, field); err != nil {
		return "", err
	}
	scheme, rest, err := cutScheme(raw, field)
	if err != nil {
		return "", err
	}
	authority, target := cutAuthority(rest)
	if strings.Contains(authority, "@") {
		return "", invalid(CodeURLUserinfo, field,
			"a URL must not hold a user name or a password; send them in an Authorization header")
	}
	host, err := normalizeAuthority(scheme, authority, field)
	if err != nil {
		return "", err
	}
	target, _, _ = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	path, _, _ := strings.Cut(target, "?")
	if !validEscapes(path) {
		return "", invalid(CodeURLInvalid, field, "the path has a %% that two hexadecimal digits do not follow")
	}
	canonical := scheme + "://" + host + target
	if len(canonical) > maxURL {
		return "", invalid(CodeURLTooLong, field, "a URL has at most %d bytes", maxURL)
	}
	return canonical, nil
}

// checkURLBytes refuses what no part of a URL may hold. A backslash is a slash
// to some parsers and not to others, which is how hosts are smuggled.
func checkURLBytes(raw, field string) *Error {
	switch {
	case !utf8.ValidString(raw):
		return invalid(CodeURLInvalid, field, "the URL is not valid UTF-8")
	case strings.ContainsFunc(raw, unprintable):
		return invalid(CodeURLInvalid, field, "the URL holds a control character")
	case strings.Contains(raw, " "):
		return invalid(CodeURLInvalid, field, "the URL holds a space; write %%20")
	case strings.Contains(raw, `\`):
		return invalid(CodeURLInvalid, field, "the URL holds a backslash; write %%5C")
	}
	return nil
}

// cutScheme splits off "http://" or "https://". Nothing is guessed.
func cutScheme(raw, field string) (scheme, rest string, err *Error) {
	name, rest, found := strings.Cut(raw, ":")
	scheme = strings.ToLower(name)
	if !found || scheme != "http" && scheme != "https" {
		return "", "", invalid(CodeURLScheme, field, "the URL must begin with http:// or https://")
	}
	if !strings.HasPrefix(rest, "//") {
		return "", "", invalid(CodeURLInvalid, field, "two slashes must follow %s:", scheme)
	}
	return scheme, rest[2:], nil
}

// cutAuthority splits what follows the two slashes.
func cutAuthority(rest string) (authority, target string) {
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

func validEscapes(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return false
		}
		i += 2
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
