package transfer

import "strings"

// redacted stands where something was left out.
const redacted = "REDACTED"

// RedactURL returns a URL that may be shown: without userinfo, query and
// fragment, and without characters that a terminal would act on. It takes any
// string; of one that is not clearly a URL little remains.
func RedactURL(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || !only(scheme, "+.-") {
		return redacted
	}
	if scheme == "file" {
		return fileScheme + printable(rest)
	}
	authority, target := cutAuthority(rest)
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	// A password may hold the characters that end an authority. What is left of
	// it then has no port that could be one.
	host, port, ok := splitPort(authority)
	if _, number := portNumber(port); !ok || host == "" || port != "" && !number {
		return scheme + "://" + redacted
	}
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	return scheme + "://" + printable(authority+target)
}

// printable replaces what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
