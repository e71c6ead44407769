package main

import (
	"net/url"
	"strings"
)

// sameCommand is how to go on with an interrupted get or put: the command itself,
// quoted for a shell, unless it holds what must not be echoed.
func sameCommand(args []string) string {
	for _, arg := range args {
		if mayBeSecret(arg) {
			return "run the same command again"
		}
	}
	return "godwit " + quoteAll(args)
}

// mayBeSecret tells arguments that can carry a credential: headers, parts of
// forms, and URLs with a query or with userinfo.
func mayBeSecret(arg string) bool {
	for _, flag := range []string{"--header", "--form"} {
		if arg == flag || strings.HasPrefix(arg, flag+"=") {
			return true
		}
	}
	if strings.HasPrefix(arg, "-H") || strings.HasPrefix(arg, "-F") {
		return true
	}
	_, value, found := strings.Cut(arg, "=")
	if strings.HasPrefix(arg, "--") && found {
		arg = value
	}
	if !strings.Contains(arg, "://") {
		return false
	}
	u, err := url.Parse(arg)
	return err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != ""
}

func quoteAll(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = quote(arg)
	}
	return strings.Join(quoted, " ")
}

// quote makes one word of a POSIX shell.
func quote(arg string) string {
	if arg != "" && strings.IndexFunc(arg, needsQuotes) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

func needsQuotes(r rune) bool {
	return !strings.ContainsRune("%+,-./:=@_", r) &&
		(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
