package transfer

import (
	"maps"
	"slices"
	"strings"
)

// ExpandTemplate replaces {name} by the value of that name, in one pass: braces
// in values mean nothing. A brace that belongs to no such variable is refused
// with template.invalid, which names the field and what may stand in braces,
// never the text.
func ExpandTemplate(text, field string, values map[string]string) (string, *Error) {
	var out strings.Builder
	for rest := text; ; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			out.WriteString(rest)
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest[i+1:], "}")
		value, known := values[name]
		if rest[i] == '}' || !closed || !known {
			return "", invalid(CodeTemplate, field, "only {%s} may stand in braces",
				strings.Join(slices.Sorted(maps.Keys(values)), "}, {"))
		}
		out.WriteString(rest[:i])
		out.WriteString(value)
		rest = after
	}
}
